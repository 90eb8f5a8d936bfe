"""What objects show of themselves beside text: HTML and PNG, by the methods that notebooks know. Used by `responder`.

Nothing is imported for it; what is too large is named in words.
"""

import base64
from typing import Any

BYTES_MAX = 2**20
"""Of all representations of one object, as they are sent."""


def bundle(value: Any, text: str | None = None) -> dict[str, str]:
    """Return the representations by MIME type; with `text`, that as the plain one. What a method of the object raises leaves it out."""
    found = {} if text is None else {"text/plain": text}
    html = _ask(value, "_repr_html_")
    if isinstance(html, str):
        found["text/html"] = html
    picture = _ask(value, "_repr_png_")
    if isinstance(picture, bytes):
        found["image/png"] = base64.b64encode(picture).decode()
    return _bounded(found)


def _ask(value: Any, name: str) -> Any:
    if isinstance(value, type):
        return None
    try:
        return getattr(value, name)()
    except Exception:  # noqa: BLE001 - supervisor: the user's objects may raise anything
        return None


def _bounded(found: dict[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    room = BYTES_MAX
    for kind, text in found.items():
        size = len(text.encode("utf-8", "replace"))
        if size <= room:
            kept[kind] = text
            room -= size
        else:
            kept["text/plain"] = f"<{kind} of {size} bytes left out: at most {BYTES_MAX}>"
    return kept
