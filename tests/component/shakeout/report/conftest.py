"""A headless Chromium, driven over a pipe: no port, no driver, ended with the run that started it."""

import asyncio
import contextlib
import itertools
import json
import shutil
import socket

import pytest

from shakeout import settings
from shakeout.process.spawn import Program
from shakeout.skips import Prerequisite, skip
from shakeout.waiting.until import until

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = Prerequisite("Chromium", "apt-get install chromium")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
ANSWER_SECONDS_MAX = 30.0
CHUNK_BYTES = 1 << 16


class Tab:
    """One open page; what it asks the network for is in `requests`."""

    def __init__(self, pipe, session):
        self._pipe = pipe
        self._session = session

    @property
    def requests(self):
        told = (each["params"] for each in self._events("Network.requestWillBeSent"))
        return [each["request"]["url"] for each in told]

    @property
    def complaints(self):
        """What the page threw, or its security policy refused."""
        return [
            *self._events("Runtime.exceptionThrown"),
            *self._events("Log.entryAdded"),
        ]

    async def call(self, method, **parameters):
        return await self._pipe.call(method, self._session, **parameters)

    async def evaluate(self, expression):
        """The value of a JavaScript expression."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def open(self, url, *, width=1280, height=800, scheme="light", javascript=True):
        """Load a page and return when it has loaded."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await self.call("Emulation.setEmulatedMedia", features=[feature])
        await self.call("Emulation.setScriptExecutionDisabled", value=not javascript)
        await self.call("Page.navigate", url=url)
        await until(
            lambda: self._events("Page.loadEventFired"),
            within=ANSWER_SECONDS_MAX,
            describe="the page has loaded",
        )

    async def press(self, key):
        """One key, as a person presses it."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = {"Tab": 9, "Enter": 13}.get(key, 0)
        for kind in ("keyDown", "keyUp"):
            parameters = {"type": kind, "key": key, "windowsVirtualKeyCode": code}
            if text and kind == "keyDown":
                parameters["text"] = text
            await self.call("Input.dispatchKeyEvent", **parameters)

    def _events(self, method):
        return [
            each
            for each in self._pipe.events
            if each.get("sessionId") == self._session and each["method"] == method
        ]


class Pipe:
    """Requests and answers of the DevTools protocol, each ended by a zero byte."""

    def __init__(self, writer, reader):
        self.events = []
        self._writer, self._reader = writer, reader
        self._answers = {}
        self._numbers = itertools.count(1)

    async def call(self, method, session=None, **parameters):
        number = next(self._numbers)
        order = {"id": number, "method": method, "params": parameters}
        if session:
            order["sessionId"] = session
        data = json.dumps(order).encode() + b"\0"
        await asyncio.get_running_loop().sock_sendall(self._writer, data)
        answer = await until(
            lambda: self._answers.pop(number, None),
            within=ANSWER_SECONDS_MAX,
            describe=f"the browser answers {method}",
        )
        assert "error" not in answer, answer
        return answer["result"]

    async def listen(self):
        rest = b""
        while data := await asyncio.get_running_loop().sock_recv(self._reader, CHUNK_BYTES):
            *whole, rest = (rest + data).split(b"\0")
            for each in map(json.loads, whole):
                if "id" in each:
                    self._answers[each["id"]] = each
                else:
                    self.events.append(each)


@pytest.fixture
def browser(harness_run, tmp_path):
    """`async with browser() as tab`."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        skip(MISSING)

    @contextlib.asynccontextmanager
    async def opened():
        ours, theirs = zip(socket.socketpair(), socket.socketpair(), strict=True)
        for one in ours:
            one.setblocking(False)
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        program = Program(
            "chromium",
            tmp_path,
            tmp_path / "log",
            argv=(found, *ARGUMENTS, profile, "about:blank"),
            environment={**settings.read().inherited, "HOME": str(tmp_path)},
            sockets=theirs,
            exit_expected=True,
        )
        process = await harness_run.start(program)
        with contextlib.ExitStack() as stack:
            for one in (*ours, *theirs):
                stack.enter_context(contextlib.closing(one))
            pipe = Pipe(*ours)
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(pipe.listen())
                target = await pipe.call("Target.createTarget", url="about:blank")
                attached = await pipe.call("Target.attachToTarget", flatten=True, **target)
                yield Tab(pipe, attached["sessionId"])
                listening.cancel()
            await process.kill()

    return opened
