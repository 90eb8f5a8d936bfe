"""What takes several requests: waiting for a session's state by its history, finding things by name.

Generators of requests (see `request.Procedure`), run by either transport.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from quarterdeck.client import api, api_folders
from quarterdeck.client.errors import Ambiguous, NotFound, SessionEnded
from quarterdeck.client.request import Procedure
from quarterdeck.wire import pages
from quarterdeck.wire.states import SESSION_TERMINAL, SessionStatus

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_HEXADECIMAL = re.compile(r"[0-9a-f]+\Z")

SHORT_ID = 8
"""So many digits at the end of an id are shown; ids begin with the time, so their ends differ sooner."""
PART_MIN = 4
"""A part of an id has at least so many digits."""


class Progress:
    """A session's history as far as it is known, `since` a sequence number. States that were passed are still there."""

    def __init__(self, session: str, since: int = 0) -> None:
        self.session = session
        self._since = since
        self.rows: list[dict[str, Any]] = []

    @property
    def after(self) -> int:
        """The sequence number of the last row."""
        return self.rows[-1]["seq"] if self.rows else self._since

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

    def ended(self) -> dict[str, Any] | None:
        """Return the row in which the session ended; None: it lives."""
        rows = self.of_session()
        return rows[-1] if rows and rows[-1]["to_status"] in SESSION_TERMINAL else None

    def __str__(self) -> str:
        return " -> ".join(row["to_status"] for row in self.of_session()) or "no state yet"


def reach(progress: Progress, wanted: str) -> Procedure[dict[str, Any]]:
    """Wait until a session has come to a state, now or before, and return that row of the history. Raises `SessionEnded`."""
    while (row := progress.reached(wanted)) is None:
        yield from _more(progress, wanted)
    return row


def end(progress: Progress) -> Procedure[dict[str, Any]]:
    """Wait until a session has ended, in whatever way, and return that row of the history."""
    while (row := progress.ended()) is None:
        yield from _more(progress, SessionStatus.TERMINATED)
    return row


def find_session(given: str) -> Procedure[dict[str, Any]]:
    """Return the session that is meant by an id, by a name, or by the beginning or the end of an id.

    A live session comes before those that have ended; of several that had a name, the last is meant. Raises `NotFound`, `Ambiguous`.
    """
    if _ID.match(given):
        session: dict[str, Any] = yield api.get_session(given)
        return session
    for ended in (False, True):
        answer = yield api.list_sessions(ended=ended)
        if found := _named(given, answer["items"]):
            return max(found, key=lambda item: str(item["created_at"]))
        if found := _with_part(given.lower(), answer["items"]):
            if len(found) > 1:
                raise Ambiguous(given, [short(item) for item in found])
            return found[0]
    raise NotFound(f"no session of yours has the name or id {given!r}", field="session")


def short(session: Mapping[str, Any]) -> str:
    """Return the end of a session's id, which is random, and its name: enough to address it by."""
    name = f" ({session['name']})" if session.get("name") else ""
    return f"{session['id'][-SHORT_ID:]}{name}"


def find_folder(given: str, *, trash: bool = False) -> Procedure[dict[str, Any]]:
    """Return the folder that is meant by an id or a part of it, a name, or OWNER/NAME; of several in the trash the last.

    One's own comes before those that are shared with one. Raises `NotFound`, `Ambiguous`.
    """
    if _ID.match(given):
        folder: dict[str, Any] = yield api_folders.get_folder(given)
        return folder
    answer = yield api_folders.list_folders(trash=trash)
    found = _folders(given, answer["items"])
    if len(found) > 1 and not trash:
        listed = [f"{item['owner_name']}/{item['name']}" for item in found]
        raise Ambiguous(given, listed, kind="folder")
    if found:
        return found[-1]
    where = " in the trash" if trash else ""
    raise NotFound(f"no folder of yours{where} has the name or id {given!r}", field="folder")


