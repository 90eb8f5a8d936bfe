"""What an event of a timeline is called, with what its recorder said of it. Pure."""

from collections.abc import Iterable

from shakeout.timeline.record import Event


def label(event: Event) -> str:
    """`kill manager`, `cut manager -> agent`, `manager -> agent: delay 20 ms`, or just its name."""
    if event.kind == "fault" and event.ended is not None:
        return told_with_targets(event)
    if event.kind == "operation" and event.fields.get("key"):
        return f"{event.name} {event.fields['key']}"
    does = event.fields.get("does")
    return f"{event.name}: {does}" if does else event.name


def targets(event: Event) -> tuple[str, ...]:
    """Whom a fault is done to: one member, or source and target of a link."""
    told = event.fields.get("targets") or ()
    if isinstance(told, str):
        return (told,)
    return tuple(map(str, told)) if isinstance(told, Iterable) else ()


def told_with_targets(event: Event) -> str:
    """The name of a fault, with its targets unless it holds them already."""
    arrow = " -> ".join(targets(event))
    return event.name if not arrow or arrow in event.name else f"{event.name} {arrow}"
