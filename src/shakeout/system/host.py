"""What a member runs on: the scope of its cluster's processes, and the settings of the run."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from shakeout.links.links import Links
from shakeout.process.handle import Process
from shakeout.process.scope import Scope
from shakeout.process.spawn import Program
from shakeout.settings import Settings
from shakeout.system.place import Place


@dataclass(frozen=True)
class Host:
    """Starts programs in places. Their starter watches for their end: see `Program.exit_expected`."""

    settings: Settings
    """Settings of the run."""
    scope: Scope
    links: Links | None = None

    async def introduce(self, name: str, launch: Callable[[], Awaitable[Process]]) -> Process:
        """Launch a member; links, if there are any, are told which process it is."""
        if self.links is None:
            return await launch()
        return await self.links.introduce(name, launch)

    async def execute(self, place: Place, argv: tuple[str, ...], log: str = "log") -> Process:
        """Start an executable in a place, with the runner's plain environment.

        Raises StartFailed when it cannot be executed, HarnessDied.
        """
        return await self.scope.start(
            Program(
                name=place.name,
                directory=place.directory,
                log=place.directory / log,
                argv=argv,
                environment=self.settings.inherited,
                exit_expected=True,
                namespaces=place.namespaces,
            )
        )

    async def call(
        self, place: Place, call: str, args: tuple[str, ...], log: str = "log"
    ) -> Process:
        """Start `module:function` in a place. Raises ImportFailed, HarnessDied."""
        await self.scope.preload((call.partition(":")[0],))
        return await self.scope.start(
            Program(
                name=place.name,
                directory=place.directory,
                log=place.directory / log,
                call=call,
                args=args,
                environment=self.settings.inherited,
                exit_expected=True,
                namespaces=place.namespaces,
            )
        )

    def environment(self, own: Mapping[str, str]) -> Mapping[str, str]:
        """A component's own variables over the runner's plain environment."""
        return {**self.settings.inherited, **own}
