"""Which faults were injected into which members, in which phase: the matrix of a run.

`lifecycle` adds to it, `catalogue` says what should be in it, the terminal summary and the session page show it.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LEFT_OUT = "-"
TESTED = "x"
HOLE = "!"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One member and one kind of fault of a system."""

    member: str
    fault: str
    reason: str = ""
    """Why the fault does not apply; empty when it does."""
    phases: tuple[str, ...] = ()
    """In which phases it went through its whole life cycle; with none it is a hole, unless there is a reason."""

    @property
    def mark(self) -> str:
        """`x` tested, `-` not applicable, `!` a hole."""
        return LEFT_OUT if self.reason else TESTED if self.phases else HOLE


@dataclasses.dataclass(frozen=True)
class Messages:
    """What was done to single messages of a piece of work on one link: to how many of them."""

    link: str
    act: str
    reached: int
    sent: int
    """In a run that nothing disturbed."""


class Coverage:
    """What was injected in this process, and what could be."""

    def __init__(self) -> None:
        self._messages: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._done: dict[tuple[str, str, str], set[str]] = {}
        self._cells: dict[tuple[str, str, str], str] = {}

    def add(self, system: str, members: Iterable[str], fault: str, phase: str) -> None:
        """A fault went through its whole life cycle."""
        for member in members:
            self._done.setdefault((system, member, fault), set()).add(phase)

    def add_messages(self, system: str, link: str, act: str, *, reached: int, sent: int) -> None:
        """So many of the messages that a piece of work sends over a link were stopped for an act."""
        before = self._messages.get((system, link, act), (0, 0))
        self._messages[system, link, act] = (before[0] + reached, before[1] + sent)

    def messages(self) -> Mapping[str, tuple[Messages, ...]]:
        """By system, what was done to single messages."""
        found: dict[str, list[Messages]] = {}
        for (system, link, act), (reached, sent) in sorted(self._messages.items()):
            found.setdefault(system, []).append(Messages(link, act, reached, sent))
        return {system: tuple(lines) for system, lines in found.items()}

    def expect(self, system: str, cells: Iterable[Cell]) -> None:
        """From now on the matrix of this system is complete when all of these cells are."""
        for cell in cells:
            self._cells[system, cell.member, cell.fault] = cell.reason

    def matrices(self) -> Mapping[str, tuple[Cell, ...]]:
        """The cells of each system of which somebody expects them."""
        found: dict[str, list[Cell]] = {}
        for (system, member, fault), reason in self._cells.items():
            phases = tuple(sorted(self._done.get((system, member, fault), ())))
            found.setdefault(system, []).append(Cell(member, fault, reason, phases))
        return {system: tuple(cells) for system, cells in found.items()}

    def injected(self) -> tuple[tuple[str, Cell], ...]:
        """All that was injected, expected or not: the system and the cell of each."""
        return tuple(
            (system, Cell(member, fault, phases=tuple(sorted(phases))))
            for (system, member, fault), phases in sorted(self._done.items())
        )

    def told(self) -> list[list[Any]]:
        """All of it, in what JSON can hold, for another process to `learn`."""
        done = [["done", *key, sorted(phases)] for key, phases in self._done.items()]
        messages = [["messages", *key, list(value)] for key, value in self._messages.items()]
        cells = [["cell", *key, reason] for key, reason in self._cells.items()]
        return [*done, *messages, *cells]

    def learn(self, told: Sequence[Sequence[Any]]) -> None:
        """Add what another process has `told`."""
        for what, system, member, fault, value in told:
            if what == "done":
                self._done.setdefault((system, member, fault), set()).update(value)
            elif what == "messages":
                reached, sent = value
                self.add_messages(system, member, fault, reached=reached, sent=sent)
            else:
                self._cells[system, member, fault] = value


RUN = Coverage()
"""The coverage of this process."""


def holes(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """Cells that are neither tested nor not applicable. Pure."""
    return tuple(cell for cell in cells if cell.mark == HOLE)


def render(cells: Sequence[Cell]) -> list[str]:
    """The matrix as lines for a terminal: a row a fault, a column a member; then reasons and holes. Pure."""
    members = list(dict.fromkeys(cell.member for cell in cells))
    faults = list(dict.fromkeys(cell.fault for cell in cells))
    by_place = {(cell.fault, cell.member): cell for cell in cells}
    width = max(map(len, (*faults, "fault")))
    lines = [
        f"{TESTED} tested, {LEFT_OUT} not applicable, {HOLE} hole",
        f"{'fault':{width}}  {'  '.join(members)}  phases",
    ]
    for fault in faults:
        row = [by_place.get((fault, member)) for member in members]
        marks = [
            f"{cell.mark if cell else ' ':^{len(member)}}"
            for member, cell in zip(members, row, strict=True)
        ]
        phases = sorted({phase for cell in row if cell for phase in cell.phases})
        lines.append(f"{fault:{width}}  {'  '.join(marks)}  {', '.join(phases)}".rstrip())
    return [*lines, *_explained(cells)]


def render_messages(lines: Sequence[Messages]) -> list[str]:
    """One line for each link and act. Pure."""
    width = max((len(one.link) for one in lines), default=0)
    acts = max((len(one.act) for one in lines), default=0)
    return [
        f"{one.link:{width}}  {one.act:{acts}}  {one.reached:3} of {one.sent} messages"
        for one in lines
    ]


def _explained(cells: Iterable[Cell]) -> list[str]:
    """One line for each reason and each hole of a fault, with the members that share it; holes come last."""
    members: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        if cell.mark != TESTED:
            members.setdefault((cell.fault, cell.reason), []).append(cell.member)
    return [
        f"not applicable: {fault} {', '.join(names)}: {reason}"
        if reason
        else f"hole: {fault} {', '.join(names)}"
        for (fault, reason), names in sorted(members.items(), key=lambda one: not one[0][1])
    ]
