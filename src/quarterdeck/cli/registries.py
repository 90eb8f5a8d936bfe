"""`qd registry`: add, ls, rm."""

import argparse

from quarterdeck.cli.console import Console
from quarterdeck.client import api, procedures
from quarterdeck.client.transport import Transport


def add(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Let a registry be known; print its id."""
    made = transport.call(
        api.add_registry(
            given.name,
            given.url,
            username=given.username,
            secret=given.secret,
            repositories=given.repository,
        )
    )
    if console.as_json:
        console.json(made)
    else:
        console.say(made["id"])
    return 0


def ls(_: argparse.Namespace, transport: Transport, console: Console) -> int:
    """List the registries."""
    items = transport.call(api.list_registries())["items"]
    if console.as_json:
        console.json(items)
        return 0
    rows = [
        (
            one["name"],
            one["url"],
            one["username"] if one["secret"] else "-",
            one["secret"] or "-",
            ", ".join(one["repositories"]) or "all",
            console.age(one["created_at"]),
        )
        for one in items
    ]
    console.table(("NAME", "URL", "USER", "SECRET", "REPOSITORIES", "AGE"), rows, flexible=4)
    return 0


def rm(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Forget a registry."""
    registry = transport.run(procedures.find_registry(given.registry))
    transport.call(api.delete_registry(registry["id"]))
    if console.as_json:
        console.json(registry)
    return 0
