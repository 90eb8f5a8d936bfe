"""How code could go on: names and attributes, from the objects themselves. Used by `responder`; runs getters of the user's objects."""

import builtins
import keyword
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

MATCHES_MAX = 200

_EXPRESSION = re.compile(r"(?:(?P<object>[^\W\d]\w*(?:\.[^\W\d]\w*)*)\.)?(?P<start>[^\W\d]\w*)?\Z")


class Found(NamedTuple):
    """What can stand between two places of the code."""

    matches: tuple[str, ...]
    start: int
    end: int


def complete(namespace: Mapping[str, Any], code: str, cursor: int | None) -> Found:
    """Return the names that begin as the code does before the cursor. Raises whatever the user's objects raise."""
    end = len(code) if cursor is None else min(cursor, len(code))
    parts = _EXPRESSION.search(code, 0, end)
    if parts is None:
        return Found((), end, end)
    typed = parts["start"] or ""
    names = (
        _names(namespace) if parts["object"] is None else _attributes(namespace, parts["object"])
    )
    found = sorted(
        name
        for name in {str(each) for each in names}
        if name.startswith(typed) and (typed.startswith("_") or not name.startswith("_"))
    )
    return Found(tuple(found[:MATCHES_MAX]), end - len(typed), end)


def _names(namespace: Mapping[str, Any]) -> Iterable[str]:
    return {*namespace, *vars(builtins), *keyword.kwlist}


def _attributes(namespace: Mapping[str, Any], expression: str) -> Iterable[str]:
    first, *rest = expression.split(".")
    missing = object()
    value = namespace.get(first, getattr(builtins, first, missing))
    for name in rest:
        value = getattr(value, name, missing)
    return () if value is missing else dir(value)
