"""The use cases of terminals: opened, found and closed by the ids of their kernels and their own names. Opening again finds what is there."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable

from quarterdeck.agent.errors import TerminalNotFound, TooManyTerminals
from quarterdeck.agent.kernels.doorway import Entrance
from quarterdeck.agent.kernels.errors import TerminalFailed
from quarterdeck.agent.kernels.terminal import Terminal
from quarterdeck.wire.terminals import Size, TerminalView

TERMINALS_MAX = 8
"""Of one kernel."""
OPENING_SECONDS_MAX = 10.0
"""The shell begins inside the kernel, whose processes can hold it up."""


class Terminals:
    """The terminals of all kernels. `entrance` tells where a kernel's shell goes; it raises `KernelNotFound`, `KernelNotRunning`, `TerminalsUnsupported`."""

    def __init__(
        self,
        entrance: Callable[[str], Entrance],
        start: Callable[[Entrance, Size], Awaitable[Terminal]] = Terminal.open,
        *,
        opening_seconds_max: float = OPENING_SECONDS_MAX,
    ) -> None:
        self._entrance = entrance
        self._start = start
        self._opening_seconds_max = opening_seconds_max
        self._open: dict[tuple[str, str], Terminal] = {}
        self._opening = weakref.WeakValueDictionary[str, asyncio.Lock]()

    async def open(self, kernel: str, name: str, size: Size) -> TerminalView:
        """Open a terminal, or give one that is open this size. Raises `TooManyTerminals`, `TerminalFailed`."""
        async with self._opening.setdefault(kernel, asyncio.Lock()):
            entrance = self._entrance(kernel)
            self._open = {key: one for key, one in self._open.items() if not one.ended}
            if (known := self._open.get((kernel, name))) is not None:
                known.resize(size)
                return TerminalView(name, new=False)
            if sum(of == kernel for of, _ in self._open) >= TERMINALS_MAX:
                raise TooManyTerminals(f"A kernel has at most {TERMINALS_MAX}")
            self._open[kernel, name] = await self._started(entrance, size)
            return TerminalView(name, new=True)

    def find(self, kernel: str, name: str) -> Terminal:
        """Return an open terminal. Raises `TerminalNotFound`."""
        self._entrance(kernel)
        found = self._open.get((kernel, name))
        if found is None or found.ended:
            raise TerminalNotFound
        return found

    def close(self, kernel: str, name: str) -> None:
        """End a terminal; fine if it is not there."""
        found = self._open.pop((kernel, name), None)
        if found is not None:
            found.close()

    async def _started(self, entrance: Entrance, size: Size) -> Terminal:
        try:
            async with asyncio.timeout(self._opening_seconds_max):
                return await self._start(entrance, size)
        except TimeoutError:
            raise TerminalFailed(
                "There is no terminal: the kernel does not let a shell start"
            ) from None
