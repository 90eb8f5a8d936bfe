"""An administrator limits what a user may keep, and the user meets the limit."""

import pytest

from quarterdeck.client.errors import Refused


async def refusal(attempt):
    with pytest.raises(Refused) as refused:
        await attempt
    return (refused.value.status, refused.value.code)


async def test_user_meets_the_limit_that_an_administrator_set(
    user, other_user, admin, observe, tmp_path
):
    """Behaviour 36 by the manager's API: limit a user, upload, clone, free, upload again; others are not limited. Look at usage and disk."""
    (tmp_path / "half").write_bytes(b"x" * 60_000)
    set_ = await admin.folders.limit(user.view.name, size=100_000)
    assert (set_.limits.bytes, set_.limits.inodes) == (100_000, None)
    folder = await user.folders.create("data")
    await folder.upload(tmp_path / "half", "one")
    assert await refusal(folder.upload(tmp_path / "half", "two")) == (507, "quota-exceeded")
    assert await refusal(folder.clone("copy")) == (507, "quota-exceeded")
    assert observe.content(folder.id) == {"one": b"x" * 60_000}
    assert observe.rows("SELECT name FROM folders WHERE name = 'copy'") == []
    held = await user.folders.quota(user.id)
    assert 60_000 <= held.bytes_used <= 100_000
    theirs = await other_user.folders.create("data")
    for name in ("one", "two"):
        await theirs.upload(tmp_path / "half", name)
    await folder.remove("one")
    await folder.upload(tmp_path / "half", "two")
    assert list(observe.content(folder.id)) == ["two"]
    await admin.folders.limit(user.view.name)
    await folder.upload(tmp_path / "half", "three")


async def test_quotas_are_set_by_administrators_for_who_is_there(user, other_user, admin):
    """Who may not is told, and of what is not there, too. Set and look as a user, for nobody, on no host."""
    name = other_user.view.name
    for attempt in (
        user.folders.limit(user.view.name, size=1),
        user.folders.quota(name),
        user.folders.quota("nobody-at-all"),
    ):
        assert await refusal(attempt) == (403, "forbidden")
    assert await refusal(admin.folders.limit("nobody-at-all", size=1)) == (404, "user-not-found")
    assert await refusal(admin.folders.limit(name, "moon", size=1)) == (404, "host-not-found")
    assert await refusal(admin.folders.limit(name, size=-1)) == (400, "invalid-field")
    assert (await user.folders.quota(user.view.name)).limits.bytes is None
