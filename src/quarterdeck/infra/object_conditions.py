"""Conditions on what changes an object, for the stores that know them; others are asked without, once they have said so. For `object_store`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

_UNKNOWN = frozenset({"501", "NotImplemented"})

ABSENT: Mapping[str, str] = {"IfNoneMatch": "*"}
"""Nothing has the key."""


def version(etag: str) -> Mapping[str, str]:
    """The key has this version."""
    return {"IfMatch": f'"{etag}"'}


class Conditions:
    """Whether a store knows conditions."""

    def __init__(self) -> None:
        self._are_known = True

    async def ask(
        self, call: Callable[..., Awaitable[Any]], condition: Mapping[str, str], **given: Any
    ) -> Any:
        """Call under a condition, if the store knows any. Raises `ClientError`."""
        if self._are_known and condition:
            try:
                return await call(**given, **condition)
            except ClientError as error:
                if code(error) not in _UNKNOWN:
                    raise
                self._are_known = False
        return await call(**given)


def code(error: ClientError) -> str:
    """Return what a store calls its refusal."""
    return str(error.response.get("Error", {}).get("Code"))
