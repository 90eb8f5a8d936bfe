"""Uploads in pieces, which survive broken connections, dying storage-proxies and this process: what to ask next, given the last answer.

Generators: they yield a `Step`, are sent the `Reply`, or thrown the error, and end in a result. Both transports drive them, in a thread
where that matters: local files are read and hashed in here.
"""

import base64
from collections.abc import Generator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from quarterdeck.base.clock import Clock
from quarterdeck.client import files, request
from quarterdeck.client.comeback import Comeback
from quarterdeck.client.errors import ClientError, OutcomeUnknown, Refused
from quarterdeck.client.local_files import Sink, Source
from quarterdeck.client.request import Grant, Prepared

PIECE_BYTES = 8 * 1024 * 1024
"""What is larger goes in pieces of this size, several times while the same request is repeated."""

UPLOADS = "/client/v1/uploads"
_TUS = {"Tus-Resumable": "1.0.0"}
_PASSING = frozenset({"upload-busy", "upload-incomplete", "offset-differs", "too-many-transfers"})
"""Refusals of a piece after which one looks how far it has come, and goes on."""

_GONE = frozenset({404, 410})
_CODE_HEADER = "x-problem-code"
"""Where a refusal without a body says which it is."""

_BEGINNINGS_MAX = 3

T = TypeVar("T")


class Step(NamedTuple):
    """What to do next: send a request after so many seconds. An answer may go into a sink, where it is good."""

    prepared: Prepared
    pause: float = 0.0
    sink: Sink | None = None


class Reply(NamedTuple):
    """An answer that is no refusal; names of headers are in lower case."""

    headers: Mapping[str, str]
    body: bytes


def reply(step: Step, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """Return what an answer means. Raises `Refused`, also for refusals that have no body, `OutcomeUnknown`."""
    if step.prepared.method == "HEAD" and status >= 400:
        code = headers.get(_CODE_HEADER, "refused")
        raise Refused(status, code, f"the answer was status {status}")
    return Reply(headers, request.outcome(step.prepared.method, status, body))


Transfer = Generator[Step, Reply, T]


def upload(grant: Grant, remote: str, source: Source, clock: Clock) -> Transfer[Any]:
    """Send a file in pieces, going on where an earlier attempt has ended, and return its entry. Raises `ClientError`s."""
    known = yield Step(request.with_token(grant, "GET", UPLOADS))
    found = _earlier(request.answer("GET", known.body)["items"], remote, source)
    for attempt in range(_BEGINNINGS_MAX):
        try:
            location = found or (yield from begin(grant, remote, source))
            yield from pieces(grant, location, source, clock)
            break
        except Refused as refused:
            if refused.status not in _GONE or attempt == _BEGINNINGS_MAX - 1:
                raise
            found = None
    listed = yield Step(files.ls(grant, remote))
    return request.answer("GET", listed.body)["items"][0]


class Ended(NamedTuple, Generic[T]):
    """What a transfer has come to."""

    result: T


def advance(transfer: Transfer[T], given: Reply | ClientError | None) -> Step | Ended[T]:
    """Go on with a transfer: begin it, or tell it what has come of its last step. Its end is a value, which can leave a thread."""
    try:
        if isinstance(given, ClientError):
            return transfer.throw(given)
        return next(transfer) if given is None else transfer.send(given)
    except StopIteration as done:
        return Ended(done.value)


def require_unsupported(refused: Refused) -> None:
    """Raise the refusal, unless it says that the host takes whole files only."""
    if refused.code != "uploads-unsupported":
        raise refused


def _earlier(items: list[dict[str, Any]], remote: str, source: Source) -> str | None:
    """Return the address of the upload of the same local file to the same place that has come furthest."""
    same = [
        item
        for item in items
        if (item["path"], item["size"], item["source"]) == (remote, source.size, source.mark)
    ]
    best = max(same, key=lambda item: int(item["offset"]), default=None)
    return None if best is None else f"{UPLOADS}/{best['id']}"


def begin(grant: Grant, remote: str | None, source: Source) -> Transfer[str]:
    """Begin an upload to a path, or of a part if there is none, and return its address."""
    headers = {"Upload-Length": str(source.size)}
    if remote is None:
        headers["Upload-Concat"] = "partial"
    else:
        said = {"path": remote, "source": source.mark, "crc32": ""}
        headers["Upload-Metadata"] = metadata(said)
    answer = yield Step(tus(grant, "POST", UPLOADS, headers))
    return answer.headers["location"]


def pieces(grant: Grant, location: str, source: Source, clock: Clock) -> Transfer[None]:
    """Send what is not there yet."""
    offset, pause = -1, 0.0
    comeback = Comeback()
    comeback.answered()
    while offset < source.size:
        try:
            if offset < 0:
                answer = yield Step(tus(grant, "HEAD", location), pause)
                offset = int(answer.headers["upload-offset"])
                source.stand_at(offset)
                pause = 0.0
                continue
            answer = yield Step(_piece(grant, location, source, offset), pause)
        except ClientError as error:
            pause = comeback.pause(_passing(error), clock.monotonic())
            offset = -1
            continue
        comeback.answered()
        offset = int(answer.headers["upload-offset"])
        source.report(offset)


def _piece(grant: Grant, location: str, source: Source, offset: int) -> Prepared:
    source.stand_at(offset)
    data = source.read(PIECE_BYTES)
    headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    if offset + len(data) == source.size:
        source.require_unchanged()
        if not source.is_part:
            headers["X-Content-CRC32"] = source.crc32
    return tus(grant, "PATCH", location, headers)._replace(body=data)


def _passing(error: ClientError) -> ClientError:
    """Return an error that passes in a form that says so."""
    if isinstance(error, Refused) and error.code in _PASSING:
        return OutcomeUnknown(error.detail)
    return error


def tus(
    grant: Grant, method: str, path: str, headers: Mapping[str, str] | None = None
) -> Prepared:
    """Return a request by the tus protocol."""
    prepared = request.with_token(grant, method, path)
    return prepared._replace(headers={**prepared.headers, **_TUS, **(headers or {})})


def metadata(said: Mapping[str, str]) -> str:
    """Return what a beginning says, as the header has it."""
    return ",".join(f"{key} {_encoded(value)}".rstrip() for key, value in said.items())


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
