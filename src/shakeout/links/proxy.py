"""The proxy process as the test process has it: started, asked, ended. What it does is in `server`."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from shakeout.links.errors import LinksRefused
from shakeout.process import protocol
from shakeout.process.channel import Channel, ChannelLost
from shakeout.process.errors import ComponentDied, HarnessDied
from shakeout.process.handle import Process
from shakeout.process.scope import Scope
from shakeout.process.spawn import Program

NAME = "links"
SERVER = "shakeout.links.server"
ANSWER_SECONDS_MAX = 10.0
"""It answers at once, unless it has no processor to do it on, or somebody stopped it."""
EXIT_SECONDS_MAX = 5.0


class Proxy:
    """A running proxy. Its own end is a failure of the run, as that of a component is."""

    def __init__(self, scope: Scope, process: Process, channel: Channel) -> None:
        self.process = process
        self._scope = scope
        self._channel = channel

    @classmethod
    async def start(cls, scope: Scope, directory: Path, environment: Mapping[str, str]) -> Self:
        """Start it in a scope of its own: a fork of the zygote from before the imports of the system.

        Raises StartFailed, HarnessDied.
        """
        await scope.preload((SERVER,))
        ours, theirs = protocol.pair()
        channel = Channel(ours, _hear, _lose)
        program = Program(
            name=NAME,
            call=f"{SERVER}:main",
            directory=directory,
            log=directory / "log",
            environment=environment,
            sockets=(theirs,),
        )
        try:
            with theirs:
                return cls(scope, await scope.start(program), channel)
        except BaseException:
            channel.close()
            await scope.stop()
            raise

    async def ask(self, act: str, **fields: object) -> dict[str, Any]:
        """Have it do something. Raises LinksRefused, ComponentDied when it is dead."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                reply = await self._channel.ask({"do": act, **fields})
        except TimeoutError:
            raise LinksRefused(
                f"{act}: the links' process gave no answer in {ANSWER_SECONDS_MAX:g} s"
            ) from None
        except ChannelLost:
            raise await self._death() from None
        if "error" in reply:
            raise LinksRefused(f"{act}: {reply['error']}")
        return reply

    async def close(self) -> None:
        """End it, and with it all connections through it."""
        self.process.expect_exit()
        await self._scope.stop()
        self._channel.close()

    async def _death(self) -> ComponentDied | HarnessDied:
        try:
            async with asyncio.timeout(EXIT_SECONDS_MAX):
                end = await self.process.wait()
        except TimeoutError:
            return HarnessDied(NAME, "it closed its channel")
        return ComponentDied(NAME, end, self.process.last_lines())


def _hear(_message: dict[str, Any]) -> None:
    """It says nothing unasked."""


def _lose() -> None:
    """Its exit tells more."""
