"""The agent's port `Meter` in memory."""

from collections.abc import Generator

from quarterdeck.agent.kernels.meter import Usage


class FakeMeter:
    """The port `Meter`: says what it was told to, of every kernel."""

    def __init__(self) -> None:
        self.used: Usage | None = Usage(threads=1, memory_bytes=0, cpu_seconds=0.0)
        self.disk = 0

    def usage(self, _kernel: str, _pid: int, _memory_bytes_max: int) -> Usage | None:
        """Say it."""
        return self.used

    def disk_bytes(self, _kernel: str, _pid: int) -> Generator[int, None, None]:
        """Say it."""
        yield self.disk
