"""`qd session`: ls, rm, cancel, restart."""

import argparse
from collections.abc import Callable
from typing import Any

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.cli import columns, reasons, words
from quarterdeck.cli.console import Console
from quarterdeck.cli.waiting import Waiting
from quarterdeck.client import api, procedures
from quarterdeck.client.errors import TooLate
from quarterdeck.client.transport import Transport
from quarterdeck.wire.states import SESSION_TERMINAL

_WORD_COLUMNS = 14
_NARROW = ("ID", "NAME", "STATUS", "IMAGE", "CPU", "MIB", "AGE", "WHY")
_WIDE = ("ID", "NAME", "STATUS", "TYPE", "IMAGE", "CPU", "MIB", "AGE", "AGENT", "WHY")


def ls(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """List sessions."""
    items = _listed(given, transport)
    if console.as_json:
        console.json(items)
    elif given.quiet:
        for session in items:
            console.say(session["id"])
    elif not items:
        console.note(
            "no sessions" + ("" if given.all else " live; all that were: qd session ls -a")
        )
    else:
        titles: tuple[str, ...] = _WIDE if given.wide else _NARROW
        live = {
            each["id"]: _name(each) for each in items if each["status"] not in SESSION_TERMINAL
        }
        rows = [(_wide if given.wide else _row)(each, live, console) for each in items]
        if not any(row[-1] for row in rows):
            titles, rows = titles[:-1], [row[:-1] for row in rows]
        console.table(titles, rows, flexible=len(titles) - 1, painted=2)
    return 0


def rm(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """End sessions; those that cannot be found are told, and the others end all the same."""

    def end(session: dict[str, Any]) -> dict[str, Any]:
        request = api.delete_session(session["id"], force=given.force)
        return transport.call(request) or session

    ending, code = _each(given.sessions, end, transport, console)
    if given.wait:
        waiting = Waiting(transport, console, given.within)
        ending = [waiting.until_ended(session) for session in ending]
    _told(ending, console)
    return code


def cancel(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Give up sessions that wait; those that do not wait any more are left alone."""

    def end(session: dict[str, Any]) -> dict[str, Any]:
        if session["status"] not in {"PENDING", *SESSION_TERMINAL}:
            raise TooLate(f"{_name(session)} is {session['status']} already")
        return transport.call(api.delete_session(session["id"])) or session

    ending, code = _each(given.sessions, end, transport, console)
    _told(ending, console)
    return code


def restart(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Restart sessions that run; those that cannot be are told, and the others are restarted all the same."""

    def again(session: dict[str, Any]) -> dict[str, Any]:
        return transport.call(api.restart_session(session["id"])) or session

    restarting, code = _each(given.sessions, again, transport, console)
    if given.wait:
        waiting = Waiting(transport, console, given.within)
        restarting = [waiting.until_running_again(session) for session in restarting]
    _told(restarting, console)
    return code


def _each(
    wanted: list[str],
    work: Callable[[dict[str, Any]], dict[str, Any]],
    transport: Transport,
    console: Console,
) -> tuple[list[dict[str, Any]], int]:
    """Do something with each session; what fails for one is told and does not keep the others."""
    done, code = [], 0
    for each in wanted:
        try:
            done.append(work(transport.run(procedures.find_session(each))))
        except QuarterdeckError as error:
            if len(wanted) == 1:
                raise
            console.complain(words.of(error), error)
            code = 1
    return done, code


def _told(sessions: list[dict[str, Any]], console: Console) -> None:
    if console.as_json:
        console.json(sessions)
        return
    for session in sessions:
        console.say(f"{_name(session)}  {console.paint(session['status'])}")


def _listed(given: argparse.Namespace, transport: Transport) -> list[dict[str, Any]]:
    wanted = set(given.status)
    only = wanted.pop() if len(wanted) == 1 else None
    ended = given.all or bool(set(given.status) & SESSION_TERMINAL)
    answer = transport.call(api.list_sessions(status=only, ended=ended))
    items: list[dict[str, Any]] = answer["items"]
    return [each for each in items if not wanted or each["status"] in wanted]


def _row(session: dict[str, Any], live: dict[str, str], console: Console) -> tuple[str, ...]:
    slots = session["slots"]
    return (
        session["id"][-procedures.SHORT_ID :],
        columns.cut(session["name"] or "-", _WORD_COLUMNS),
        reasons.status(session),
        columns.cut(session["image"], _WORD_COLUMNS) + _times(session),
        str(slots["cpu"]),
        str(slots["memory_mib"]),
        console.age(session["created_at"]),
        reasons.briefly(session, live),
    )


def _wide(session: dict[str, Any], live: dict[str, str], console: Console) -> tuple[str, ...]:
    _, _, status, _, cpu, mib, age, why = _row(session, live, console)
    type_, agent = session.get("type", "-"), session.get("agent") or "-"
    name, image = session["name"] or "-", session["image"] + _times(session)
    return (session["id"], name, status, type_, image, cpu, mib, age, agent, why)


def _times(session: dict[str, Any]) -> str:
    """Return how often there is a kernel of it, if more than once."""
    kernels = session.get("cluster_size", 1)
    return f" x{kernels}" if kernels > 1 else ""


def _name(session: dict[str, Any]) -> str:
    return str(session.get("name") or session["id"][-procedures.SHORT_ID :])
