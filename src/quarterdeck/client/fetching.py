"""Downloads that survive broken connections and this process: what to ask next, given the last answer. Driven as `sending` is."""

from typing import Any

from quarterdeck.base.clock import Clock
from quarterdeck.client import files, request
from quarterdeck.client.comeback import Comeback
from quarterdeck.client.errors import ClientError, ContentDiffers, Refused
from quarterdeck.client.local_files import Sink
from quarterdeck.client.request import Grant
from quarterdeck.client.sending import Reply, Step, Transfer

_VERSIONS_MAX = 5

_OTHER_VERSION = frozenset({"precondition-failed", "range-not-satisfiable"})
"""Refusals that say that the file is not what it was."""

_OF_NO_USE = _OTHER_VERSION | {"file-not-found"}
"""Refusals after which nobody can go on with what was fetched."""


def download(grant: Grant, copy: files.Copy, clock: Clock, report: files.Report) -> Transfer[int]:
    """Fetch a file, going on where an earlier attempt has ended, compare checksums, and return its size. Raises `ClientError`s.

    A file that changes meanwhile is fetched anew. What was fetched of one version stays beside the local path until it is whole.
    """
    for _ in range(_VERSIONS_MAX - 1):
        try:
            return (yield from _version(grant, copy, clock, report))
        except Refused as refused:
            if refused.code not in _OTHER_VERSION:
                raise
    return (yield from _version(grant, copy, clock, report))


def check(grant: Grant, copy: files.Copy) -> Transfer[None]:
    """Compare a local file with the one in the folder. Raises `ContentDiffers`, `FileUnusable`."""
    reply = yield Step(files.checksum(grant, copy.remote, "sha256"))
    files.check(copy.remote, files.digest(copy.local), request.answer("GET", reply.body)["sha256"])


def _version(grant: Grant, copy: files.Copy, clock: Clock, report: files.Report) -> Transfer[int]:
    head = yield Step(files.head(grant, copy.remote))
    size, etag = int(head.headers["content-length"]), head.headers["etag"]
    sink = Sink(copy.local, version=etag, report=report)
    try:
        while sink.size < size:
            yield from _rest(grant, copy, sink, etag, clock)
        reply = yield from _checksum(grant, copy, clock)
        _judge(copy, sink, etag, request.answer("GET", reply.body))
        sink.finish()
    except ContentDiffers:
        sink.forget()
        raise
    except Refused as refused:
        if refused.code in _OF_NO_USE:
            sink.forget()
        raise
    finally:
        sink.close()
    return size


def _rest(  # noqa: PLR0917 - all of a transfer
    grant: Grant, copy: files.Copy, sink: Sink, etag: str, clock: Clock
) -> Transfer[None]:
    """Fetch on, as long as something comes at all."""
    comeback, pause = Comeback(), 0.0
    comeback.answered()
    before = sink.size
    while sink.size == before:
        wanted = files.get(grant, copy.remote)
        headers = {**wanted.headers, "Range": f"bytes={sink.size}-", "If-Match": etag}
        try:
            yield Step(wanted._replace(headers=headers), pause, sink)
        except ClientError as error:
            pause = comeback.pause(error, clock.monotonic())


def _checksum(grant: Grant, copy: files.Copy, clock: Clock) -> Transfer[Reply]:
    """Ask for the checksum of all of it, until there is an answer."""
    comeback, pause = Comeback(), 0.0
    comeback.answered()
    while True:
        try:
            return (yield Step(files.checksum(grant, copy.remote, "crc32"), pause))
        except ClientError as error:
            pause = comeback.pause(error, clock.monotonic())


def _judge(copy: files.Copy, sink: Sink, etag: str, told: dict[str, Any]) -> None:
    """Compare what was fetched with what the storage-proxy has. Raises `ContentDiffers`, `Refused` if that is another version by now."""
    if f'"{told["etag"]}"' != etag:
        raise Refused(412, "precondition-failed", "the file has changed meanwhile")
    files.check(copy.remote, sink.crc32(), told["crc32"])
