"""What takes several requests: waiting for a session's state by its history, finding things by name.

Generators of requests (see `request.Procedure`), run by either transport.
"""

import re
from collections.abc import Iterable
from typing import Any

from quarterdeck.client import api
from quarterdeck.client.errors import NotFound, SessionEnded
from quarterdeck.client.request import Procedure
from quarterdeck.wire.states import SESSION_TERMINAL, SessionStatus

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class Progress:
    """A session's history as far as it is known. States that were passed are still there."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.rows: list[dict[str, Any]] = []

    @property
    def after(self) -> int:
        """The sequence number of the last row."""
        return self.rows[-1]["seq"] if self.rows else 0

    def of_session(self) -> list[dict[str, Any]]:
        """Return the rows of the session itself, without those of its kernel."""
        return [row for row in self.rows if row.get("kernel") is None]

    def reached(self, wanted: str) -> dict[str, Any] | None:
        """Return the row in which the session came to a state; None: not yet. Raises `SessionEnded` if it cannot any more."""
        rows = self.of_session()
        for row in rows:
            if row["to_status"] == wanted:
                return row
        if rows and rows[-1]["to_status"] in SESSION_TERMINAL:
            last = rows[-1]
            raise SessionEnded(self.session, wanted, last["to_status"], _cause(rows))
        return None

    def __str__(self) -> str:
        return " -> ".join(row["to_status"] for row in self.of_session()) or "no state yet"


def reach(progress: Progress, wanted: str) -> Procedure[dict[str, Any]]:
    """Wait until a session has come to a state, now or before, and return that row of the history. Raises `SessionEnded`."""
    while (row := progress.reached(wanted)) is None:
        yield from _more(progress, wanted)
    return row


def end(progress: Progress) -> Procedure[dict[str, Any]]:
    """Wait until a session has ended, in whatever way, and return that row of the history."""
    while True:
        rows = progress.of_session()
        if rows and rows[-1]["to_status"] in SESSION_TERMINAL:
            return rows[-1]
        yield from _more(progress, SessionStatus.TERMINATED)


def find_session(given: str) -> Procedure[dict[str, Any]]:
    """Return the session with an id, the live session with a name, or else the last one that had it. Raises `NotFound`."""
    if _ID.match(given):
        session: dict[str, Any] = yield api.get_session(given)
        return session
    for ended in (False, True):
        answer = yield api.list_sessions(ended=ended)
        if found := _named(given, answer["items"]):
            return max(found, key=lambda item: str(item["created_at"]))
    raise NotFound(f"no session of yours has the name {given!r}", field="session")


def find_folder(given: str) -> Procedure[dict[str, Any]]:
    """Return the folder with an id or a name. Raises `NotFound`."""
    if _ID.match(given):
        folder: dict[str, Any] = yield api.get_folder(given)
        return folder
    answer = yield api.list_folders()
    if found := _named(given, answer["items"]):
        return found[0]
    raise NotFound(f"no folder of yours has the name {given!r}", field="folder")


def find_user(given: str) -> Procedure[dict[str, Any]]:
    """Return the user with an id or a name. Raises `NotFound`."""
    answer = yield api.list_users()
    for user in answer["items"]:
        if given in {user["id"], user["name"]}:
            return dict(user)
    raise NotFound(f"no user has the name or id {given!r}", field="user")


def look(progress: Progress) -> Procedure[None]:
    """Take in what has happened by now."""
    answer = yield api.get_history(progress.session, after=progress.after)
    progress.rows += answer["items"]


def _more(progress: Progress, wanted: str) -> Procedure[None]:
    answer = yield api.get_history(
        progress.session,
        after=progress.after,
        wait_seconds=api.HISTORY_WAIT_SECONDS,
        until=wanted,
    )
    progress.rows += answer["items"]


def _named(name: str, items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in items if item["name"] == name]


def _cause(rows: list[dict[str, Any]]) -> str:
    """Return why a session ended: the cause of the row in which it began to."""
    ending = [row for row in rows if row["to_status"] in {"TERMINATING", "CANCELLED"}]
    return str((ending or rows)[-1]["cause"])
