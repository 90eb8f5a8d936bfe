"""Types with limits that the messages share: names, ids, paths. Patterns end in `\\Z` because `$` lets a newline pass."""

from typing import Annotated

from msgspec import Meta

_NAME = r"^[a-z0-9][a-z0-9-]{0,62}\Z"
_ID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"
_DIGEST = r"^sha256:[0-9a-f]{64}\Z"
_IMAGE = r"^[a-z0-9][a-zA-Z0-9._/:@-]{0,254}\Z"
_ORIGIN = r"^https?://([a-z0-9.-]{1,253}|\[[0-9a-f:]{2,45}\])(:[0-9]{1,5})?\Z"
_SEGMENT = r"(?!\.{1,2}(/|\Z))[^/\x00-\x1f\x7f]{1,255}"
_RELATIVE_PATH = rf"^{_SEGMENT}(/{_SEGMENT})*\Z"
_ABSOLUTE_PATH = r"^/[^\x00]*\Z"
_VARIABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,127}\Z"
WITHOUT_NUL = r"^[^\x00]*\Z"
_VARIABLE_VALUE = WITHOUT_NUL

Name = Annotated[str, Meta(pattern=_NAME)]
"""What a user calls a session, a folder, a user or a host: 1 to 63 lower-case letters, digits and hyphens."""

Id = Annotated[str, Meta(pattern=_ID)]
"""A UUID in canonical text."""

Origin = Annotated[str, Meta(pattern=_ORIGIN)]
"""A URL of scheme, host and port only."""

ImageName = Annotated[str, Meta(pattern=_IMAGE)]
"""The name of an image, such as `python:3.11`."""

Digest = Annotated[str, Meta(pattern=_DIGEST)]
"""By what content is known: the SHA-256 of its bytes."""

RelativePath = Annotated[str, Meta(pattern=_RELATIVE_PATH, max_length=1024)]
"""A path of names joined by `/`: no leading or trailing slash, no `.` or `..`, no control characters."""

AbsolutePath = Annotated[str, Meta(pattern=_ABSOLUTE_PATH, max_length=4096)]

VariableName = Annotated[str, Meta(pattern=_VARIABLE_NAME)]
VariableValue = Annotated[str, Meta(pattern=_VARIABLE_VALUE, max_length=8192)]

Argument = Annotated[str, Meta(pattern=_VARIABLE_VALUE, max_length=32 * 1024)]

Command = Annotated[tuple[Argument, ...], Meta(max_length=256)]
"""A program and its arguments, as they are passed to it; no shell reads them."""

Environment = Annotated[dict[VariableName, VariableValue], Meta(max_length=64)]
"""Environment variables of a session: at most 64."""

KernelEnvironment = Annotated[dict[VariableName, VariableValue], Meta(max_length=96)]
"""Environment variables of a kernel: its session's, and some from the platform."""

CLUSTER_SIZE_MAX = 16
HOSTNAME = r"^(main|sub)[1-9][0-9]?\Z"

COMMAND_CHARACTERS_MAX = 64 * 1024
"""Of all arguments together."""
Ports = Annotated[tuple[Annotated[int, Meta(ge=1024, le=65535)], ...], Meta(max_length=16)]
"""TCP ports that ordinary users may serve, a few."""

Seconds = Annotated[int, Meta(ge=1, le=366 * 24 * 3600)]
"""How long something may last, in whole seconds: at most a leap year."""

CODE_CHARACTERS_MAX = 256 * 1024
MOUNTS_MAX = 32
DEPENDENCIES_MAX = 32

IN_WORDS = {
    _NAME: "Expected 1 to 63 lower-case letters, digits and hyphens, not a hyphen first",
    _ID: "Expected an id (a UUID in lower case)",
    _IMAGE: "Expected the name of an image, such as python:3.11",
    _DIGEST: "Expected a digest: sha256: and 64 lower-case hexadecimal digits",
    _ORIGIN: "Expected a URL such as https://registry.example:5000, without a path",
    _RELATIVE_PATH: "Expected a relative path without '.', '..', empty names or control characters",
    _ABSOLUTE_PATH: "Expected an absolute path",
    _VARIABLE_NAME: "Expected the name of a variable: letters, digits and underscores, not a digit first",
    HOSTNAME: "Expected the name of a kernel: main1, sub1, sub2 ...",
    _VARIABLE_VALUE: "Expected text without NUL characters",
}
"""Pattern -> what it asks for, for the detail of a problem."""
