"""Answers as types, for the SDK. What does not fit is no answer of the platform, as in `request`."""

from typing import Any, TypeVar

import msgspec

from quarterdeck.client import request
from quarterdeck.wire import decode
from quarterdeck.wire.errors import Invalid

T = TypeVar("T")


def read(method: str, type_: type[T], body: bytes) -> T:
    """Read the answer to a method as a type. Raises `Unreachable`, `OutcomeUnknown` if it is another server's."""
    try:
        return decode.decode(type_, body)
    except Invalid as error:
        raise _strange(method, error) from error


def convert(found: Any, type_: type[T]) -> T:
    """Read what somebody has looked at as a type. Raises `Unreachable` if it came from another server."""
    try:
        return msgspec.convert(found, type_)
    except msgspec.ValidationError as error:
        raise _strange("GET", error) from error


def _strange(method: str, error: Exception) -> Exception:
    return request.broken(method, f"the answer is not of the platform's form: {error}")
