"""`qd session create`."""

import argparse

from quarterdeck.cli import console as console_module
from quarterdeck.cli.console import Console
from quarterdeck.cli.waiting import Waiting
from quarterdeck.client import api, procedures
from quarterdeck.client.request import Request
from quarterdeck.client.transport import Transport


def create(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Ask for a session; print its id."""
    session = transport.call(_request(given, transport))
    name = session["name"] or session["id"][-8:]
    if not console.as_json:
        console.text(session["id"] + "\n")  # now: the session is there, however the wait ends
    if given.wait:
        try:
            session = Waiting(transport, console, given.within).until_running(session)
        except KeyboardInterrupt:
            console.note(f"it goes on: qd session watch {name}, or end it: qd session rm {name}")
            raise
        past = console_module.duration(console.seconds_since(session["created_at"]))
        console.note(f"{name} is {session['status']} after {past}")
    if console.as_json:
        console.json(session)
    return 0


def _limits(given: argparse.Namespace) -> dict[str, int]:
    """Return the limits that were given; the platform knows the others."""
    limits = {
        "pids": given.pids,
        "disk_mib": given.disk,
        "cpu_seconds": _whole(given.cpu_time),
    }
    return {name: value for name, value in limits.items() if value is not None}


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, round(seconds))


def _request(given: argparse.Namespace, transport: Transport) -> Request:
    mounts = [
        {
            "folder": transport.run(procedures.find_folder(mount.folder))["id"],
            "path": mount.path,
            **({"read_only": True} if mount.read_only else {}),
            **({"subpath": mount.subpath} if mount.subpath else {}),
        }
        for mount in given.mount
    ]
    return api.create_session(
        given.image,
        slots={"cpu": given.cpu, "memory_mib": given.memory},
        name=given.name,
        mounts=mounts,
        environment=dict(given.env),
        more={
            "type": given.type or ("batch" if given.words else None),
            "command": given.words,
            "cluster_size": given.kernels,
            "ports": given.port or None,
            "limits": _limits(given) or None,
            "batch_seconds": _whole(given.timeout),
            "lifetime_seconds": _whole(given.lifetime),
            "idle_seconds": _whole(given.idle),
            "isolation": given.isolation,
            "reuse": given.reuse or None,
            "depends_on": [
                transport.run(procedures.find_session(each))["id"] for each in given.after
            ],
        },
    )
