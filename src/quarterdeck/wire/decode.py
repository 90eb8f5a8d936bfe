"""Bytes and query strings to wire types, and back; every misfit becomes `Invalid` with the dotted path of the field."""

import functools
import re
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from quarterdeck.wire import limits
from quarterdeck.wire.errors import Invalid, InvalidCode

_T = TypeVar("_T")

_AT_PATH = re.compile(
    r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`(?P<path>\$[^`]*)`)?\Z", re.DOTALL
)
_INDEX = re.compile(r"\[(\d+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`\Z")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`\Z", re.DOTALL)
_IN_WORDS = {
    f"Expected `str` matching regex {pattern!r}": words
    for pattern, words in limits.IN_WORDS.items()
}


def decode(type_: type[_T], data: bytes) -> _T:
    """Read JSON into a type. Raises `Invalid`."""
    try:
        kind: Any = type_
        found: _T = _decoder(kind).decode(data)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(None, _malformed(data, error), code="malformed-json") from error
    return found


def decode_query(type_: type[_T], pairs: Iterable[tuple[str, str]]) -> _T:
    """Read query parameters into a type; each may come once. Raises `Invalid`."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise Invalid(name, f"The parameter {name!r} is given twice")
        values[name] = value
    try:
        return msgspec.convert(values, type_, strict=False, str_keys=True)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error


def encode(value: object) -> bytes:
    """Write a wire type as JSON."""
    return msgspec.json.encode(value)


def to_builtins(value: object) -> Any:
    """Return a wire type as dicts, lists, strings and numbers."""
    return msgspec.to_builtins(value)


@functools.cache
def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    """Return a type's decoder: to take a union of types apart for each message costs more than to read it."""
    return msgspec.json.Decoder(type_)


def _malformed(data: bytes, error: Exception) -> str:
    if not data:
        return "The body is empty, and is to be JSON"
    try:
        data.decode()
    except UnicodeDecodeError as found:
        wrong = f"its byte {found.start} is 0x{data[found.start]:02x}"
        return f"The body is not text in UTF-8, as JSON is: {wrong}"
    return f"The body is not JSON: {error}"


def _invalid(message: str) -> Invalid:
    """Turn the message of a msgspec.ValidationError into `Invalid`."""
    match = _AT_PATH.match(message)
    what, path, is_key = (
        (match["what"], match["path"], match["key"]) if match else (message, None, None)
    )
    field = _dotted(path or "$")
    code: InvalidCode = "invalid-field"
    for pattern, named in ((_MISSING, "missing-field"), (_UNKNOWN, "unknown-field")):
        if found := pattern.match(what):
            field = ".".join(filter(None, (field, found["name"])))
            code = "missing-field" if named == "missing-field" else "unknown-field"
    detail = _IN_WORDS.get(what, what)
    return Invalid(field or None, f"{detail} (a key of {field})" if is_key else detail, code=code)


def _dotted(path: str) -> str:
    """Turn `$.mounts[0].path` into `mounts.0.path`; an element of a mapping, `[...]`, counts as the mapping."""
    with_dots = _INDEX.sub(lambda found: "" if found[1] == "..." else f".{found[1]}", path)
    return with_dots.removeprefix("$").strip(".")
