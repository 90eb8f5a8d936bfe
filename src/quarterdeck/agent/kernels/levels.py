"""The kernels of an agent, on the machine's programs and in containers, as one: an image decides. Used by `app`."""

import asyncio
from collections.abc import Callable, Collection

from quarterdeck.agent.kernels.launcher import Launcher
from quarterdeck.agent.kernels.namespaces import Isolation
from quarterdeck.agent.kernels.oci.kernels import Containers
from quarterdeck.agent.kernels.process import KernelProcess
from quarterdeck.agent.kernels.spec import Exit, KernelSpec
from quarterdeck.wire.sessions import IsolationLevel


class Levels:
    """The port `Backend`. It dies with the zygote of the machine's kernels; that of containers is started anew when it is needed."""

    def __init__(self, plain: Launcher, containers: Containers) -> None:
        self._plain = plain
        self._containers = containers

    @property
    def died(self) -> asyncio.Event:
        """Is set when no kernel without an image can be made any more."""
        return self._plain.died

    @property
    def isolation(self) -> Isolation:
        """How kernels without an image are kept apart."""
        return self._plain.isolation

    @property
    def mounts(self) -> bool:
        """Whether kernels without an image can have mounts here."""
        return self._plain.mounts

    @property
    def level(self) -> IsolationLevel:
        """How well kernels without an image are kept apart here."""
        return self._plain.level

    @property
    def containers(self) -> bool:
        """Whether kernels can have an image here."""
        return not self._containers.why_not

    async def ready(self) -> None:
        """Return when kernels can be made. Raises `ForkServerDied`."""
        await self._plain.ready()

    async def spawn(self, spec: KernelSpec, on_exit: Callable[[Exit], None]) -> KernelProcess:
        """Make a kernel, in a container if it has an image. Raises what `Launcher` does."""
        if spec.image is None:
            return await self._plain.spawn(spec, on_exit)
        return await self._containers.spawn(spec, on_exit)

    async def kill(self, id_: str) -> None:
        """End a kernel and return when none of its processes is left. Raises `AgentLeft`."""
        if not await self._containers.kill(id_):
            await self._plain.kill(id_)

    def held(self) -> Collection[str]:
        """Return the kernels of an earlier life."""
        return (*self._plain.held(), *self._containers.held())

    def adopt(self, id_: str, pid: int, on_exit: Callable[[Exit], None]) -> KernelProcess | None:
        """Go on with a kernel of an earlier life; None: it is gone."""
        if id_ in self._containers.held():
            return self._containers.adopt(id_, pid, on_exit)
        return self._plain.adopt(id_, pid, on_exit)

    def first(self, id_: str) -> int | None:
        """Return the first process of the pid namespace of a kernel without an image, see `Launcher`; None: there is none such."""
        return None if id_ in self._containers else self._plain.first(id_)

    def leave(self) -> None:
        """Let go of all kernels."""
        self._containers.leave()
        self._plain.leave()

    async def close(self) -> None:
        """End all kernels."""
        try:
            await self._containers.close()
        finally:
            await self._plain.close()
