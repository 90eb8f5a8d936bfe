"""An example system for the tests of the plugin: HTTP servers of the standard library that misbehave on request.

Copied, with `system_conftest.py`, into the project that a test runs pytest in.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shakeout.checks.files import Below
from shakeout.checks.leaks import Expected
from shakeout.services.redis import Redis
from shakeout.system.model import Component, HttpReady, System

kept: list[object] = []


class Handler(BaseHTTPRequestHandler):
    """Does what the path says."""

    def do_GET(self) -> None:
        getattr(self, self.path.strip("/").replace("-", "_") or "health")()
        self.send_response(200)
        self.end_headers()
        name = os.environ["PART"]  # noqa: TID251 - this is a component, not the harness
        self.wfile.write(json.dumps({"name": name, "pid": os.getpid()}).encode())

    def health(self) -> None:
        """Nothing to do."""

    def crash(self) -> None:
        tell("the mast breaks")
        os._exit(3)

    def crash_soon(self) -> None:
        tell("the mast creaks")
        threading.Timer(0.1, self.crash).start()

    def complain(self) -> None:
        tell("the anchor is lost", level="error", where="<b>at sea</b>")

    def fork(self) -> None:
        kept.append(subprocess.Popen(["sleep", "1000"]))

    def orphan(self) -> None:
        subprocess.run(["setsid", "--fork", "sleep", "1001"], check=True)

    def listen(self) -> None:
        kept.append(socket.create_server(("127.0.0.1", 0)))

    def scratch(self) -> None:
        pathlib.Path("scratch/left").mkdir(exist_ok=True, parents=True)

    def log_message(self, *_: object) -> None:
        tell("asked", path=self.path)


def tell(event: str, **fields: str) -> None:
    sys.stderr.write(json.dumps({"level": "info", "event": event, **fields}) + "\n")


def serve() -> None:
    """Serve on the socket that is passed as descriptor 3, until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=3)
    server.serve_forever()


def creak() -> None:
    tell("the keel creaks", level="error")
    serve()


def sink() -> None:
    tell("taking on water")
    raise SystemExit("cannot swim")


def part(name: str, call: str = "parts:serve", edges: tuple[str, ...] = ("redis",)) -> Component:
    return Component(
        name,
        call=call,
        environment=lambda place: {"PART": place.name},
        edges=edges,
        sockets=("http",),
        ready=HttpReady("http", "/health"),
    )


class Berth:
    """A tenant that tells when it comes and goes."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name

    async def __aenter__(self):
        tell("berth taken", name=self.name)
        return self.name

    async def __aexit__(self, *_):
        tell("berth left", name=self.name)


healthy = System(
    "healthy",
    services=(Redis(),),
    components=(part("hull"), part("mast")),
    leaks=(Below("hull", ("scratch/*",)), Expected("redis keys", ("tide:*",))),
    tenant="parts:Berth",
)
creaking = System("creaking", components=(part("hull", "parts:creak", ()),))
sinking = System("sinking", services=(Redis(),), components=(part("hull", "parts:sink"),))
