"""The blocking transport, for `qd`: no aiohttp, whose import takes longer than most commands. Connections are of `http1`."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC
from typing import Any, TypeVar

from quarterdeck.base import clock as clocks
from quarterdeck.base.clock import Clock
from quarterdeck.client import events, fetching, files, http1, request, sending
from quarterdeck.client.comeback import Comeback
from quarterdeck.client.errors import ClientError, NotReached, Refused, Unreachable
from quarterdeck.client.local_files import Sink, Source, nobody
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
        self._stopped = threading.Event()

    def another(self) -> "Transport":
        """Return one like this, with connections of its own."""
        return Transport(self._credentials, self._clock)

    @property
    def is_stopped(self) -> bool:
        """Whether it sends nothing more."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Break off whatever another thread does with it; that thread's transfer ends in `Stopped`."""
        self._stopped.set()
        for connection in list(self._connections.values()):
            connection.break_off()

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
        return request.answer(wanted.method, self.send(prepared))

    def insist(self, wanted: Request) -> Any:
        """Send a request that may be repeated until there is an answer, over broken connections. Raises `ClientError`s."""
        comeback = Comeback()
        comeback.answered()
        while True:
            try:
                return self.call(wanted)
            except ClientError as error:
                clocks.pause(comeback.pause(error, self._clock.monotonic()))

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

    def upload(self, grant: request.Grant, copy: files.Copy, report: files.Report = nobody) -> Any:
        """Copy a local file into a folder, compare checksums, and return its entry; a large one in pieces. Raises `ClientError`s."""
        with contextlib.closing(Source(copy.local, report)) as source:
            if source.size > sending.PIECE_BYTES:
                try:
                    return self._transfer(sending.upload(grant, copy.remote, source, self._clock))
                except Refused as refused:
                    sending.require_unsupported(refused)
                    source.stand_at(0)
            prepared = files.put(grant, copy.remote, source.size, files.crc32(copy.local))
            written = request.answer("PUT", self.send(prepared, iter(source.read, b"")))
        files.check(copy.remote, source.crc32, written["crc32"])
        report(source.size)
        return written["entry"]

    def download(
        self, grant: request.Grant, copy: files.Copy, report: files.Report = nobody
    ) -> int:
        """Copy a file of a folder to a local path, which appears when it is whole; return its size. Raises `ClientError`s."""
        if copy.size > sending.PIECE_BYTES:
            return self._transfer(fetching.download(grant, copy, self._clock, report))
        sink = Sink(copy.local, report=report)
        try:
            self._step(sending.Step(files.get(grant, copy.remote), sink=sink))
            sink.finish()
        finally:
            sink.forget()
        return sink.size

    def check(self, grant: request.Grant, copy: files.Copy) -> None:
        """Compare a local file with the one in a folder. Raises `ContentDiffers` and other `ClientError`s."""
        self._transfer(fetching.check(grant, copy))

    def _transfer(self, transfer: sending.Transfer[T]) -> T:
        with contextlib.closing(transfer):
            step = sending.advance(transfer, None)
            while isinstance(step, sending.Step):
                step = sending.advance(transfer, self._outcome(step))
        return step.result

    def _outcome(self, step: sending.Step) -> sending.Reply | ClientError:
        try:
            return self._step(step)
        except ClientError as error:
            return error

    def _step(self, step: sending.Step) -> sending.Reply:
        if self._stopped.wait(step.pause):
            raise Stopped
        with self._exchange(step.prepared) as response:
            if step.sink is None or response.status >= 400:
                return sending.reply(step, response.status, response.headers, response.read())
            for block in response.blocks():
                step.sink.write(block)
            return sending.Reply(response.headers, b"")

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
            else:
                events.require_stream(response.headers.get("content-type"))
            response.patience(min(own._seconds_left(), events.SILENCE_SECONDS_MAX))
            for block in response.blocks():
                yield from following.take(block)
                response.patience(min(own._seconds_left(), events.SILENCE_SECONDS_MAX))

    def _connection(self, url: str, seconds: float) -> http1.Connection:
        if url in self._connections and self._connections[url].is_over:
            self._connections.pop(url).close()
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


class Stopped(Exception):
    """Somebody has stopped the transport in the middle of a transfer."""


class _DeadlinePassed(ClientError):
    """There is no time left."""


def _words(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
