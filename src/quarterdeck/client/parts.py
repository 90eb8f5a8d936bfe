"""Uploads in parts that go at the same time, each a transfer of its own, joined at the end: for links where one connection is not enough."""

from pathlib import Path
from typing import Any

from quarterdeck.base.clock import Clock
from quarterdeck.client import files, request, sending
from quarterdeck.client.errors import OutcomeUnknown
from quarterdeck.client.local_files import Source
from quarterdeck.client.request import Grant
from quarterdeck.client.sending import Step, Transfer


def split(size: int, parts: int) -> list[tuple[int, int]]:
    """Return where each part begins and ends; none is smaller than a piece but the last."""
    share = max(-(-size // parts), sending.PIECE_BYTES)
    return [(start, min(start + share, size)) for start in range(0, size, share)]


def send(grant: Grant, local: Path, stretch: tuple[int, int], clock: Clock) -> Transfer[str]:
    """Send one part and return its address. Raises `ClientError`s."""
    source = Source(local, stretch=stretch)
    try:
        location = yield from sending.begin(grant, None, source)
        yield from sending.pieces(grant, location, source, clock)
    finally:
        source.close()
    return location


def join(grant: Grant, copy: files.Copy, addresses: list[str]) -> Transfer[Any]:
    """Make a file of the parts, if it is what is here; return its entry. Raises `ClientError`s."""
    crc32 = files.crc32(copy.local)
    headers = {
        "Upload-Concat": f"final;{' '.join(addresses)}",
        "Upload-Metadata": sending.metadata({"path": copy.remote, "crc32": crc32}),
    }
    try:
        yield Step(sending.tus(grant, "POST", sending.UPLOADS, headers))
    except OutcomeUnknown:
        told = yield Step(files.checksum(grant, copy.remote, "crc32"))
        files.check(copy.remote, crc32, request.answer("GET", told.body)["crc32"])
    listed = yield Step(files.ls(grant, copy.remote))
    return request.answer("GET", listed.body)["items"][0]
