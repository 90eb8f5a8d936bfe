"""`qd agent`: ls."""

import argparse

from quarterdeck.cli.console import Console
from quarterdeck.client import api
from quarterdeck.client.transport import Transport


def ls(_: argparse.Namespace, transport: Transport, console: Console) -> int:
    """List agents."""
    items = transport.call(api.list_agents())["items"]
    if console.as_json:
        console.json(items)
        return 0
    rows = []
    for item in items:
        used, slots = item["used"], item["slots"]
        cpu = f"{used['cpu']}/{slots['cpu']}"
        memory = f"{used['memory_mib']}/{slots['memory_mib']}"
        status = item["status"] + ("" if item.get("schedulable", True) else ", drained")
        rows.append((item["id"], status, cpu, memory, item["address"]))
    console.table(("ID", "STATUS", "CPU", "MIB", "ADDRESS"), rows, flexible=4)
    return 0
