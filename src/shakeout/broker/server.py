"""A broker at work: one connection is one lease, from the request to the return or to the death of either side.

Started by `__main__`; `pool` has the clusters.
"""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shakeout.broker import handover, protocol
from shakeout.broker.pool import Pool
from shakeout.broker.shape import Shape
from shakeout.process import directories
from shakeout.process import protocol as packets
from shakeout.process.branch import Branch
from shakeout.process.channel import Channel, ChannelLost
from shakeout.process.errors import HarnessDied
from shakeout.process.supervisor import Supervisor
from shakeout.system.cluster import Cluster

LOOK_SECONDS = 0.5
"""How often it is asked whether the broker is still wanted."""
REQUESTS_MAX = 8
"""Of one connection, that were not done yet."""
NUMBER_BEYOND_ALL = 1 << 40

Message = dict[str, Any]


@dataclass
class Lease:
    """A cluster in somebody's hands. Copies of its channels stay here: closed by us, they end the cluster."""

    shape: Shape
    cluster: Cluster
    channels: dict[str, tuple[socket.socket, int]]


class Server:
    """Serves one listening socket until it is idle for long, not wanted any more, or told to stop."""

    def __init__(self, supervisor: Supervisor, key: str, idle_seconds_max: float) -> None:
        self._supervisor = supervisor
        self._key = key
        self._idle_seconds_max = idle_seconds_max
        self._stop = asyncio.Event()
        self._guests = 0
        self._last_seen = asyncio.get_running_loop().time()

    def stop(self) -> None:
        """End soon, also what is on lease."""
        self._stop.set()

    async def serve(self, listener: socket.socket) -> None:
        """Return when the broker is to end. Raises HarnessDied, in a group."""
        try:
            async with asyncio.TaskGroup() as group:
                pool = Pool(self._supervisor, group)
                group.create_task(self._accept(listener, pool, group))
                group.create_task(self._look_after(pool))
                await self._until_unwanted()
                protocol.socket_path(self._supervisor.run_directory, self._key).unlink(
                    missing_ok=True
                )
                self._end_all()
        except* _Ended:
            listener.close()

    @staticmethod
    def _end_all() -> None:
        raise _Ended

    async def _accept(self, listener: socket.socket, pool: Pool, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            end, _ = await loop.sock_accept(listener)
            end.setblocking(True)  # noqa: FBT003 (the name of the method says it)
            group.create_task(self._attend(_Guest(end), pool))

    async def _attend(self, guest: "_Guest", pool: Pool) -> None:
        self._guests += 1
        lease: Lease | None = None
        try:
            with guest.watched():
                while (message := await guest.inbox.get()) is not None:
                    lease = await self._do(message, guest, pool, lease)
        except (
            ChannelLost,
            OSError,
        ) as error:  # of this guest's; others have nothing to do with it
            sys.stderr.write(f"a guest was lost: {error!r}\n")
        finally:
            guest.channel.close()
            self._guests -= 1
            self._last_seen = asyncio.get_running_loop().time()
            if lease is not None:
                self._end(lease, pool)

    async def _do(
        self, message: Message, guest: "_Guest", pool: Pool, lease: Lease | None
    ) -> Lease | None:
        """Do one request; returns the lease that the guest has from now on."""
        if refusal := guest.refusal(message):
            await guest.channel.answer(message, {"error": refusal})
            return lease
        try:
            return await self._done(message, guest, pool, lease)
        except (KeyError, TypeError, ValueError) as error:
            text = f"the request is incomplete: {type(error).__name__}: {error}"
            await guest.channel.answer(message, {"error": text})
            return lease

    async def _done(
        self, message: Message, guest: "_Guest", pool: Pool, lease: Lease | None
    ) -> Lease | None:
        match message["do"]:
            case "lease" if lease is None:
                return await self._lease(message, guest, pool)
            case "return" if lease is not None:
                self._take_back(message, lease, pool)
                with contextlib.suppress(ChannelLost):  # it is back, whoever hears of it
                    await guest.channel.answer(message, {})
                return None
            case "status":
                await guest.channel.answer(message, self._status(pool))
            case "stop" | "retire":
                unused = self._guests == 1  # who asks
                ends = message["do"] == "stop" or unused
                await guest.channel.answer(message, {"ends": ends})
                if ends:
                    self.stop()
            case unknown:
                await guest.channel.answer(message, {"error": f"cannot {unknown} now"})
        return lease

    async def _lease(self, message: Message, guest: "_Guest", pool: Pool) -> Lease | None:
        shape = Shape.from_message(message)
        if guest.has_left():
            return None
        try:
            cluster = await pool.take(shape, private=message["private"])
        except Exception as error:  # noqa: BLE001 (the user's code ran; whoever asked is told)
            await guest.channel.answer(message, {"error": f"{type(error).__name__}: {error}"})
            return None
        if guest.has_left():
            pool.put_back(shape, cluster, fresh=True)
            return None
        try:
            told = self._tell(cluster, shape) | {"fresh": pool.is_fresh(cluster)}
            lease = Lease(shape, cluster, cluster.host.scope.let_go())
        except (HarnessDied, KeyError) as error:  # one of its spawners was killed
            pool.throw_away(cluster)
            await guest.channel.answer(message, {"error": f"the cluster has just died: {error}"})
            return None
        try:
            await guest.channel.answer(message, {"cluster": _numbered(told, lease)}, _fds(lease))
        except BaseException:
            self._end(lease, pool)
            raise
        return lease

    def _tell(self, cluster: Cluster, shape: Shape) -> handover.Told:
        return {
            "run": self._supervisor.run_id,
            "run_directory": str(self._supervisor.run_directory),
            "name": cluster.name,
            "durable": shape.durable,
            "digest": handover.digest(cluster),
            "members": handover.tell(cluster),
        }

    def _take_back(self, message: Message, lease: Lease, pool: Pool) -> None:
        numbers = message["numbers"]
        channels = {kind: (end, numbers[kind]) for kind, (end, _) in lease.channels.items()}
        handover.resume(lease.cluster, message["members"], channels, self._supervisor.note_exit)
        pool.put_back(lease.shape, lease.cluster, fresh=False)

    def _end(self, lease: Lease, pool: Pool) -> None:
        """End a cluster that did not come back. Our hold on the channels counts, whoever else has one."""
        scope = lease.cluster.host.scope
        for member in lease.cluster.members.values():
            member.process = None
        for kind, (end, _) in lease.channels.items():
            scope.take_over(kind, Branch(kind, end, _nobody_cares, NUMBER_BEYOND_ALL))
        pool.throw_away(lease.cluster)

    def _status(self, pool: Pool) -> Message:
        own = {"pid": os.getpid(), "run": self._supervisor.run_id, "key": self._key}
        return own | pool.counts() | {"idle_seconds": round(self._idle_seconds(), 1)}

    def _idle_seconds(self) -> float:
        return 0.0 if self._guests else asyncio.get_running_loop().time() - self._last_seen

    async def _look_after(self, pool: Pool) -> None:
        """Throw away what dies on the shelf. Raises HarnessDied."""
        while True:
            failure = await self._supervisor.failed()
            if isinstance(failure, HarnessDied):
                raise failure
            self._supervisor.forget_failure()
            pool.forget_dead()

    async def _until_unwanted(self) -> None:
        """Somebody said stop, nobody came for long, or the run directory is gone."""
        lock = self._supervisor.run_directory / directories.LOCK
        while lock.exists() and self._idle_seconds() < self._idle_seconds_max:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._stop.wait()
                    return


class _Ended(Exception):
    """The broker is to end: whatever it still does is cancelled."""


class _Guest:
    """Who is at the other end of a connection; its death counts even if a child of it holds the connection open."""

    def __init__(self, end: socket.socket) -> None:
        self.inbox: asyncio.Queue[Message | None] = asyncio.Queue(REQUESTS_MAX)
        self._pid, self._uid = packets.peer(end)
        self.channel = Channel(end, self._hear, self._leave)

    def has_left(self) -> bool:
        """Whether nobody would hear an answer."""
        return not self.channel.open

    def refusal(self, message: Message) -> str:
        """Why a request is not done; empty if it is."""
        if self._uid != os.getuid():
            return f"this broker serves user {os.getuid()}, not user {self._uid}"
        if (version := message.get("version")) != protocol.VERSION:
            return f"this broker speaks version {protocol.VERSION}, not {version}; stop it by `python -m shakeout.broker stop`"
        return ""

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, the death of the process is the end of the connection."""
        try:
            held = os.pidfd_open(self._pid)
        except OSError:  # it has died already, or lives where its pid means nothing to us
            yield
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(held, self._died, held)
        try:
            yield
        finally:
            loop.remove_reader(held)
            os.close(held)

    def _died(self, held: int) -> None:
        asyncio.get_running_loop().remove_reader(held)
        self._leave()

    def _hear(self, message: Message) -> None:
        if self.inbox.full() or not {"do", "token"} <= message.keys():
            self.channel.close()
            self._leave()
        else:
            self.inbox.put_nowait(message)

    def _leave(self) -> None:
        if self.inbox.full():  # of requests that nobody wants done any more
            self.inbox.get_nowait()
        self.inbox.put_nowait(None)


def _numbered(told: handover.Told, lease: Lease) -> handover.Told:
    return told | {"kinds": {kind: number for kind, (_, number) in lease.channels.items()}}


def _fds(lease: Lease) -> list[int]:
    return [end.fileno() for end, _ in lease.channels.values()]


def _nobody_cares(_process: object) -> None:
    """A cluster that is thrown away may die as it likes."""
