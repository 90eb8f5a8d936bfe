"""Why a session waits, runs no more or never ran, in words, and what to do about it. The platform's reasons are the keys."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Why(NamedTuple):
    """What happened and what to do next; either may be empty."""

    what: str
    next: str = ""


_LOGS = "its last words: qd session logs {id}"
_HISTORY = "its history tells more: qd session show {id} -v"
_AGAIN = "make it again: qd session create …"

_ENDED: Mapping[str, Why] = {
    "user-requested": Why("ended on request"),
    "kernel-failed": Why("its kernel could not be started", _HISTORY),
    "create-timed-out": Why("its agent gave no clear answer in time", _AGAIN),
    "self-terminated": Why("its process ended by itself", _LOGS),
    "kernel-missing": Why("its agent does not know its kernel any more", _AGAIN),
    "agent-drained": Why("its agent was taken out of service", _AGAIN),
    "agent-lost": Why("its agent was lost, and the kernel with it", _AGAIN),
    "task-finished": Why("its command has ended well"),
    "task-failed": Why("its command has failed", _LOGS),
    "task-timeout": Why("its command took too long", "allow it more: --timeout"),
    "idle-timeout": Why("nobody used it for too long", "allow it more: --idle"),
    "lifetime-timeout": Why("it ran for as long as it may", "allow it more: --lifetime"),
    "pull-failed": Why("its image could not be pulled", "look at the image: qd image ls"),
    "restart-failed": Why("it could not be restarted", _HISTORY),
    "restart-timed-out": Why("it was not restarted in time", _HISTORY),
    "dependency-failed": Why("a session that it depends on did not succeed"),
    "folder-not-shared": Why("a folder that it mounts is not shared with its owner any more"),
}
_WAITS: Mapping[str, Why] = {
    "PENDING": Why(
        "waits for a place",
        "why: qd session show {id}; give it up: qd session cancel {id}",
    ),
    "SCHEDULED": Why("has a place; its kernel is about to be made"),
    "PULLING": Why("its image is being pulled"),
    "CREATING": Why("its kernel is being made"),
    "RESTARTING": Why("its kernel is being made anew"),
    "TERMINATING": Why("is ending", "does it not end: qd session rm --force {id}"),
}


_PENDING: Mapping[str, str] = {
    "dependencies": "look at what it waits for; give it up: qd session cancel {id}",
    "too-large": "it will not start: qd session cancel {id}, then ask for less",
    "no-room": "end another (qd session ls), or give it up: qd session cancel {id}",
    "no-agent": "the administrator sees the agents: qd agent ls",
    "no-schedulable-agent": "the administrator sees the agents: qd agent ls",
    "no-isolation": "it will not start: qd session cancel {id}, then ask for less isolation",
    "no-mounts": "it will not start: qd session cancel {id}, then leave out the folders",
    "no-architecture": "it will not start: qd session cancel {id}, then take another image",
    "queued": "",
}
"""What to do about one that waits, by the platform's reason."""


def of(session: Mapping[str, Any]) -> Why:
    """Return why a session is not running, with the platform's own words where it has some."""
    status, reason, detail = session["status"], session.get("reason"), session.get("detail")
    if status in _WAITS and status != "TERMINATING":
        found = _WAITS[status]
        what = detail or found.what + _share(session.get("pull"))
        found = Why(what, _PENDING.get(reason or "", found.next))
    elif reason:
        known = _ENDED.get(reason, Why(reason.replace("-", " "), _HISTORY))
        found = known if status != "TERMINATING" else _WAITS[status]
        what = _with(known.what, detail) + _code(session)
    else:
        found = _WAITS.get(status, Why(""))
        what = found.what
    return Why(what, found.next.format(id=session.get("name") or session["id"][-8:]))


def briefly(session: Mapping[str, Any], others: Mapping[str, str]) -> str:
    """Return the same for a table: the platform's words or else ours; nothing for one that runs. `others` are the live ones' names by id."""
    if session["status"] == "RUNNING":
        return ""
    waits = [others[each] for each in session.get("depends_on", ()) if each in others]
    if session["status"] == "PENDING" and waits:
        return f"waits for {', '.join(waits)}"
    return str(session.get("detail") or of(session).what)


def status(session: Mapping[str, Any]) -> str:
    """Return a session's state for a table: with its result and exit code when it has ended."""
    text = str(session["status"])
    if text == "TERMINATED" and session.get("result") == "FAILURE":
        code = session.get("exit_code")
        return "FAILURE" if code is None else f"FAILURE {code}"
    if text == "TERMINATED" and session.get("type") == "batch" and session.get("result"):
        return str(session["result"])
    return text


def _share(pull: Mapping[str, Any] | None) -> str:
    """Return how much of an image has come, as far as that is known."""
    if pull is None or not pull["bytes_total"]:
        return ""
    return f", {100 * pull['bytes_done'] // pull['bytes_total']} %"


def _with(what: str, detail: str | None) -> str:
    """Return both, unless the one says the other."""
    if not detail or detail.lower() in what.lower():
        return what
    return f"{what}: {detail}" if len(detail) < 200 else f"{what}: {detail[:199]}…"


def _code(session: Mapping[str, Any]) -> str:
    code = session.get("exit_code")
    return (
        f" (exit code {code})" if code and str(code) not in (session.get("detail") or "") else ""
    )
