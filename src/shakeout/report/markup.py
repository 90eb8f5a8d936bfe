"""HTML that cannot be broken into: whatever is no `Html` already is escaped. Pages allow no script but their own."""

import base64
import hashlib
import html
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
VOID = frozenset({"meta", "input", "br"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Child = Html | str | Iterable["Child"] | None


def tag(name: str, /, *children: Child, **attributes: object) -> Html:
    """An element. `class_` is written `class`, `data_level` is `data-level`; None and False leave one out, True is bare."""
    opening = f"<{name}{''.join(_attribute(*each) for each in attributes.items())}>"
    return Html(opening if name in VOID else f"{opening}{join(children)}</{name}>")


def join(children: Child) -> Html:
    """Children one after the other; text is escaped."""
    if children is None:
        return Html("")
    if isinstance(children, Html):
        return children
    if isinstance(children, str):
        return Html(html.escape(children))
    return Html("".join(map(join, children)))


def place(**seconds: float) -> str:
    """A style that places an element on the time axis: `place(b=1.5, w=0.2)`."""
    return ";".join(f"--{name}:{value:.6g}" for name, value in seconds.items())


def document(title: str, body: Html, script: str = "") -> str:
    """A whole page that needs nothing from anywhere, and runs no script but `script`."""
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_digest(script)}'; img-src data:"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(asset("page.css"))),
    )
    code = tag("script", Html(script)) if script else Html("")
    whole = tag("html", head, tag("body", body, code), lang="en")
    return f"<!doctype html>\n{whole}\n"


def asset(name: str) -> str:
    """A style sheet or script of this package."""
    return (HERE / name).read_text()


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{html.escape(str(value))}"'


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
