"""Which faults a test injected, in which phase of the system's life, and how far each of them got. Pure.

Read from what `shakeout.faults` records: a span for each fault, notes on its effect and recovery, and steps with a phase.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shakeout.faults import phase
from shakeout.report import labels
from shakeout.timeline.record import Event

RECOVERED = "recovered"
EFFECT_SEEN = "effect seen"
INJECTED = "injected"


@dataclass(frozen=True)
class Injected:
    """A fault that a test injected."""

    name: str
    targets: tuple[str, ...]
    phase: str
    """Of the system's life: `boot`, `idle`, `load` ..."""
    reached: str
    """How far it got: `injected`, `effect seen` or `recovered`."""

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Injected":
        """From what `dataclasses.asdict` made of it."""
        return cls(told["name"], tuple(told["targets"]), told["phase"], told["reached"])


def of(events: Sequence[Event]) -> list[Injected]:
    """All of a test."""
    return [
        Injected(
            event.name.partition(" ")[0],
            labels.targets(event),
            _phase(event, events),
            _reached(event, events),
        )
        for event in events
        if event.kind == "fault" and event.ended is not None
    ]


def _phase(fault: Event, events: Sequence[Event]) -> str:
    """That of the innermost step around it which names one."""
    around = [
        str(event.fields["phase"])
        for event in events
        if "phase" in event.fields and event.began <= fault.began and _lasts_until(event, fault)
    ]
    return around[-1] if around else phase.UNSAID


def _lasts_until(step: Event, fault: Event) -> bool:
    return step.ended is None or (fault.ended is not None and step.ended >= fault.ended)


def _reached(fault: Event, events: Sequence[Event]) -> str:
    if "error" not in fault.fields:
        return RECOVERED
    notes = [
        event.name
        for event in events
        if event.kind == "fault" and event.ended is None and _during(event, fault)
    ]
    if any(name.startswith("recovered") for name in notes):
        return RECOVERED
    return EFFECT_SEEN if any(name.startswith("effect") for name in notes) else INJECTED


def _during(note: Event, fault: Event) -> bool:
    return fault.began <= note.began <= (fault.ended or note.began)
