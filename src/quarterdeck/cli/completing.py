"""What may stand next on a command line, for the scripts of `completion`: `qd __complete`, and the words so far, the last as far as it is typed.

What is typed is held against the parser of `arguments`; names are asked of the platform by `naming`, which is imported only then.
"""

import argparse
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from quarterdeck.cli import arguments
from quarterdeck.cli.arguments_kit import Parser
from quarterdeck.wire.states import SessionStatus


class Candidate(NamedTuple):
    """A word that may stand there, and what it is."""

    text: str
    about: str = ""


FILES = Candidate(":files")
"""The shell knows better which there are."""

Names = Callable[[str, str], Iterable[Candidate]]
"""Gives the names of a kind of thing, as its argument is called, for a command."""

_FILES = frozenset({"FILE", "LOCAL", "SOURCE", "TARGET"})
_FOLDERS_WITH_COLON = frozenset({"SOURCE", "TARGET", "FOLDER:PATH[:ro]"})
_NAMED = frozenset(
    {"SESSION", "FOLDER", "IMAGE", "AGENT", "REGISTRY", "USER", "INVITATION", "HOST"}
)

_PLAIN = re.compile(r"[\w./:=@+-]+")
"""A word that a shell takes as it is. No name that the platform gives is another one; what else answers may say anything."""


def main(argv: Sequence[str]) -> int:
    """Print a candidate a line, with what it is behind a tab. With `--line` the words come as one line, the program first."""
    words = _split(argv[1]) if argv[:1] == ["--line"] else list(argv)
    for text, about in candidates(words, _names) if words else ():
        print(f"{text}\t{' '.join(about.split())}" if about else text)  # noqa: T201 - what a shell reads
    return 0


def candidates(words: Sequence[str], names: Names) -> list[Candidate]:
    """Return what the last of some words may become."""
    *before, typed = words
    place = _Place(arguments.parser(before[0] if before else ""))
    for word in before:
        place.take(word)
    found = place.next(typed, names)
    fitting = [each for each in found if each == FILES or each.text.startswith(typed)]
    return [each for each in fitting if _PLAIN.fullmatch(each.text)]


class _Place:
    """Where a line has come to."""

    def __init__(self, parser: Parser) -> None:
        self._enter(parser)
        self._valued: argparse.Action | None = None
        self._over = False

    def take(self, word: str) -> None:
        """Go on behind a word."""
        if self._over or self._valued is not None:
            self._valued = None
        elif word == "--":
            self._over = True
        elif word.startswith("-") and word != "-":
            option = self._option(word)
            self._valued = option if option is not None and option.nargs != 0 else None
        elif self._awaited:
            self._fill(self._awaited[0], word)

    def next(self, typed: str, names: Names) -> list[Candidate]:
        """Return what may stand here, or behind the `=` of an option that is typed so far."""
        if self._over:
            return [FILES]
        if self._valued is not None:
            return self._values(self._valued, names)
        if typed.startswith("-"):
            name, equals, _ = typed.partition("=")
            option = self._option(name) if equals else None
            if option is not None:
                values = self._values(option, names)
                return [each._replace(text=f"{name}={each.text}") for each in values]
            return self._options()
        return self._values(self._awaited[0], names) if self._awaited else []

    def _enter(self, parser: Parser) -> None:
        self._parser = parser
        self._awaited = [each for each in parser.declared if not each.option_strings]

    def _fill(self, awaited: argparse.Action, word: str) -> None:
        if isinstance(awaited.choices, dict):
            inner = awaited.choices.get(word)
            self._awaited = []
            if isinstance(inner, Parser):
                self._enter(inner)
        elif awaited.nargs != "+":
            self._awaited.pop(0)

    def _option(self, name: str) -> argparse.Action | None:
        for each in self._parser.declared:
            if name in each.option_strings:
                return each
        return None

    def _options(self) -> list[Candidate]:
        return [
            Candidate(max(each.option_strings, key=len), each.help or "")
            for each in self._parser.declared
            if each.option_strings
        ]

    def _values(self, action: argparse.Action, names: Names) -> list[Candidate]:
        if isinstance(action.choices, dict):
            inner = action.choices.items()
            return [Candidate(name, parser.description or "") for name, parser in inner]
        if action.choices is not None:
            return [Candidate(str(each)) for each in action.choices]
        kind, command = str(action.metavar), str(self._parser.get_default("command"))
        found = [FILES] if kind in _FILES else []
        if kind in _FOLDERS_WITH_COLON:
            folders = names("FOLDER", command)
            found += [each._replace(text=f"{each.text}:") for each in folders]
        elif kind == "STATUS":
            found += [Candidate(each.lower()) for each in SessionStatus]
        elif kind in _NAMED:
            found += names(kind, command)
        return found


def _names(kind: str, command: str) -> Iterable[Candidate]:
    from quarterdeck.cli import naming  # here: most of what is completed needs no platform

    return (Candidate(name, about) for name, about in naming.names(kind, command))


def _split(line: str) -> list[str]:
    """Return the words behind the program; the last is empty if another one is to begin. None of a line that cannot be read."""
    if line.endswith("\\"):
        return []
    for closing in ("", '"', "'"):
        try:
            words = shlex.split(line + closing)
        except ValueError:  # another quote is open
            continue
        if not closing and line[-1:].isspace():
            words.append("")
        return words[1:]
    return []
