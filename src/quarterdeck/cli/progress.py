"""How far a transfer has come, as one line that fits a terminal; and the bar that shows it while somebody looks on."""

from quarterdeck.base.clock import Clock
from quarterdeck.cli import console as console_module
from quarterdeck.cli.console import Console

_BAR_COLUMNS = 20
_SHOWN_SECONDS = 0.1
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
    """Shows one file's progress on the console, not too often."""

    def __init__(self, console: Console, clock: Clock, name: str, size: int) -> None:
        self._console = console
        self._clock = clock
        self._name = name
        self._size = size
        self._begun: tuple[float, int] | None = None
        self._shown = 0.0

    def report(self, done: int) -> None:
        """Take in how many bytes are there."""
        if not self._console.live:
            return
        now = self._clock.monotonic()
        if self._begun is None:
            self._begun = now, done
        if now - self._shown >= _SHOWN_SECONDS:
            self._shown = now
            since, begun = self._begun
            shown = line(self._name, done, self._size, seconds=now - since, begun=begun)
            self._console.progress(shown)
