"""A list on the wire is an object with `items`, so that it can grow other fields later."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Items(msgspec.Struct, Generic[T], frozen=True):
    """A list of things."""

    items: list[T]
