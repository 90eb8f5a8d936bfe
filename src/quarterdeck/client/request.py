"""Requests as values, signed or with a token, and what an answer means: no input or output here.

Both transports, `transport` (blocking, standard library) and `transport_async` (aiohttp), send what `prepare` and `with_token` give
and hand what comes back to `outcome`. Procedures are generators that yield requests and are sent the decoded answers.
"""

import json
import re
from collections.abc import Generator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

from quarterdeck.base.errors import ConfigInvalid
from quarterdeck.client.errors import ClientError, OutcomeUnknown, Refused, Unreachable
from quarterdeck.wire import signing

T = TypeVar("T")
_SAFE = frozenset({"GET", "HEAD"})
_ACCESS_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class Request(NamedTuple):
    """A request to the manager. `body` is anything that JSON can say; None: no body."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None


class Prepared(NamedTuple):
    """A request as it goes out. `url` is scheme and authority only; `target` is path and query."""

    method: str
    url: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Credentials:
    """Where the manager is and who asks it. Raises `ConfigInvalid` for what cannot be used."""

    def __init__(self, url: str, access_key: str, secret_key: str) -> None:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError as error:  # half an IPv6 address, or a port that is no number
            raise ConfigInvalid(f"not the URL of a manager: {url!r}") from error
        if not usable:
            raise ConfigInvalid(f"not the URL of a manager: {url!r}")
        if not _ACCESS_KEY.match(access_key):
            raise ConfigInvalid("the access key is not in the form of one")
        if not (secret_key.isascii() and secret_key.isprintable()):
            raise ConfigInvalid("the secret key is not in the form of one")
        self.url = url.rstrip("/")
        self._base = parts.path.rstrip("/")
        self._authority = parts.netloc
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self.access_key = access_key
        self._secret_key = secret_key

    def __repr__(self) -> str:
        return f"Credentials({self.url!r}, {self.access_key!r}, '***')"

    def prepare(self, request: Request, now: datetime) -> Prepared:
        """Return the signed request."""
        query = f"?{urlencode(request.query)}" if request.query else ""
        target = self._base + request.path + query
        body = b"" if request.body is None else json.dumps(request.body).encode()
        content_type = "" if request.body is None else "application/json"
        message = signing.Message(request.method, target, self._authority, content_type, body)
        headers = signing.sign(message, self.access_key, self._secret_key, now)
        headers["Host"] = self._authority
        if content_type:
            headers["Content-Type"] = content_type
        return Prepared(request.method, self._origin, target, headers, body)


class Grant(NamedTuple):
    """Access to the files of a folder: the storage-proxy's URL, a token, and how many seconds that lasts."""

    url: str
    token: str
    seconds: float = 900.0

    @property
    def renewed_seconds(self) -> float:
        """After how long the next copy gets a grant of its own."""
        return self.seconds / 3

    @property
    def young_seconds(self) -> float:
        """How long a grant lasts at least that is worth asking for."""
        return self.seconds / 15


def granted(answer: Mapping[str, Any]) -> Grant:
    """Return the grant that the manager answered with."""
    return Grant(answer["url"], answer["token"], answer["seconds"])


def with_token(
    grant: Grant, method: str, path: str, query: tuple[tuple[str, str], ...] = ()
) -> Prepared:
    """Return a request with a grant's token to its API. The path must be quoted."""
    parts = urlsplit(grant.url)
    target = parts.path.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
    headers = {"Authorization": f"Bearer {grant.token}", "Host": parts.netloc}
    return Prepared(method, f"{parts.scheme}://{parts.netloc}", target, headers, b"")


def with_json(grant: Grant, method: str, path: str, body: Any) -> Prepared:
    """Return a request with a grant's token and a body of JSON."""
    prepared = with_token(grant, method, path)
    headers = {**prepared.headers, "Content-Type": "application/json"}
    return prepared._replace(headers=headers, body=json.dumps(body).encode())


def outcome(method: str, status: int, body: bytes) -> bytes:
    """Return the body of an answer. Raises `Refused`, `Unreachable`, `OutcomeUnknown`."""
    if status < 300:
        return body
    try:
        problem = json.loads(body)
        refused = Refused(
            status,
            problem["code"],
            problem["detail"],
            field=problem.get("field"),
            trace=problem.get("trace"),
        )
    except (ValueError, KeyError, TypeError):
        raise broken(method, f"the answer was status {status} and no problem+json") from None
    raise refused


def broken(method: str, detail: str) -> ClientError:
    """Return the error for an exchange that broke off."""
    return Unreachable(detail) if method in _SAFE else OutcomeUnknown(detail)


class Answer(dict[str, Any]):
    """An object of JSON in an answer to a method. One that lacks what the platform always says is another server's."""

    def __init__(self, method: str, found: Mapping[str, Any]) -> None:
        super().__init__(found)
        self._method = method

    def __missing__(self, name: str) -> Any:
        raise broken(self._method, f"the answer has no {name!r}, as the platform's have")


def answer(method: str, body: bytes) -> Any:
    """Return what an answer says, an empty one nothing. Raises `Unreachable`, `OutcomeUnknown` if it is another server's, also when more is read from it."""
    try:
        found = json.loads(body or b"{}", object_hook=partial(Answer, method))
    except ValueError as error:
        raise broken(method, "the answer is not JSON, as the platform's are") from error
    if not isinstance(found, Answer) or not _holds_objects(found.get("items", [])):
        raise broken(method, "the answer is JSON of another form than the platform's")
    return found


def _holds_objects(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(each, Answer) for each in items)


Procedure = Generator[Request, Any, T]
"""Several requests that depend on each other, ending in a T."""