def find_any_folder(given: str) -> Procedure[dict[str, Any]]:
    """Return the folder that is meant, in use or in the trash. Raises `NotFound`, `Ambiguous`."""
    try:
        return (yield from find_folder(given))
    except NotFound as missing:
        try:
            return (yield from find_folder(given, trash=True))
        except NotFound:
            raise missing from None


def find_invitation(given: str) -> Procedure[dict[str, Any]]:
    """Return the invitation to oneself that is meant by its id or a part of it, by the folder's name, or by OWNER/NAME. Raises `NotFound`, `Ambiguous`."""
    answer = yield api_folders.list_invitations()
    found = [
        one
        for one in answer["items"]
        if given in {one["id"], one["folder_name"], f"{one['owner']}/{one['folder_name']}"}
    ] or _with_part(given.lower(), answer["items"])
    if len(found) > 1:
        listed = [f"{one['owner']}/{one['folder_name']}" for one in found]
        raise Ambiguous(given, listed, kind="invitation")
    if found:
        return dict(found[0])
    raise NotFound(f"no invitation of yours is meant by {given!r}", field="invitation")


def find_invitee(folder: str, user: str) -> Procedure[dict[str, Any]]:
    """Return the invitation of a user to a folder of one's own. Raises `NotFound`."""
    answer = yield api_folders.invitations_of(folder)
    for one in answer["items"]:
        if one["invitee"] == user:
            return dict(one)
    raise NotFound(f"{user!r} is not invited to the folder", field="user")


def _folders(given: str, items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the folders that may be meant: one's own before others, names before parts of ids; but what somebody else has named like a part of
    the id of one's own stands beside it.
    """
    owner, slash, name = given.rpartition("/")
    items = list(items)
    named = [one for one in _named(name, items) if not slash or owner == one["owner_name"]]
    parts = _with_part(given.lower(), items)
    return _own(named) or [*named, *_own(parts)] or parts


def _own(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in items if one["permission"] == "own"]


def find_registry(given: str) -> Procedure[dict[str, Any]]:
    """Return the registry with an id or a name. Raises `NotFound`."""
    answer = yield api.list_registries()
    for registry in answer["items"]:
        if given in {registry["id"], registry["name"]}:
            return dict(registry)
    raise NotFound(f"no registry has the name or id {given!r}", field="registry")


def find_user(given: str) -> Procedure[dict[str, Any]]:
    """Return the user with an id or a name. Raises `NotFound`."""
    answer = yield api.list_users()
    for user in answer["items"]:
        if given in {user["id"], user["name"]}:
            return dict(user)
    raise NotFound(f"no user has the name or id {given!r}", field="user")


def restarted(session: str) -> Procedure[Progress]:
    """Return the progress of a session since it was last to be restarted."""
    progress, known = Progress(session), -1
    while progress.after != known:
        known = progress.after
        yield from look(progress)
    began = [row["seq"] for row in progress.of_session() if row["to_status"] == "RESTARTING"]
    return Progress(session, began[-1] - 1 if began else 0)


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


def _with_part(part: str, items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those whose ids begin or end with a part; hyphens do not matter."""
    digits = part.replace("-", "")
    if len(digits) < PART_MIN or not _HEXADECIMAL.match(digits):
        return []
    ids = ((item, item["id"].replace("-", "")) for item in items)
    return [item for item, id_ in ids if id_.startswith(digits) or id_.endswith(digits)]


def _cause(rows: list[dict[str, Any]]) -> str:
    """Return why a session ended: the cause of the row in which it began to."""
    ending = [row for row in rows if row["to_status"] in {"TERMINATING", "CANCELLED"}]
    return str((ending or rows)[-1]["cause"])


def list_images(*, missing: bool = False) -> Procedure[list[dict[str, Any]]]:
    """Return all images that are offered, with `missing` those that are not any more."""
    found: list[dict[str, Any]] = []
    while True:
        after = found[-1]["name"] if found else ""
        page = (yield api.list_images(missing=missing, after=after))["items"]
        found += page
        if len(page) < pages.IMAGES_MAX:
            return found
