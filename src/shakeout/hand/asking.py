"""Ask the process that holds a running system to do something; see `control`. For commands: without asyncio."""

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from shakeout.hand.errors import Misused, NotAnswering, Refused
from shakeout.hand.state import UpState

Tell = Callable[[str], None]


def silence(_words: str) -> None:
    """Tell nobody."""


def ask(found: UpState, request: Mapping[str, Any], tell: Tell = silence) -> dict[str, Any]:
    """Return the result; `tell` hears of each step. Ctrl-C makes the system undo what it has begun.

    Raises NotAnswering, Misused, Refused.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.connect(str(found.socket))
            channel.sendall(json.dumps(request).encode() + b"\n")
            with channel.makefile("r") as answers:
                return _read(found, answers, tell)
    except OSError as error:
        raise NotAnswering(found.name, error.strerror or str(error)) from None


def _read(found: UpState, answers: Any, tell: Tell) -> dict[str, Any]:
    for line in answers:
        answer: dict[str, Any] = json.loads(line)
        if "did" in answer:
            did: dict[str, Any] = answer["did"]
            return did
        if "failed" in answer:
            raise (Misused if answer["misused"] else Refused)(answer["detail"])
        tell(answer["say"])
    raise NotAnswering(found.name, "it ended, or it takes no more requests")
