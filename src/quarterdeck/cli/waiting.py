"""Waiting for a session, with a line that tells whoever looks on how far it has come."""

from collections.abc import Callable
from typing import Any

from quarterdeck.cli import console as console_module
from quarterdeck.cli import reasons
from quarterdeck.cli.console import Console
from quarterdeck.client import api, procedures
from quarterdeck.client.procedures import Progress
from quarterdeck.client.transport import Transport

REFRESH_SECONDS = 1.0


class Waiting:
    """How long to wait, and whom to tell about it."""

    def __init__(self, transport: Transport, console: Console, within: float) -> None:
        self._transport = transport
        self._console = console
        self._within = within

    def until_running(self, session: dict[str, Any]) -> dict[str, Any]:
        """Wait until a session runs or has run; return it as it is then. Raises `SessionEnded`, `NotReached`."""
        return self._until(session, "RUNNING", lambda progress: progress.reached("RUNNING"))

    def until_running_again(self, session: dict[str, Any]) -> dict[str, Any]:
        """Wait until a session that was asked to restart has done so; return it as it is then. Raises `SessionEnded`, `NotReached`."""
        since = self._transport.run(procedures.restarted(session["id"]))
        return self._until(session, "RUNNING", lambda progress: progress.reached("RUNNING"), since)

    def until_ended(self, session: dict[str, Any]) -> dict[str, Any]:
        """Wait until a session has ended; return it as it is then. Raises `NotReached`."""
        return self._until(session, "TERMINATED", Progress.ended)

    def _until(
        self,
        session: dict[str, Any],
        status: str,
        done: Callable[[Progress], object],
        since: Progress | None = None,
    ) -> dict[str, Any]:
        id_ = session["id"]
        name = session.get("name") or id_[-8:]
        live, progress = self._console.live, since or Progress(id_)
        with self._transport.within(self._within, f"session {name} is not {status}"):
            while not done(progress):
                answer = self._transport.insist(
                    api.get_history(
                        id_,
                        after=progress.after,
                        wait_seconds=REFRESH_SECONDS if live else api.HISTORY_WAIT_SECONDS,
                        until=status,
                    )
                )
                progress.rows += answer["items"]
                if live and not done(progress):
                    session = self._transport.insist(api.get_session(id_))
                    self._console.progress(f"{name}: {self._line(session)}")
            self._console.progress("")
            return dict(self._transport.insist(api.get_session(id_)))

    def _line(self, session: dict[str, Any]) -> str:
        past = console_module.duration(self._console.seconds_since(session["created_at"]))
        return f"{session['status']}, {past}  {reasons.of(session).what}"
