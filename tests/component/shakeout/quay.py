"""An example system whose members call each other when told to: who connects is what the tests are about.

Not a test and not product: found through the path that `conftest.py` sets.
"""

import os
import signal
import socket
from urllib.parse import parse_qs, urlsplit

import harbour

from shakeout.services.redis import Redis
from shakeout.system.model import Component, System

OWN = os.environ  # noqa: TID251 (a component reads its own)


def connect(url):
    """Connect to a server, without asking it anything."""
    parts = urlsplit(url)
    family = socket.AF_UNIX if parts.scheme == "unix" else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.connect(parts.path if parts.scheme == "unix" else (parts.hostname, parts.port))
    return made


def ping(url):
    """Ask a Redis for PING, or an HTTP server for its health, on a connection of its own."""
    with connect(url) as made:
        made.sendall(b"PING\r\n" if url.startswith("unix") else b"GET /health HTTP/1.0\r\n\r\n")
        return made.recv(65536)


def in_child(act):
    """Do it in a forked process."""
    pid = os.fork()
    if pid == 0:
        act()
        os._exit(0)
    os.waitpid(pid, 0)


class Told(harbour.Handler):
    """`/call?url=...&by=self|child|orphan` connects there."""

    def do_GET(self):  # noqa: N802 (the name of the library)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if self.path.startswith("/call"):
            {
                "self": lambda: ping(asked["url"]),
                "child": lambda: in_child(lambda: ping(asked["url"])),
                "orphan": lambda: in_child(lambda: in_orphan(asked["url"])),
            }[asked["by"]]()
        super().do_GET()


def in_orphan(url):
    """Leave a process behind that connects once its parent has ended."""
    parent = os.getpid()
    if os.fork() == 0:
        while os.getppid() == parent:
            signal.sigtimedwait((), 0.001)
        ping(url)
        os._exit(0)


def call():
    """Call Redis before anything else, then do as told, on the socket that is passed as descriptor 3."""
    harbour.Handler = Told
    ping(OWN["QUAY_REDIS"])
    harbour.serve()


def caller(place):
    return {"QUAY_REDIS": place.address("redis")}


CALLER = Component(
    "caller",
    call="quay:call",
    environment=caller,
    edges=("redis", "lighthouse.http"),
    sockets=("http",),
    ready=harbour.READY,
)
LAMP = Component("lighthouse", call="harbour:serve", sockets=("http",), ready=harbour.READY)

system = System("quay", services=(Redis(),), components=(LAMP, CALLER))
