"""`qd user`: create, ls, me, rm."""

import argparse

from quarterdeck.cli.console import Console
from quarterdeck.client import api, procedures
from quarterdeck.client.transport import Transport


def create(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Make a user; print the key pair as lines for a shell."""
    created = transport.call(api.create_user(given.name, "admin" if given.admin else None))
    if console.as_json:
        console.json(created)
        return 0
    console.say(f"export QD_ACCESS_KEY={created['keypair']['access_key']}")
    console.say(f"export QD_SECRET_KEY={created['keypair']['secret_key']}")
    return 0


def ls(_: argparse.Namespace, transport: Transport, console: Console) -> int:
    """List users."""
    items = transport.call(api.list_users())["items"]
    if console.as_json:
        console.json(items)
        return 0
    rows = [
        (item["id"], item["name"], item["role"], console.age(item["created_at"])) for item in items
    ]
    console.table(("ID", "NAME", "ROLE", "AGE"), rows, flexible=1)
    return 0


def me(_: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Show who asks."""
    user = transport.call(api.get_me())
    if console.as_json:
        console.json(user)
    else:
        console.say(f"{user['name']} ({user['role']})  {user['id']}")
    return 0


def rm(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Delete a user."""
    user = transport.run(procedures.find_user(given.user))
    transport.call(api.delete_user(user["id"]))
    if console.as_json:
        console.json(user)
    return 0
