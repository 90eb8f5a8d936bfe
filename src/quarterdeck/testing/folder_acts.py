"""What tests do with folders again and again."""

from collections.abc import Awaitable
from pathlib import Path

import pytest

from quarterdeck.client.client import Client
from quarterdeck.client.errors import ClientError, Refused
from quarterdeck.client.folders import Folder
from quarterdeck.testing.tenancy import User


async def refusal(attempt: Awaitable[object]) -> str:
    """Return the code of a refusal, which there must be."""
    with pytest.raises(Refused) as refused:
        await attempt
    return refused.value.code


async def outcome(attempt: Awaitable[object]) -> object:
    """Return what came of it, if only an error."""
    try:
        return await attempt
    except ClientError as error:
        return error


async def filled(
    user: Client, tmp_path: Path, name: str = "data", *, path: str = "in.txt"
) -> Folder:
    """Make a folder with a file in it."""
    (tmp_path / "in.txt").write_text("kept")
    folder = await user.folders.create(name)
    await folder.upload(tmp_path / "in.txt", path)
    return folder


async def shared(folder: Folder, user: User, permission: str) -> Folder:
    """Return the folder as a user sees it who has accepted an invitation."""
    invitation = await folder.invite(user.view.name, permission)
    return await user.folders.accept(invitation.id)
