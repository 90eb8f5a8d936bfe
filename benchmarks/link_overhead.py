"""What a link adds to a round trip of 64 bytes, over TCP and over Unix sockets, and what it adds to a new connection.

Direct, through the link and through a relay of plain asyncio streams in turn, by one blocking client; then the differences.
"""

import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from benchmarks.figure import Figure, quantile
from shakeout.links import endpoint
from shakeout.links.endpoint import Endpoint, Tcp, Unix
from shakeout.process import ports
from shakeout.process.handle import Process
from shakeout.process.supervisor import Supervisor
from shakeout.system import boot
from shakeout.system.cluster import Cluster
from shakeout.system.host import Host
from shakeout.system.model import System
from shakeout.system.place import Place

ROUNDS = 15
TRIPS = 2000
CONNECTIONS = 100
MESSAGE = bytes(64)
PEER = "plain asyncio streams"
MICRO = 1e6
STOP_SECONDS_MAX = 5.0
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class EchoService:
    """`benchmarks.echo` as a service: a port and a Unix socket."""

    name: str = "echo"
    _: KW_ONLY
    optional: bool = False
    ports: tuple[str, ...] = ("tcp",)

    def addresses(self, place: Place) -> Mapping[str, str]:
        """Both."""
        return {
            "tcp": f"tcp://127.0.0.1:{place.port('tcp')}",
            "unix": f"unix://{place.directory / 'echo.sock'}",
        }

    async def launch(self, place: Place, host: Host) -> Process:
        """Start it from here, whatever its directory is."""
        script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from benchmarks import echo; echo.main()"
        where = (str(place.port("tcp")), str(place.directory / "echo.sock"))
        return await host.execute(place, (sys.executable, "-c", script, "echo", *where))

    async def probe(self, place: Place) -> str:
        """Both must be there."""
        try:
            for url in self.addresses(place).values():
                connect(found(url)).close()
        except OSError as error:
            return str(error)
        return ""

    async def stop(self, process: Process, *, gracefully: bool) -> None:  # noqa: ARG002 - it holds nothing
        """Kill it."""
        await process.kill()


async def figures() -> AsyncGenerator[Figure, None]:
    """TCP, then Unix sockets."""
    async with await Supervisor.open() as supervisor:
        system = System("echo", services=(EchoService(),))
        async with await boot.boot(system, supervisor, links=True) as cluster:
            home = supervisor.settings.home
            for figure in (*measure(cluster, "tcp", home), *measure(cluster, "unix", home)):
                yield figure


def measure(cluster: Cluster, kind: str, home: Path) -> list[Figure]:
    """Differences to the direct way, by quantile, in each round; and of new connections."""
    direct = found(cluster.address(f"echo.{kind}"))
    link = found(cluster.public_address(f"echo.{kind}"))
    with ports.lease(home) as lease:
        relay = (
            Unix(f"{cluster.directory}/relay") if kind == "unix" else Tcp("127.0.0.1", lease.port)
        )
        with Relay(relay, direct):
            trips = in_turn(round_trips, ROUNDS, direct, link, relay)
            opens = in_turn(connections, ROUNDS, direct, link, relay)
    name = {"tcp": "TCP", "unix": "Unix"}[kind]
    return [
        added(f"link adds to 64 B, {name}, p50", trips, 0.5, 50),
        added(f"link adds to 64 B, {name}, p99", trips, 0.99, 600),
        added(f"link adds to a connection, {name}", opens, 0.5, 1000),
    ]


Samples = list[list[float]]


def added(name: str, samples: tuple[Samples, Samples, Samples], at: float, goal: float) -> Figure:
    """Microseconds more than directly, one figure a round."""
    direct, link, relay = ([quantile(each, at) for each in one] for one in samples)
    return Figure(
        *(name, "us", [a - b for a, b in zip(link, direct, strict=True)], goal),
        floor="plain asyncio 40 us median, 600 us at p99",
        peer_name=PEER,
        peer=[a - b for a, b in zip(relay, direct, strict=True)],
    )


def in_turn(
    what: Callable[[Endpoint], list[float]], rounds: int, *places: Endpoint
) -> tuple[Samples, Samples, Samples]:
    """By place, the samples of each round; one round before is not counted."""
    taken = [[what(place) for place in places] for _ in range(rounds + 1)][1:]
    direct, link, relay = ([one[number] for one in taken] for number in range(3))
    return direct, link, relay


def round_trips(place: Endpoint) -> list[float]:
    """Microseconds of round trips on one connection."""
    taken = []
    with connect(place) as end:
        for _ in range(TRIPS):
            began = time.perf_counter()
            end.sendall(MESSAGE)
            end.recv(len(MESSAGE))
            taken.append(MICRO * (time.perf_counter() - began))
    return taken


def connections(place: Endpoint) -> list[float]:
    """Microseconds of a connection with one round trip each."""
    taken = []
    for _ in range(CONNECTIONS):
        began = time.perf_counter()
        with connect(place) as end:
            end.sendall(MESSAGE)
            end.recv(len(MESSAGE))
            taken.append(MICRO * (time.perf_counter() - began))
    return taken


def connect(place: Endpoint) -> socket.socket:
    """A blocking connection that sends at once."""
    if isinstance(place, Unix):
        end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        end.connect(place.path)
    else:
        end = socket.create_connection((place.host, place.port))
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return end


def found(url: str) -> Endpoint:
    """Where a URL leads."""
    place = endpoint.of_url(url)
    if place is None:
        raise ValueError(f"{url} says no place")
    return place


class Relay:
    """The peer, as a process for the time of a block."""

    def __init__(self, place: Endpoint, target: Endpoint) -> None:
        self._place = place
        words = [one.path if isinstance(one, Unix) else str(one.port) for one in (place, target)]
        self._command = (sys.executable, "-m", "benchmarks.echo", "relay", *words)

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=ROOT)
        while self._process.poll() is None:
            try:
                connect(self._place).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise RuntimeError("the relay ended")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
