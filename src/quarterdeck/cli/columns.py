"""How wide text is on a terminal, and which columns of a table are shown how wide. Used by `console`; no output here."""

from collections.abc import Collection, Sequence

GAP = 2
CELL_MIN = 8
"""No cell is cut to less; what is not wider is never cut: half a number is none."""
_INVISIBLE = frozenset({"Mn", "Me", "Cf"})
"""Categories of characters that take no place of their own: they go onto others, or say how those are shown."""
_JOINED = range(0x1160, 0x1200)
"""Vowels and ends of Korean syllables: they stand in the place of the consonant before."""


def width(text: str) -> int:
    """Return how many columns a terminal shows text in."""
    return len(text) if text.isascii() else sum(map(_width, text))


def cut(text: str, most: int) -> str:
    """Return text that is no wider than so many columns; where something is missing it ends in "…"."""
    if width(text) <= most:
        return text
    used = 0
    for at, character in enumerate(text):
        used += _width(character)
        if used >= most:
            return text[:at] + "…"
    return text


def fill(text: str, columns: int) -> str:
    """Return text in so many columns: cut, or with spaces after it."""
    shown = cut(text, columns)
    return shown + " " * (columns - width(shown))


def fit(
    wanted: Sequence[int], room: int, *, flexible: int, whole: Collection[int]
) -> dict[int, int]:
    """Return which columns are shown, and how wide, for what each of them wants and the room that there is for all.

    The flexible one is cut first, then the widest. Where that is not enough, the last ones are left out, but not the first, the flexible one,
    and those that are to be `whole`; and the first, by which people go on, is cut at last.
    """
    kept = {0, flexible, *whole}
    least = [min(each, CELL_MIN) for each in wanted]
    for at in kept - {flexible}:
        least[at] = wanted[at]
    shown = list(range(len(wanted)))
    while (rest := [at for at in shown if at not in kept]) and _line(least, shown) > room:
        shown.remove(rest[-1])
    given = list(wanted)
    for at in (flexible, *sorted(shown, key=wanted.__getitem__, reverse=True)):
        given[at] -= max(0, min(_line(given, shown) - room, given[at] - least[at]))
    given[0] -= max(0, min(_line(given, shown) - room, given[0] - CELL_MIN))
    return {at: given[at] for at in shown}


def _line(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[at] for at in shown) + GAP * (len(shown) - 1)


def _width(character: str) -> int:
    import unicodedata  # here: most of what is printed is ASCII, and no command may wait for it

    if unicodedata.category(character) in _INVISIBLE or ord(character) in _JOINED:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
