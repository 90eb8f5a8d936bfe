"""A tiny system for the component tests: HTTP servers of the standard library, forked by call.

Not a test and not product: found through the path that `conftest.py` sets.
"""

import contextlib
import errno
import json
import os
import pathlib
import signal
import socket
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

from shakeout.services.etcd import Etcd
from shakeout.services.postgres import Postgres
from shakeout.services.postgres_data import Database
from shakeout.services.redis import Redis
from shakeout.services.s3 import S3
from shakeout.system import clockfile
from shakeout.system.model import Component, HttpReady, System

OWN = os.environ  # noqa: TID251 (a component reads its own)


class Handler(BaseHTTPRequestHandler):
    """Tells what it is; dies when asked to."""

    def do_GET(self):
        if self.path == "/crash":
            sys.stderr.write("hit a rock\n")
            os._exit(3)
        wishes = {"/write": write, "/eat": eat}
        status = 503 if self.path == "/health" and "AGROUND" in OWN else 200
        self.send_response(status)
        self.end_headers()
        told: dict[str, object] = {
            name: value for name, value in OWN.items() if name.startswith("HARBOUR_")
        }
        if clockfile.VARIABLE in OWN:
            told["time"] = clockfile.ShiftedTime(OWN[clockfile.VARIABLE])()
        if self.path in wishes:
            told["error"] = wishes[self.path]()
        self.wfile.write(json.dumps({**told, "pid": os.getpid()}).encode())

    def log_message(self, *_):
        sys.stderr.write(f'{{"level": "info", "event": "asked", "path": "{self.path}"}}\n')


def write():
    """Write a page of the log-book, which stands on a disk of its own; the name of the error."""
    try:
        with pathlib.Path("log-book/page").open("ab") as page:
            page.write(bytes(4096))
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return ""


def eat():
    """Take more memory for a moment; the name of the error."""
    try:
        bytearray(64 << 20)
    except MemoryError as error:
        return type(error).__name__
    return ""


def cook():
    """Serve without threads: to start one takes memory, which may be short."""
    serve(HTTPServer)


def serve(kind=ThreadingHTTPServer):
    """Serve on the socket that is passed as descriptor 3, until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = kind(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=3)
    server.serve_forever()


def creak():
    """Serve, after a word of trouble."""
    sys.stderr.write('{"level": "error", "event": "the keel creaks"}\n')
    serve()


def sink():
    """Die while starting."""
    sys.stderr.write("taking on water\n")
    raise SystemExit("cannot swim")


def mutiny():
    """Make the lighthouse die, and never get ready oneself."""
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"{OWN['HARBOUR_LIGHTHOUSE']}/crash")
    threading.Event().wait()


def prepare(url):
    """Prepare a database: tell the URL, and leave a table."""
    import psycopg  # noqa: PLC0415 (the other processes do not need it)

    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE berths (number int PRIMARY KEY)")
        connection.execute("INSERT INTO berths VALUES (1), (2)")


def wait(_url):
    """A preparation that does not end."""
    threading.Event().wait()


def leak(url):
    """A preparation that fails."""
    raise RuntimeError(f"no such table in {url}")


def lighthouse(place):
    return {"HARBOUR_NAME": place.name, "HARBOUR_POSTGRES": place.address("postgres")}


def boat(place):
    return {
        "HARBOUR_NAME": place.name,
        "HARBOUR_INDEX": str(place.index),
        "HARBOUR_LIGHTHOUSE": place.address("lighthouse.http"),
    }


READY = HttpReady("http", "/health")
HARBOUR = Database("harbour", prepare="harbour:prepare", key="1")
SERVICES = (
    Postgres(databases=(HARBOUR,)),
    Redis(),
    Etcd(seed=lambda place: {"/harbour/redis": place.address("redis")}),
    S3(optional=True, buckets=("cargo",)),
)
LIGHTHOUSE = Component(
    "lighthouse",
    call="harbour:serve",
    environment=lighthouse,
    edges=("postgres", "redis"),
    clock=True,
    disk="log-book",
    sockets=("http",),
    ready=READY,
)
BOAT = Component(
    "boat",
    call="harbour:serve",
    environment=boat,
    edges=("lighthouse.http", "etcd"),
    after=("lighthouse",),
    sockets=("http",),
    ready=READY,
)

system = System("harbour", services=SERVICES, components=(LIGHTHOUSE, BOAT))
small = System(
    "small",
    services=(Redis(),),
    components=(Component("dinghy", call="harbour:serve", sockets=("http",), ready=READY),),
    hints=lambda cluster: {"DINGHY": cluster.address("dinghy")},
)
creaking = System(
    "creaking",
    components=(Component("hulk", call="harbour:creak", sockets=("http",), ready=READY),),
)
galley = System(
    "galley",
    components=(Component("cook", call="harbour:cook", sockets=("http",), ready=READY),),
)
berths = System("berths", services=(Postgres(databases=(HARBOUR,)),))
sinking = System(
    "sinking",
    services=(Redis(),),
    components=(Component("raft", call="harbour:sink", sockets=("http",), ready=READY),),
)
stuck = System(
    "stuck",
    services=(Redis(),),
    components=(
        Component(
            "hulk",
            call="harbour:serve",
            environment=lambda _place: {"AGROUND": "yes"},
            sockets=("http",),
            ready=READY,
            after=("redis",),
        ),
    ),
)
