"""Carrying out a command: configuration, transport, the function of the command, and errors as words and an exit code."""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TextIO

from quarterdeck.base import config
from quarterdeck.base.clock import SystemClock
from quarterdeck.base.errors import ConfigInvalid, QuarterdeckError
from quarterdeck.cli import (
    access,
    agents,
    completion,
    copying,
    create,
    execute,
    folder_life,
    folder_shares,
    folders,
    images,
    logs,
    registries,
    sessions,
    shell,
    show,
    users,
    watch,
    words,
)
from quarterdeck.cli.console import Console
from quarterdeck.client.transport import Transport

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_RUN = 125
EXIT_INTERRUPTED = 130
EXIT_UNREAD = 141
"""As of a program that SIGPIPE ends."""

Command = Callable[[argparse.Namespace, Transport, Console], int]

COMMANDS: Mapping[str, Command] = {
    "session-create": create.create,
    "session-ls": sessions.ls,
    "session-show": show.show,
    "session-watch": watch.watch,
    "session-exec": execute.execute,
    "session-shell": shell.shell,
    "session-logs": logs.logs,
    "session-rm": sessions.rm,
    "session-restart": sessions.restart,
    "session-cancel": sessions.cancel,
    "folder-create": folders.create,
    "folder-ls": folders.ls,
    "folder-upload": copying.upload,
    "folder-download": copying.download,
    "cp": copying.cp,
    "folder-show": folder_life.show,
    "folder-rename": folder_life.rename,
    "folder-clone": folder_life.clone,
    "folder-rm": folder_life.rm,
    "folder-restore": folder_life.restore,
    "folder-purge": folder_life.purge,
    "folder-transfer": folder_life.transfer,
    "folder-mkdir": folder_life.mkdir,
    "folder-mv": folder_life.mv,
    "folder-cp": folder_life.cp,
    "folder-find": folder_life.find,
    "folder-share": folder_shares.share,
    "folder-invitations": folder_shares.invitations,
    "folder-accept": folder_shares.accept,
    "folder-reject": folder_shares.reject,
    "folder-revoke": folder_shares.revoke,
    "folder-hosts": folder_shares.hosts,
    "folder-allow": folder_shares.allow,
    "folder-quota": folder_shares.quota,
    "image-ls": images.ls,
    "image-show": images.show,
    "image-rescan": images.rescan,
    "image-pull-status": images.pull_status,
    "registry-add": registries.add,
    "registry-ls": registries.ls,
    "registry-rm": registries.rm,
    "user-create": users.create,
    "user-ls": users.ls,
    "user-me": users.me,
    "user-rm": users.rm,
    "agent-ls": agents.ls,
    "agent-drain": agents.drain,
    "agent-undrain": agents.undrain,
}
LOCAL: Mapping[str, Callable[[argparse.Namespace, Console], int]] = {
    "completion": completion.completion
}
"""Commands that need no platform."""

_RUNS_SOMETHING = frozenset({"session-exec", "session-shell"})
"""Commands whose exit code is that of what they run: their own failures have a code apart."""


def run(given: argparse.Namespace) -> int:
    """Run the command that was given and return its exit code."""
    clock = SystemClock()
    environment = config.environment()
    colour = not environment.text("NO_COLOR", "") and environment.text("TERM", "") != "dumb"
    out, err = _stream(sys.stdout), _stream(sys.stderr)
    console = Console(out, err, clock, as_json=given.json, colour=colour)
    if given.command in LOCAL:
        return _ended(partial(LOCAL[given.command], given, console), given, console, out)
    try:
        transport = Transport(access.credentials(environment), clock)
    except ConfigInvalid as error:
        console.complain(words.of(error), error)
        return EXIT_USAGE
    with contextlib.closing(transport):
        work = partial(COMMANDS[given.command], given, transport, console)
        return _ended(work, given, console, out)


def _ended(
    work: Callable[[], int], given: argparse.Namespace, console: Console, out: TextIO
) -> int:
    """Do it, tell what goes wrong, and return the exit code."""
    failed = EXIT_NOT_RUN if given.command in _RUNS_SOMETHING else EXIT_FAILED
    try:
        code = work()
        out.flush()
    except QuarterdeckError as error:
        console.complain(words.of(error, _session(given)), error)
        return failed
    except KeyboardInterrupt:
        console.progress("")
        return EXIT_INTERRUPTED
    except (OSError, UnicodeEncodeError) as error:
        _complain(error, console, out)
        return EXIT_UNREAD if isinstance(error, BrokenPipeError) else failed
    return code


def _complain(error: OSError | UnicodeEncodeError, console: Console, out: TextIO) -> None:
    """Tell what this machine refuses; whoever reads no more need not be told."""
    if isinstance(error, UnicodeEncodeError):
        console.complain(f"{error.object!r} is not text in UTF-8")
        return
    if not isinstance(error, BrokenPipeError):
        console.complain(f"{error.filename or 'standard output'}: {error.strerror}")
    with Path(os.devnull).open("wb") as nothing:  # what is left to be written would fail again
        os.dup2(nothing.fileno(), out.fileno())


def _stream(stream: TextIO | None) -> TextIO:
    """Return a stream that takes whatever is written, though it be closed or know few characters."""
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _session(given: argparse.Namespace) -> str | None:
    """Return the session that was meant, if it was one."""
    several: list[str] = getattr(given, "sessions", [])
    one = several[0] if len(several) == 1 else getattr(given, "session", None)
    return None if one is None else str(one)
