"""`qd session exec`: code or a command in a session, with its streams and its exit code."""

import argparse
import sys
from pathlib import Path

from quarterdeck.cli.console import Console
from quarterdeck.client import api, procedures
from quarterdeck.client.errors import FileUnusable
from quarterdeck.client.transport import Transport


def execute(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Run code; its output and traceback become ours, and its exception our exit code 1."""
    code = _code(given)
    session = transport.run(procedures.find_session(given.session))
    execution = transport.call(api.execute(session["id"], code, kernel=given.kernel))
    if console.as_json:
        console.json(execution)
        return 0 if execution["status"] == "ok" else 1
    console.text(execution["stdout"])
    console.error_text(execution["stderr"])
    if execution.get("truncated"):
        console.error_text("qd: the output was longer and has been cut\n")
    if (error := execution.get("error")) is not None:
        console.error_text(error["traceback"].rstrip("\n") + "\n")
        return 1
    if (result := execution.get("result")) is not None:
        console.say(result)
    return 0


def _code(given: argparse.Namespace) -> str:
    if given.code is not None:
        return str(given.code)
    if given.file in {None, "-"}:
        return sys.stdin.read()
    try:
        return Path(given.file).read_text(encoding="utf-8")
    except OSError as error:
        raise FileUnusable(f"cannot read {given.file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FileUnusable(f"{given.file} is not text in UTF-8") from error
