"""The only reader of the environment: typed access to variables, secrets that do not print, errors that name the variable."""

import os
from collections.abc import Mapping
from pathlib import Path

from quarterdeck.base.errors import ConfigInvalid


class Secret:
    """A text that never shows itself: `reveal()` gives it, `str`, `repr` and logs give stars."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))


class Environment:
    """Typed reads of a mapping of variables. Each raises `ConfigInvalid` naming the variable."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str | None = None) -> str:
        """Return the variable's text; without a default it must be there and not empty."""
        value = self._variables.get(name) or default
        if value is None:
            raise ConfigInvalid(f"{name} is not set", field=name)
        return value

    def secret(self, name: str) -> Secret:
        """Return the variable as a `Secret`; it must be there and not empty."""
        return Secret(self.text(name))

    def number(
        self, name: str, default: int | None = None, *, least: int = 0, most: int = 2**31 - 1
    ) -> int:
        """Return the variable as a whole number from `least` to `most`."""
        given = self.text(name, None if default is None else str(default))
        try:
            value = int(given)
        except ValueError:
            raise ConfigInvalid(f"{name} is not a whole number: {given!r}", field=name) from None
        if not least <= value <= most:
            raise ConfigInvalid(f"{name} is not in {least}..{most}: {value}", field=name)
        return value

    def seconds(
        self, name: str, default: float | None = None, *, least: float = 0, most: float = 86400
    ) -> float:
        """Return the variable as seconds from `least` to `most`."""
        given = self.text(name, None if default is None else str(default))
        try:
            value = float(given)
        except ValueError:
            raise ConfigInvalid(f"{name} is not a number: {given!r}", field=name) from None
        if not least <= value <= most:
            raise ConfigInvalid(f"{name} is not in {least}..{most} s: {given}", field=name)
        return value

    def url(self, name: str, default: str | None = None) -> str:
        """Return the variable as a URL with a scheme, without a slash at its end."""
        value = self.text(name, default)
        if "://" not in value:
            raise ConfigInvalid(f"{name} is not a URL: {value!r}", field=name)
        return value.rstrip("/")

    def directory(self, name: str, default: str | None = None) -> Path:
        """Return the variable as an absolute path. It need not exist yet."""
        path = Path(self.text(name, default))
        if not path.is_absolute():
            raise ConfigInvalid(f"{name} is not an absolute path: {path}", field=name)
        return path


def environment() -> Environment:
    """Return this process's environment."""
    return Environment(os.environ)
