"""Progress of a boot on a terminal: one line a member, redrawn; without a terminal, one line a step."""

import sys
from typing import TextIO

from shakeout.cli import text
from shakeout.system.progress import State, Step

COLOURS = {State.READY: text.GREEN, State.FAILED: text.RED, State.STARTING: text.YELLOW}


class Board:
    """The members of one boot."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._steps: dict[str, Step] = {}
        self._drawn = 0

    def show(self, step: Step) -> None:
        """Take note of a step and show it."""
        self._steps[step.member] = step
        if text.is_terminal(self._stream):
            self._redraw()
        elif step.state in (State.READY, State.FAILED):
            self._stream.write(f"{self._line(step)}\n")
        self._stream.flush()

    def _redraw(self) -> None:
        up = f"\033[{self._drawn}A" if self._drawn else ""
        lines = "".join(f"\033[2K{self._line(step)}\n" for step in self._steps.values())
        self._stream.write(up + lines)
        self._drawn = len(self._steps)

    def _line(self, step: Step) -> str:
        width = max(map(len, self._steps))
        state = text.coloured(f"{step.state:<8}", COLOURS.get(step.state, text.DIM), self._stream)
        after = f"{step.seconds:5.2f} s" if step.state in (State.READY, State.FAILED) else ""
        return f"{step.member:<{width}}  {state}  {after}".rstrip()
