"""Races: the same thing asked many times at the same moment."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from quarterdeck.base.errors import QuarterdeckError

T = TypeVar("T")


async def at_once(
    make: Callable[[int], Awaitable[T]], *, times: int
) -> "list[T | QuarterdeckError]":
    """Start `make(0)`, `make(1)`, ... together; return what each gave, or the refusal that it got."""

    async def one(number: int) -> T | QuarterdeckError:
        try:
            return await make(number)
        except QuarterdeckError as refusal:
            return refusal

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(times)]
    return [task.result() for task in tasks]


async def together(
    acts: Sequence[Callable[[], Awaitable[T]]], *, first: int = 0
) -> "list[T | QuarterdeckError]":
    """Do different things at once; return what each gave, in their order from `first` on."""
    order = [acts[(first + at) % len(acts)] for at in range(len(acts))]
    return await at_once(lambda at: order[at](), times=len(order))


def split(outcomes: "list[T | QuarterdeckError]") -> "tuple[list[T], list[str]]":
    """Return what succeeded, and the codes of the refusals."""
    refused = [one.code for one in outcomes if isinstance(one, QuarterdeckError)]
    return [one for one in outcomes if not isinstance(one, QuarterdeckError)], refused
