"""A tiny system with a known race, for the scenarios: turnstiles that count visitors in Redis, under a lock that expires.

A turnstile reads the count, prints a ticket, and writes the count back. One that stands still in between for longer than its
lock lives writes over what others counted meanwhile: a lost update, planted in `racy`. `fenced` writes only if the count is what
it was. Not a test and not product: found through the path that `conftest.py` sets.
"""

import contextlib
import functools
import os
import signal
import socket
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shakeout.checks.consistency.linearizability import Linearizable
from shakeout.checks.consistency.models import Counter
from shakeout.explore.scenario import Action, Disturbance, Scenario
from shakeout.faults.process import Kill, Pause
from shakeout.history.operation import Outcome
from shakeout.services.redis import Redis
from shakeout.system import loopback
from shakeout.system.model import Component, HttpReady, System
from shakeout.waiting.until import until

OWN = os.environ  # noqa: TID251 (a component reads its own)
LOCK_MS = 300
TICKET_SECONDS = 0.15
TRIES_MAX = 400
PAUSE_SECONDS = 0.005

RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"
REPLACE = (
    "if (redis.call('GET', KEYS[1]) or '0') == ARGV[1]"
    " then redis.call('SET', KEYS[1], ARGV[2]) return 1 end return 0"
)


class Store:
    """One connection to Redis."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(urllib.parse.urlsplit(OWN["TURNSTILE_REDIS"]).path)
        self._answers = self._socket.makefile("rb")

    def __call__(self, *words):
        parts = [str(word).encode() for word in words]
        head = b"*%d\r\n" % len(parts)
        self._socket.sendall(
            head + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        )
        kind, rest = (line := self._answers.readline().strip())[:1], line[1:]
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self._answers.read(size + 2)[:-2].decode()
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest.decode()
        raise OSError(line.decode() or "Redis is gone")

    def close(self):
        self._answers.close()
        self._socket.close()


class Turnstile(BaseHTTPRequestHandler):
    """Lets visitors in, one after the other, and tells how many there are."""

    def do_GET(self):
        try:
            with contextlib.closing(Store()) as store:
                self._answer(200, 0 if self.path == "/health" else int(store("GET", "count") or 0))
        except OSError:
            self._answer(503, 0)

    def do_POST(self):
        try:
            with contextlib.closing(Store()) as store:
                self._answer(200, enter(store, f"{os.getpid()}-{threading.get_ident()}"))
        except OSError:
            self._answer(503, 0)

    def _answer(self, status, count):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(str(count).encode())

    def log_message(self, *_):
        """Say nothing."""


def enter(store, name):
    """Count one visitor under the lock; the new count."""
    for _ in range(TRIES_MAX):
        if store("SET", "lock", name, "NX", "PX", LOCK_MS) != "OK":
            threading.Event().wait(PAUSE_SECONDS)
            continue
        count = int(store("GET", "count") or 0)
        threading.Event().wait(TICKET_SECONDS)
        written = write(store, count)
        store("EVAL", RELEASE, 1, "lock", name)
        if written:
            return count + 1
    raise OSError("the lock is never free")


def write(store, count):
    """Write the count back; tell whether it was written."""
    if "TURNSTILE_FENCED" in OWN:
        return bool(store("EVAL", REPLACE, 1, "count", count, count + 1))
    store("SET", "count", count + 1)
    return True


def serve():
    """Serve on the socket that is passed as descriptor 3, until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Turnstile, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=3)
    server.serve_forever()


def turnstiles(**environment):
    component = Component(
        "turnstile",
        call="turnstile:serve",
        environment=lambda place: {"TURNSTILE_REDIS": place.address("redis"), **environment},
        edges=("redis",),
        sockets=("http",),
        ready=HttpReady("http", "/health"),
        replicas=2,
    )
    return System("turnstiles", services=(Redis(),), components=(component,))


racy = turnstiles()
fenced = turnstiles(TURNSTILE_FENCED="yes")


class Closed(Exception):
    """The turnstile says that it let nobody in."""


OUTCOMES = {
    Closed: Outcome.UNKNOWN,
    ConnectionRefusedError: Outcome.FAIL,
    OSError: Outcome.UNKNOWN,
}


class Visitors:
    """What the clients of a run do."""

    outcomes = OUTCOMES

    def __init__(self, cluster):
        self._ports = [cluster.place(name).port("http") for name in cluster.replicas("turnstile")]

    async def perform(self, call):
        port = self._ports[call.client % len(self._ports)]
        return await self._ask(port, "POST" if call.action == "add" else "GET")

    async def finish(self, recorder):
        for port in self._ports:
            await until(
                functools.partial(self._ask, port, "GET"),
                within=5,
                satisfied=lambda _count: True,
                retry_on=(OSError,),
            )
        with recorder.operation("read", "visitors") as look:
            look.result = await self._ask(self._ports[0], "GET")

    async def _ask(self, port, method):
        answer = await loopback.request(port, method, "/")
        if answer.status != 200:
            raise Closed(answer.status)
        return int(answer.body)


@contextlib.asynccontextmanager
async def visitors(cluster):
    yield Visitors(cluster)


def one(_rng):
    return (1,)


SCENARIO = Scenario(
    "visitors",
    open=visitors,
    actions=(
        Action("add", keys=("visitors",), arguments=one, weight=4),
        Action("read", keys=("visitors",)),
    ),
    disturbances=(
        Disturbance(Pause("turnstile-1"), hold_ms=(420, 480), weight=3),
        Disturbance(Pause("turnstile-2"), hold_ms=(420, 480), weight=3),
        Disturbance(Kill("turnstile-1"), hold_ms=(30, 80)),
        Disturbance(Kill("turnstile-2"), hold_ms=(30, 80)),
    ),
    checks={"counter": Linearizable(Counter())},
    clients=4,
    calls=6,
    span_ms=500,
    injections=(1, 2),
)
