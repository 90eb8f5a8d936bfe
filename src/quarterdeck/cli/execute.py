"""`qd session exec`: code or a command in a session, with its streams, its questions and its exit code."""

import argparse
from pathlib import Path
from typing import Any

from quarterdeck.base import clock as clocks
from quarterdeck.cli import standard_input
from quarterdeck.cli.console import Console
from quarterdeck.client import api, procedures
from quarterdeck.client.errors import FileUnusable
from quarterdeck.client.request import Request
from quarterdeck.client.transport import Transport

FIRST_SECONDS = 0.2
"""Most runs end sooner: one request. Of others the first output is shown after this time."""
POLL_SECONDS = 5.0
"""Also how late Ctrl-C may be noticed that comes in the moment in which a wait begins: no signal ends what has not begun."""
EXIT_INTERRUPTED = 130


def execute(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Run code or a command; its output and traceback become ours, and so does its exit code."""
    what = _what(given)
    session = transport.run(procedures.find_session(given.session))
    run = _Run(session, given, transport, console)
    return run.follow(run.start(what))


class _Run:
    """A run that is followed to its end, over broken connections and one interrupt."""

    def __init__(
        self,
        session: dict[str, Any],
        given: argparse.Namespace,
        transport: Transport,
        console: Console,
    ) -> None:
        from quarterdeck.base import ids  # here: only this command may wait for its imports

        self._session = session["id"]
        self._name = session.get("name") or session["id"][-procedures.SHORT_ID :]
        self._given = given
        self._transport = transport
        self._console = console
        self._id = ids.new(clocks.SystemClock())
        self._asked = 0
        self._interrupted = False
        self._all = {"stdout": "", "stderr": ""}

    def start(self, what: dict[str, Any]) -> Request:
        """Return the request that begins it; sent twice it begins once."""
        return api.execute(
            self._session, **what, run=self._id, wait=FIRST_SECONDS, kernel=self._given.kernel
        )

    def follow(self, request: Request) -> int:
        """Pass on what it writes until it ends; return its exit code."""
        while True:
            try:
                seen = self._transport.insist(request)
                request = self._more(seen)
                self._show(seen)
                if seen["status"] in {"ok", "error"} and seen["offset"] >= seen["written"]:
                    return self._end(seen)
                self._console.require_reader()
                self._answer(seen)
            except KeyboardInterrupt:
                if self._interrupted:
                    self._console.note(f"it goes on in {self._name}")
                    raise
                self._interrupted = True
                self._interrupt()
            except BrokenPipeError:  # nobody reads what it would still write
                self._interrupt()
                raise

    def _interrupt(self) -> None:
        self._transport.insist(api.interrupt(self._session, self._id, kernel=self._given.kernel))

    def _more(self, seen: dict[str, Any]) -> Request:
        question = (seen.get("question") or {}).get("number", 0)
        return api.get_run(
            self._session,
            self._id,
            offset=seen["offset"],
            wait_seconds=1.0 if question else POLL_SECONDS,
            kernel=self._given.kernel,
        )

    def _show(self, seen: dict[str, Any]) -> None:
        """Pass on what has come, in the order in which it came."""
        if lost := seen.get("skipped"):
            self._console.error_text(f"qd: {lost} characters came too fast and are lost\n")
        if self._console.as_json:
            for stream in self._all:
                self._all[stream] += seen[stream]
            return
        displays, at = list(seen.get("displays") or ()), {"stdout": 0, "stderr": 0}
        whole = [
            *((stream, len(seen[stream])) for stream in at),
            *(("display", 1) for _ in displays),
        ]
        for stream, length in seen.get("order") or whole:
            if stream not in at:
                self._display(displays.pop(0))
                continue
            piece = seen[stream][at[stream] : at[stream] + length]
            at[stream] += length
            (self._console.text if stream == "stdout" else self._console.error_text)(piece)

    def _display(self, display: dict[str, Any]) -> None:
        data = display["data"]
        kinds = ", ".join(sorted(data))
        self._console.text(data.get("text/plain", f"({kinds}; see it by --json)") + "\n")

    def _answer(self, seen: dict[str, Any]) -> None:
        """Answer its question, once, with a line of our own input."""
        number = (seen.get("question") or {}).get("number", 0)
        if number > self._asked:
            text = standard_input.line()
            reply = api.reply(self._session, self._id, number, text, kernel=self._given.kernel)
            self._transport.insist(reply)
            self._asked = number

    def _end(self, seen: dict[str, Any]) -> int:
        error, code = seen.get("error"), seen.get("exit_code")
        if self._console.as_json:
            self._console.json({**seen, **self._all})
        elif error is not None:
            self._console.error_text(error["traceback"].rstrip("\n") + "\n")
        elif seen.get("result") is not None:
            self._console.say(seen["result"])
        if self._interrupted and (error or {}).get("type") == "KeyboardInterrupt":
            return EXIT_INTERRUPTED
        return code if code is not None else int(seen["status"] != "ok")


def _what(given: argparse.Namespace) -> dict[str, Any]:
    """Return what is to run. Code that does not come by standard input may ask for that, line by line."""
    if given.words:
        if given.no_stdin or not standard_input.piped():
            return {"command": given.words}
        return {"command": standard_input.fed(given.words, standard_input.read())}
    if given.code is not None:
        return {"code": str(given.code), "stdin": not given.no_stdin}
    if given.file in {None, "-"}:
        return {"code": standard_input.code()}
    try:
        code = Path(given.file).read_text(encoding="utf-8")
    except OSError as error:
        raise FileUnusable(f"cannot read {given.file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FileUnusable(f"{given.file} is not text in UTF-8") from error
    return {"code": code, "stdin": not given.no_stdin}
