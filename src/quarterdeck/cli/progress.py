"""How far a transfer has come, as one line that fits a terminal; and the bar that shows it while somebody looks on."""

from collections.abc import Sequence

from quarterdeck.base.clock import Clock
from quarterdeck.cli import console as console_module
from quarterdeck.cli.console import Console
from quarterdeck.client.files import Copy

_BAR_COLUMNS = 20
_NAME_COLUMNS = 24
_RATE_SECONDS_MIN = 0.5


def line(name: str, done: int, size: int, *, seconds: float, begun: int = 0) -> str:
    """Return the line of a file: name, bar, share, rate since it began at `begun` bytes, and how long it will take."""
    share = done / size if size else 1.0
    filled = int(share * _BAR_COLUMNS)
    bar = "#" * filled + "-" * (_BAR_COLUMNS - filled)
    shown = name if len(name) <= _NAME_COLUMNS else "…" + name[1 - _NAME_COLUMNS :]
    text = f"{shown}  [{bar}] {share:4.0%}"
    if seconds < _RATE_SECONDS_MIN or done <= begun:
        return text
    rate = (done - begun) / seconds
    left = console_module.duration((size - done) / rate)
    return f"{text}  {console_module.bytes_in_words(int(rate))}/s  {left} left"


class Bar:
    """How far copies have come together. Any thread tells of it; only who shows it prints."""

    def __init__(self, console: Console, clock: Clock, copies: Sequence[Copy]) -> None:
        self._console = console
        self._clock = clock
        self._name = copies[0].remote if len(copies) == 1 else f"{len(copies):,} files"
        self._size = sum(copy.size for copy in copies)
        self._since = clock.monotonic()
        self._there: dict[Copy, int] = {}
        self._before: dict[Copy, int] = {}

    def report(self, copy: Copy, done: int) -> None:
        """Take in how many bytes of a file are there. Those of which the first is heard when there is more to come were there before."""
        if copy not in self._there and done < copy.size:
            self._before[copy] = done
        self._there[copy] = done

    def show(self) -> None:
        """Show it, where somebody looks on."""
        if self._console.live and self._there:
            self._console.progress(
                line(
                    self._name,
                    sum(list(self._there.values())),
                    self._size,
                    seconds=self._clock.monotonic() - self._since,
                    begun=sum(list(self._before.values())),
                )
            )
