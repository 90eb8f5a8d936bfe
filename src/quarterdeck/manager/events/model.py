"""What is read of the history for those who follow it. Pure and frozen."""

from dataclasses import dataclass

from quarterdeck.wire import sessions


@dataclass(frozen=True, slots=True)
class Recorded:
    """Changes of a session that has this owner; `last` is its terminal row, if it has ended and these are all there are."""

    owner: str
    rows: tuple[sessions.HistoryRow, ...]
    last: sessions.HistoryRow | None


@dataclass(frozen=True, slots=True)
class Batch:
    """The next rows for a follower, who has come to `cursor`; `last` is the terminal row if the story ends with them."""

    rows: tuple[sessions.HistoryRow, ...]
    cursor: int
    last: sessions.HistoryRow | None = None
