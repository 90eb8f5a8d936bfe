"""Paths that no storage-proxy may follow, as data, and names for ids that are none."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Attack:
    """A path as plain text, and how else it may be spelled in a URL."""

    name: str
    text: str | None
    raw: tuple[str, ...] = ()

    @property
    def spellings(self) -> tuple[str, ...]:
        """How it may stand in the path of a URL."""
        return self.raw if self.text is None else (quote(self.text, safe="/"), *self.raw)


PATHS = (
    Attack("up", "..", ("%2e%2e", "%2E%2E", ".%2e", "%2e.")),
    Attack("up and out", "../../../../../../etc/passwd", ("%2e%2e/%2e%2e/%2e%2e/etc/passwd",)),
    Attack("down and up", "a/../../secret", ("a/%2e%2e/%2e%2e/secret", "a%2f..%2f..%2fsecret")),
    Attack("up at the end", "a/.."),
    Attack("here", ".", ("%2e",)),
    Attack("here within", "a/./b"),
    Attack("absolute", "/etc/passwd", ("%2fetc%2fpasswd", "%2Fetc/passwd")),
    Attack("two slashes", "//etc/passwd"),
    Attack("empty name", "a//b"),
    Attack("trailing slash", "a/"),
    Attack("encoded", "%2e%2e", ("%252e%252e",)),
    Attack("encoded twice", "%252e%252e", ("%25252e%25252e",)),
    Attack("encoded slash", "..%2f..%2fsecret", ("..%252f..%252fsecret",)),
    Attack("encoded slash within", "a%2fb"),
    Attack("encoded too many times", "%" + "25" * 9 + "2e"),
    Attack("overlong UTF-8", None, ("%c0%ae%c0%ae", "%c0%af", "%e0%80%ae")),
    Attack("no UTF-8", None, ("%ff", "a/%fe%fe")),
    Attack("NUL", "a\0b", ("a%00b", "a%2500b")),
    Attack("NUL after a good name", "file.txt\0/../../secret"),
    Attack("line break", "a\r\nX-Injected: yes", ("a%0d%0aX:y",)),
    Attack("escape sequence", "a\x1b[2J"),
    Attack("delete", "a\x7f"),
    Attack("backslashes", "..\\..\\secret", ("..%5c..%5csecret",)),
    Attack("backslash absolute", "\\etc\\passwd"),
    Attack("full-width dots", "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}"),
    Attack(
        "full-width path",
        "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}\N{FULLWIDTH SOLIDUS}\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}\N{FULLWIDTH SOLIDUS}secret",
    ),
    Attack("full-width absolute", "\N{FULLWIDTH SOLIDUS}etc\N{FULLWIDTH SOLIDUS}passwd"),
    Attack("full-width percent", "\N{FULLWIDTH PERCENT SIGN}2e\N{FULLWIDTH PERCENT SIGN}2e"),
    Attack("two-dot leader", "\N{TWO DOT LEADER}"),
    Attack("one-dot leaders", "\N{ONE DOT LEADER}\N{ONE DOT LEADER}"),
    Attack("small full stops", "\N{SMALL FULL STOP}\N{SMALL FULL STOP}"),
    Attack(
        "vertical two dots",
        "\N{PRESENTATION FORM FOR VERTICAL TWO DOT LEADER}/\N{PRESENTATION FORM FOR VERTICAL TWO DOT LEADER}/..",
        (),
    ),
    Attack("overlong name", "n" * 256),
    Attack("overlong name in UTF-8", "é" * 128),
    Attack("overlong path", "/".join(["n" * 200] * 5)),
    Attack("too deep", "/".join(["d"] * 33)),
)

IDS = (
    "..",
    "%2e%2e",
    "..%2f..",
    "0195c0de-0000-7000-8000-00000000000A",
    "0195C0DE-0000-7000-8000-000000000001",
    "0195c0de-0000-7000-8000-00000000000\N{FULLWIDTH DIGIT ONE}",
    "0195c0de-0000-7000-8000-000000000001%00",
    "0195c0de-0000-7000-8000-000000000001%0a",
    "0195c0de-0000-7000-8000-000000000001%2f..",
    "a" * 300,
)
"""In the place of a tree, a host, a scope or an upload, as they stand in a URL."""
