"""The blocking transport, for `qd`: no aiohttp, whose import takes longer than most commands. Connections are of `http1`."""

import contextlib
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any, TypeVar

from quarterdeck.base import clock as clocks
from quarterdeck.base.clock import Clock
from quarterdeck.client import events, files, http1, request
from quarterdeck.client.errors import ClientError, NotReached, Unreachable
from quarterdeck.client.request import Credentials, Prepared, Procedure, Request

ANSWER_SECONDS_MAX = 600.0
CONNECT_SECONDS_MAX = 10.0

T = TypeVar("T")


class Transport:
    """Sends requests one after the other, over one kept connection a server."""

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._connections: dict[str, http1.Connection] = {}
        self._deadline: float | None = None

    @property
    def credentials(self) -> Credentials:
        """Where the manager is and who asks it."""
        return self._credentials

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    @contextlib.contextmanager
    def within(self, seconds: float | None, what: str) -> Iterator[None]:
        """Bound the requests of a block together. Raises `NotReached`, saying what was waited for."""
        self._deadline = None if seconds is None else self._clock.monotonic() + seconds
        try:
            yield
        except _DeadlinePassed as error:
            raise NotReached(f"{what} within {seconds:g} s") from error
        finally:
            self._deadline = None

    def call(self, wanted: Request) -> Any:
        """Send a request to the manager and return the answer as dicts and lists. Raises `ClientError`s."""
        prepared = self._credentials.prepare(wanted, self._clock.now().astimezone(UTC))
        return request.loads(self.send(prepared))

    def run(self, procedure: Procedure[T]) -> T:
        """Run a procedure to its end."""
        try:
            wanted = next(procedure)
            while True:
                wanted = procedure.send(self.call(wanted))
        except StopIteration as done:
            result: T = done.value
            return result

    def send(self, prepared: Prepared, body: Iterator[bytes] | None = None) -> bytes:
        """Send a request and return the body of the answer. Raises `ClientError`s."""
        with self._exchange(prepared, body) as response:
            return request.outcome(prepared.method, response.status, response.read())

    def follow(self, following: events.Following) -> Iterator[dict[str, Any]]:
        """Give the rows of a stream of events as they come, over broken connections, until it ends. Raises `ClientError`s."""
        while not following.ended:
            with following.stream():
                yield from self._stream(following)
            if not following.ended:
                clocks.pause(following.come_back(self._clock.monotonic()))

    def upload(self, grant: request.Grant, copy: files.Copy) -> Any:
        """Copy a local file into a folder, compare checksums, and return its entry. Raises `ClientError`s."""
        with contextlib.closing(files.Source(copy.local)) as source:
            prepared = files.put(grant, copy.remote, source.size)
            written = request.loads(self.send(prepared, iter(source.read, b"")))
        files.check(copy.remote, source.sha256, written["sha256"])
        return written["entry"]

    def download(self, grant: request.Grant, copy: files.Copy) -> int:
        """Copy a file of a folder to a local path, which appears when it is whole; return its size. Raises `ClientError`s."""
        with self._exchange(files.get(grant, copy.remote)) as response:
            if response.status >= 400:
                request.outcome("GET", response.status, response.read())
            return _save(response, copy.local)

    @contextlib.contextmanager
    def _exchange(
        self, prepared: Prepared, body: Iterator[bytes] | None = None
    ) -> Iterator[http1.Response]:
        seconds = self._seconds_left()
        try:
            connection = self._connection(prepared.url, seconds)
            response = connection.request(
                prepared.method,
                prepared.target,
                prepared.headers,
                prepared.body if body is None else body,
                seconds=seconds,
            )
            yield response
        except TimeoutError as error:
            self.close()
            if self._deadline is not None:
                raise _DeadlinePassed from error
            raise request.broken(prepared.method, f"no answer from {prepared.url}") from error
        except OSError as error:
            self.close()
            raise request.broken(prepared.method, f"{prepared.url}: {_words(error)}") from error
        except BaseException:
            self.close()
            raise
        if not response.reusable:
            self.close()

    def _stream(self, following: events.Following) -> Iterator[dict[str, Any]]:
        """Follow over one connection of its own, so that other requests can be sent meanwhile."""
        prepared = self._credentials.prepare(following.request(), self._clock.now())
        own = Transport(self._credentials, self._clock)
        own._deadline = self._deadline
        with contextlib.closing(own), own._exchange(prepared) as response:
            if response.status == 204:
                following.nothing_left()
            elif response.status >= 400:
                request.outcome("GET", response.status, response.read())
            response.patience(min(own._seconds_left(), events.SILENCE_SECONDS_MAX))
            for block in response.blocks():
                yield from following.take(block)
                response.patience(min(own._seconds_left(), events.SILENCE_SECONDS_MAX))

    def _connection(self, url: str, seconds: float) -> http1.Connection:
        if url not in self._connections:
            try:
                self._connections[url] = http1.Connection(url, min(seconds, CONNECT_SECONDS_MAX))
            except OSError as error:
                raise Unreachable(f"cannot reach {url}: {_words(error)}") from error
        return self._connections[url]

    def _seconds_left(self) -> float:
        if self._deadline is None:
            return ANSWER_SECONDS_MAX
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise _DeadlinePassed
        return left


class _DeadlinePassed(ClientError):
    """There is no time left."""


def _save(response: http1.Response, local: Path) -> int:
    sink = files.Sink(local)
    try:
        for block in response.blocks():
            sink.write(block)
        sink.finish()
    finally:
        sink.discard()
    return sink.size


def _words(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
