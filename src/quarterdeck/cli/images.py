"""`qd image`: ls, show, rescan, pull-status."""

import argparse
import threading
from typing import Any

from quarterdeck.cli.console import Console, bytes_in_words
from quarterdeck.client import api, procedures
from quarterdeck.client.transport import Transport

REFRESH_SECONDS = 0.2
LIVE = frozenset({"WAITING", "RUNNING"})


def ls(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """List images, a row an architecture."""
    items = transport.run(procedures.list_images(missing=given.all))
    if console.as_json:
        console.json(items)
        return 0
    rows = [row for item in items for row in _rows(item, console)]
    console.table(("IMAGE", "ARCH", "SIZE", "CPU", "MIB", "UPDATED"), rows, flexible=0)
    return 0


def show(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Show an image with all that is known of it."""
    image = transport.call(api.get_image(given.image))
    if console.as_json:
        console.json(image)
        return 0
    facts = [
        ("image", image["name"]),
        ("digest", image["digest"]),
        ("registry", image["registry"]),
        ("updated", image["updated_at"]),
        ("missing", image["missing_since"] and f"since {image['missing_since']}"),
    ]
    for title, value in facts:
        if value:
            console.say(f"{title:<9} {value}")
    for one in image["variants"]:
        console.say("")
        console.say(f"{one['architecture']}, {bytes_in_words(one['size_bytes'])}")
        console.say(f"  digest   {one['digest']}")
        console.say(f"  runtime  {one['runtime']}")
        console.say(f"  needs    {one['cpu_min']} cpu, {one['memory_mib_min']} MiB")
        for name, value in sorted(one["labels"].items()):
            console.say(f"  label    {name}={value}")
    return 0


def rescan(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Look at a registry, and tell what was found."""
    registry = transport.run(procedures.find_registry(given.registry))
    if given.cancel:
        found = transport.call(api.cancel_rescan(registry["id"]))
    else:
        found = transport.call(api.rescan(registry["id"]))
        if not given.no_wait:
            found = _ended(given, registry, transport, console)
    if console.as_json:
        console.json(found)
    else:
        _tell(found, console)
    return 1 if found["status"] == "FAILED" else 0


def pull_status(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Show how far the images of a session's kernels are."""
    session = transport.run(procedures.find_session(given.session))
    kernels = session.get("kernels", [])
    if console.as_json:
        console.json([{**kernel, "image": session["image"]} for kernel in kernels])
        return 0
    rows = [
        (one["hostname"], one["agent"], one["status"], progress(one.get("pull")))
        for one in kernels
    ]
    console.say(session["image"])
    console.table(("KERNEL", "AGENT", "STATUS", "PULL"), rows, flexible=3, painted=2)
    return 0


def progress(pull: dict[str, Any] | None) -> str:
    """Return how far a pull is, for people."""
    if pull is None:
        return "-"
    if not pull["bytes_total"]:
        return "begun"
    share = 100 * pull["bytes_done"] // pull["bytes_total"]
    done, total = (bytes_in_words(pull[name]) for name in ("bytes_done", "bytes_total"))
    return f"{share} %, {done} of {total}, layer {pull['layer']} of {pull['layers']}"


def _rows(item: dict[str, Any], console: Console) -> list[tuple[str, ...]]:
    name = item["name"] + (" (missing)" if item["missing_since"] else "")
    if not item["variants"]:
        return [(name, "any", "-", "-", "-", "-")]
    updated = console.age(item["updated_at"]) if item["updated_at"] else "-"
    return [
        (
            name,
            one["architecture"],
            bytes_in_words(one["size_bytes"]),
            str(one["cpu_min"]),
            str(one["memory_mib_min"]),
            updated,
        )
        for one in item["variants"]
    ]


def _ended(
    given: argparse.Namespace, registry: dict[str, Any], transport: Transport, console: Console
) -> Any:
    """Wait until the look at a registry has ended; tell whoever looks on how far it is."""
    name, pause = registry["name"], threading.Event()
    with transport.within(given.within, f"the look at {name} has not ended"):
        while True:
            found = transport.call(api.get_rescan(registry["id"]))
            if found["status"] not in LIVE:
                console.progress("")
                return found
            total = found["repositories_total"] or "?"
            console.progress(f"{name}: {found['repositories_done']} of {total} repositories")
            pause.wait(REFRESH_SECONDS)


def _tell(found: dict[str, Any], console: Console) -> None:
    if found["status"] in LIVE:
        console.say(f"{found['registry']}: {found['status'].lower()}")
        return
    images, missing = (sum(one[key] for one in found["results"]) for key in ("images", "missing"))
    console.say(f"{found['registry']}: {images} images, {missing} went missing")
    for result in found["results"]:
        for problem in result["problems"]:
            console.say(f"  {result['repository']}: {problem}")
    if found["reason"]:
        console.complain(f"the look at {found['registry']} ended: {found['reason']}")
