"""An agent's HTTP API as tests use it: signed requests, answers as they come, kernels cleaned up."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec

from quarterdeck.base import ids
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import raw
from quarterdeck.wire import agents, decode, items
from quarterdeck.wire.agents import CREDENTIAL, AgentImage, ImagePull, KernelCreate, KernelView
from quarterdeck.wire.executions import Execute, Execution
from quarterdeck.wire.sessions import Logs, Slots

T = TypeVar("T")
SMALL = Slots(cpu=1, memory_mib=256)


class Agent:
    """Talks to one agent."""

    def __init__(self, send: raw.Signed) -> None:
        self.send = send
        self._made: list[str] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, secret: str, *, id_: str = "agent") -> AsyncIterator["Agent"]:
        """Own connections for the time of a block; afterwards the kernels made here are destroyed."""
        async with raw.signed(agents.url(id_, url), CREDENTIAL, secret) as send:
            self = cls(send)
            yield self
            for kernel in self._made:
                await self.destroy(kernel)

    def request(self, **changes: Any) -> KernelCreate:
        """Return a request for a small kernel, with changes."""
        plain: dict[str, Any] = {
            "session": ids.new(SystemClock()),
            "image": "python:3.11",
            "slots": SMALL,
        }
        return KernelCreate(**(plain | changes))

    async def put(self, kernel: str, request: KernelCreate) -> raw.Answer:
        """Ask for a kernel by id."""
        self._made.append(kernel)
        return await self.send("PUT", f"/v1/kernels/{kernel}", decode.encode(request))

    async def make(self, **changes: Any) -> KernelView:
        """Make a small kernel."""
        return self.read(
            KernelView, await self.put(ids.new(SystemClock()), self.request(**changes))
        )

    async def execute(self, kernel: str, code: str) -> Execution:
        """Run code in a kernel."""
        return self.read(Execution, await self.run(kernel, code))

    async def run(self, kernel: str, given: Execute | str, run: str | None = None) -> raw.Answer:
        """Ask to run code, or something else, in a kernel, under an id."""
        address = self.at(kernel, run or ids.new(SystemClock()))
        wanted = Execute(given) if isinstance(given, str) else given
        return await self.send("PUT", address, decode.encode(wanted))

    async def look(self, kernel: str, run: str, query: str = "") -> Execution:
        """Look at a run."""
        return self.read(Execution, await self.send("GET", self.at(kernel, run) + query))

    async def post(self, kernel: str, what: str, given: object) -> raw.Answer:
        """Ask something else of a kernel."""
        return await self.send("POST", f"/v1/kernels/{kernel}/{what}", decode.encode(given))

    @staticmethod
    def at(kernel: str, run: str) -> str:
        """Return the address of a run."""
        return f"/v1/kernels/{kernel}/runs/{run}"

    async def show(self, kernel: str) -> KernelView:
        """Return a kernel."""
        return self.read(KernelView, await self.send("GET", f"/v1/kernels/{kernel}"))

    async def logs(self, kernel: str) -> str:
        """Return what a kernel has written."""
        return self.read(Logs, await self.send("GET", f"/v1/kernels/{kernel}/logs")).text

    async def inventory(self) -> dict[str, KernelView]:
        """Return all kernels by id."""
        found = self.read(items.Items[KernelView], await self.send("GET", "/v1/kernels"))
        return {one.id: one for one in found.items}

    async def destroy(self, kernel: str) -> raw.Answer:
        """Destroy a kernel."""
        return await self.send("DELETE", f"/v1/kernels/{kernel}")

    async def pull(self, digest: str, source: ImagePull) -> AgentImage:
        """Have an image pulled."""
        answer = await self.send("PUT", f"/v1/images/{digest}", decode.encode(source))
        return self.read(AgentImage, answer)

    async def image(self, digest: str) -> AgentImage:
        """Return how far an image is."""
        return self.read(AgentImage, await self.send("GET", f"/v1/images/{digest}"))

    def forget(self) -> None:
        """Leave the kernels made here alone at the end."""
        self._made.clear()

    @staticmethod
    def read(type_: type[T], answer: raw.Answer) -> T:
        """Read a good answer. Raises AssertionError for any other."""
        assert answer.status == 200, answer
        return msgspec.json.decode(answer.body, type=type_)
