"""Where a server listens, taken out of a URL, and the same URL by way of another place. Pure.

tcp, http ...  http://127.0.0.1:2379
Unix sockets   unix:///run/redis.sock    postgresql://user@/database?host=/run/postgres
"""

import dataclasses
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

POSTGRES_SCHEMES = ("postgresql", "postgres")
POSTGRES_PORT = "5432"
POSTGRES_SOCKET = ".s.PGSQL."


@dataclasses.dataclass(frozen=True)
class Tcp:
    """A port."""

    host: str
    port: int


@dataclasses.dataclass(frozen=True)
class Unix:
    """A socket in the file system."""

    path: str


Endpoint = Tcp | Unix


def of_url(url: str) -> Endpoint | None:
    """Where the server of a URL listens; None when the URL does not say so in full."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return Unix(unquote(parts.path)) if parts.path else None
    if parts.hostname and parts.port:
        return Tcp(parts.hostname, parts.port)
    options = dict(parse_qsl(parts.query))
    directory = options.get("host", "")
    if parts.scheme in POSTGRES_SCHEMES and directory.startswith("/"):
        return Unix(f"{directory}/{POSTGRES_SOCKET}{options.get('port', POSTGRES_PORT)}")
    return None


def through(url: str, front: Endpoint) -> str:
    """The same URL at another place of the same kind; all else of it stays as it is."""
    parts = urlsplit(url)
    if isinstance(front, Tcp):
        credentials, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{credentials}{at}{front.host}:{front.port}"))
    if parts.scheme == "unix":
        return f"unix://{quote(front.path)}{url[url.index('?') :] if parts.query else ''}"
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    options["host"] = str(PurePosixPath(front.path).parent)
    return urlunsplit(parts._replace(query=urlencode(options, safe="/")))


def encode(endpoint: Endpoint) -> str:
    """As a word of a message."""
    if isinstance(endpoint, Tcp):
        return f"{endpoint.host}:{endpoint.port}"
    return endpoint.path


def decode(word: str) -> Endpoint:
    """The opposite of `encode`."""
    if word.startswith("/"):
        return Unix(word)
    host, _, port = word.rpartition(":")
    return Tcp(host, int(port))
