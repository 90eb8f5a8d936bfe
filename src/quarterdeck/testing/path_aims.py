"""Every place of the client API that takes a path, and how a test puts one there: address -> requests that carry it."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

from quarterdeck.testing.path_attacks import Attack

Aim = tuple[str, Mapping[str, str], bytes]
"""Target, headers and body of a request."""

Aims = Callable[[Attack], Iterator[Aim]]

FILE = r"/client/v1/files/{path:[\s\S]*}"
_TUS = {"Tus-Resumable": "1.0.0"}
_JSON = {"Content-Type": "application/json"}


def _tail(attack: Attack) -> Iterator[Aim]:
    """Put it into the path of the URL."""
    for spelling in attack.spellings:
        yield f"/client/v1/files/{spelling}", {}, b""


def _query(address: str, extra: str = "") -> Aims:
    """Put it into the query."""

    def aim(attack: Attack) -> Iterator[Aim]:
        if attack.text is not None:
            yield f"{address}?path={quote(attack.text)}{extra}", {}, b""

    return aim


def _body(address: str, **fields: str | None) -> Aims:
    """Put it into a field of the body: each that has no value here."""

    def aim(attack: Attack) -> Iterator[Aim]:
        if attack.text is None:
            return
        for name in [name for name, value in fields.items() if value is None]:
            wanted = {key: value or "harmless" for key, value in fields.items()}
            given = json.dumps({**wanted, name: attack.text}).encode()
            yield address, _JSON, given

    return aim


def _metadata(attack: Attack) -> Iterator[Aim]:
    """Put it into the metadata of an upload in pieces."""
    if attack.text is not None:
        value = base64.b64encode(attack.text.encode()).decode()
        for key in ("path", "filename"):
            yield (
                "/client/v1/uploads",
                {**_TUS, "Upload-Length": "4", "Upload-Metadata": f"{key} {value}"},
                b"",
            )


PATHS: Mapping[tuple[str, str], Aims] = {
    ("GET", "/client/v1/files"): _query("/client/v1/files"),
    ("PUT", FILE): _tail,
    ("GET", FILE): _tail,
    ("DELETE", FILE): _tail,
    ("GET", "/client/v1/archive"): _query("/client/v1/archive"),
    ("GET", "/client/v1/checksum"): _query("/client/v1/checksum"),
    ("POST", "/client/v1/urls"): _body("/client/v1/urls", method="GET", path=None),
    ("GET", "/client/v1/stat"): _query("/client/v1/stat"),
    ("GET", "/client/v1/search"): _query("/client/v1/search", "&pattern=*"),
    ("POST", "/client/v1/directories"): _body("/client/v1/directories", path=None),
    ("POST", "/client/v1/moves"): _body("/client/v1/moves", source=None, target=None),
    ("POST", "/client/v1/copies"): _body("/client/v1/copies", source=None, target=None),
    ("POST", "/client/v1/uploads"): _metadata,
}
"""Method and address -> what carries a path there."""
