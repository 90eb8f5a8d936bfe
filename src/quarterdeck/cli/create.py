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
    else:
        console.say(session["id"])
    return 0


def _request(given: argparse.Namespace, transport: Transport) -> Request:
    folders = {name: transport.run(procedures.find_folder(name))["id"] for name, _ in given.mount}
    return api.create_session(
        given.image,
        slots={"cpu": given.cpu, "memory_mib": given.memory},
        name=given.name,
        mounts=[{"folder": folders[name], "path": path} for name, path in given.mount],
        environment=dict(given.env),
        more={
            "type": given.type or ("batch" if given.words else None),
            "command": given.words,
            "reuse": given.reuse or None,
            "depends_on": [
                transport.run(procedures.find_session(each))["id"] for each in given.after
            ],
        },
    )
