"""Histories as files of JSON lines, so that an old one can be judged by a new model.

The first line says what the history is about, each further line is one operation.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shakeout.history.errors import HistoryUnreadable
from shakeout.history.operation import History, Operation, Outcome, frozen

FORMAT = 1


def save(history: History, path: Path) -> None:
    """Write a history."""
    path.write_text("".join(f"{line}\n" for line in lines(history)))


def lines(history: History) -> Iterator[str]:
    """The lines of a history, without their ends."""
    yield json.dumps({"shakeout_history": FORMAT, "about": dict(history.about)})
    for one in history:
        row = {name: getattr(one, name) for name in Operation.__dataclass_fields__}
        yield json.dumps({name: each for name, each in row.items() if each is not None})


def load(path: Path) -> History:
    """Read a history. Raises OSError, HistoryUnreadable."""
    with path.open() as text:
        rows = [_row(path, number, line) for number, line in enumerate(text, start=1)]
    if not rows or rows[0].get("shakeout_history") != FORMAT:
        raise HistoryUnreadable(path, 1, f"not a history of format {FORMAT}")
    operations = [_operation(path, number, row) for number, row in enumerate(rows[1:], start=2)]
    about = {name: frozen(each) for name, each in rows[0].get("about", {}).items()}
    return History(tuple(sorted(operations, key=lambda one: (one.began, one.number))), about)


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise HistoryUnreadable(path, number, str(error)) from error
    if not isinstance(row, dict):
        raise HistoryUnreadable(path, number, "not an object")
    return row


def _operation(path: Path, number: int, row: dict[str, Any]) -> Operation:
    try:
        return Operation(
            int(row["number"]),
            str(row["process"]),
            str(row["action"]),
            str(row.get("key", "")),
            tuple(frozen(each) for each in row.get("arguments", ())),
            int(row["began"]),
            row.get("ended"),
            Outcome(row["outcome"]),
            frozen(row.get("result")),
            str(row.get("error", "")),
        )
    except KeyError as missing:
        raise HistoryUnreadable(path, number, f"{missing} is missing") from missing
    except (TypeError, ValueError) as error:
        raise HistoryUnreadable(path, number, str(error)) from error
