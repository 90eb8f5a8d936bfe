"""Conditions on what changes an object, for the stores that know them; others are asked without, once they have said so. And marks, by which a
copy is known again. For `object_store`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

_UNKNOWN = frozenset({"501", "NotImplemented"})

_MARK = "copy"


def absent(mark: str | None) -> Mapping[str, str]:
    """Nothing has the key, if what comes there is marked."""
    return {} if mark is None else {"IfNoneMatch": "*"}


def version(etag: str) -> Mapping[str, str]:
    """The key has this version."""
    return {"IfMatch": f'"{etag}"'}


def marked(mark: str | None) -> Mapping[str, Any]:
    """A new object bears this mark."""
    return {} if mark is None else {"Metadata": {_MARK: mark}}


def marked_copy(mark: str | None) -> Mapping[str, Any]:
    """A copy bears this mark, in place of its original's."""
    return {} if mark is None else {**marked(mark), "MetadataDirective": "REPLACE"}


def mark(found: Mapping[str, Any]) -> str | None:
    """Return the mark that an object bears, by what its head tells."""
    known: str | None = found.get("Metadata", {}).get(_MARK)
    return known


class Conditions:
    """Which conditions a store knows: that it knows one tells nothing of another."""

    def __init__(self) -> None:
        self._unknown: set[str] = set()

    async def ask(
        self, call: Callable[..., Awaitable[Any]], condition: Mapping[str, str], **given: Any
    ) -> Any:
        """Call under a condition, if the store knows any. Raises `ClientError`."""
        if condition and self._unknown.isdisjoint(condition):
            try:
                return await call(**given, **condition)
            except ClientError as error:
                if code(error) not in _UNKNOWN:
                    raise
                self._unknown |= set(condition)
        return await call(**given)


def code(error: ClientError) -> str:
    """Return what a store calls its refusal."""
    return str(error.response.get("Error", {}).get("Code"))
