"""How a registry is shown who asks: name and password (Basic), or tokens that its own service gives for them (Bearer).

`registry` sends requests; what it must show is learnt here from the challenge of an answer 401, and kept.
"""

import asyncio
import base64
import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit

import msgspec

from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.infra.errors import RegistryMisbehaves, RegistryUnauthorized
from quarterdeck.wire import decode
from quarterdeck.wire.errors import Invalid

TOKEN_SECONDS_DEFAULT = 60
TOKEN_SECONDS_SPARE = 5.0
"""A token is not used any more so long before it ends."""
TOKENS_MAX = 1024

_CHALLENGE = re.compile(r"\s*(?P<scheme>[A-Za-z]+)(?:\s+(?P<rest>.*))?\Z", re.DOTALL)
_PARAMETER = re.compile(r'([a-zA-Z_]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')


@dataclass(frozen=True)
class Credentials:
    """Name and password of a user of the registry."""

    user: str
    password: Secret

    def basic(self) -> str:
        """Return them as an Authorization header."""
        text = f"{self.user}:{self.password.reveal()}".encode()
        return "Basic " + base64.b64encode(text).decode()


@dataclass(frozen=True)
class Challenge:
    """What a registry wants to see; `scheme` in lower case."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


class AskTokens(Protocol):
    """Asks the service that gives tokens."""

    async def __call__(self, url: str, authorization: str) -> bytes:
        """Return its answer. Raises `RegistryUnauthorized`, `RegistryUnreachable`, `RegistryMisbehaves`."""
        ...


class _Token(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""
    expires_in: int = TOKEN_SECONDS_DEFAULT


def challenge(header: str) -> Challenge:
    """Read a `WWW-Authenticate` header. Raises `RegistryMisbehaves`."""
    found = _CHALLENGE.match(header)
    if found is None:
        raise RegistryMisbehaves("it answers 401 and does not tell what it wants to see")
    pairs = {name.lower(): a or b for name, a, b in _PARAMETER.findall(found["rest"] or "")}
    return Challenge(
        found["scheme"].lower(),
        pairs.get("realm", ""),
        pairs.get("service", ""),
        pairs.get("scope", ""),
    )


class Access:
    """What is shown to one registry."""

    def __init__(
        self, url: str, credentials: Credentials | None, clock: Clock, ask: AskTokens
    ) -> None:
        self._secure = urlsplit(url).scheme == "https"
        self._credentials = credentials
        self._clock = clock
        self._ask = ask
        self._basic = False
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = asyncio.Lock()

    def known(self, scope: str) -> str:
        """Return the Authorization header for a scope as far as it is known; empty: nothing was asked for yet."""
        if self._basic and self._credentials is not None:
            return self._credentials.basic()
        token, until = self._tokens.get(scope, ("", 0.0))
        return f"Bearer {token}" if token and self._clock.monotonic() < until else ""

    async def answer(self, header: str, scope: str, shown: str) -> str:
        """Return the Authorization header that a challenge asks for; `shown` is what was refused.

        Raises `RegistryUnauthorized`, `RegistryUnreachable`, `RegistryMisbehaves`.
        """
        wanted = challenge(header)
        if wanted.scheme == "basic":
            return self._show_password(shown)
        if wanted.scheme != "bearer":
            raise RegistryMisbehaves(f"it wants {wanted.scheme[:40]!r}, which is not known here")
        async with self._lock:
            newer = self.known(scope)
            if newer and newer != shown:
                return newer  # somebody else has got one meanwhile
            return await self._fetch(wanted, scope)

    def refused(self, shown: str) -> RegistryUnauthorized:
        """Return the error for what was shown and did not do."""
        if shown.startswith("Basic ") and self._credentials is not None:
            return RegistryUnauthorized(f"it refuses the password of {self._credentials.user!r}")
        return RegistryUnauthorized("it refuses the token that its own service gave")

    def _show_password(self, shown: str) -> str:
        if self._credentials is None:
            raise RegistryUnauthorized("it wants a user name and a password, and none are set")
        if shown.startswith("Basic "):
            raise self.refused(shown)
        self._basic = True
        return self._credentials.basic()

    async def _fetch(self, wanted: Challenge, scope: str) -> str:
        authorization = ""
        if self._credentials is not None:
            authorization = self._credentials.basic()
        url = self._token_url(wanted, scope, with_password=bool(authorization))
        try:
            given = decode.decode(_Token, await self._ask(url, authorization))
        except Invalid as error:
            raise RegistryMisbehaves(f"its tokens are not understood: {error}") from error
        token = given.token or given.access_token
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise RegistryMisbehaves("the service that gives its tokens gave none")
        if len(self._tokens) >= TOKENS_MAX:
            self._tokens.clear()
        lasts = max(given.expires_in, TOKEN_SECONDS_DEFAULT) - TOKEN_SECONDS_SPARE
        self._tokens[scope] = (token, self._clock.monotonic() + lasts)
        return f"Bearer {token}"

    def _token_url(self, wanted: Challenge, scope: str, *, with_password: bool) -> str:
        """Return where to ask. A password never leaves an encrypted connection for an open one."""
        parts = urlsplit(wanted.realm)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise RegistryMisbehaves(f"it gives tokens at {wanted.realm[:200]!r}, which is no URL")
        if with_password and self._secure and parts.scheme != "https":
            raise RegistryMisbehaves("it wants the password to be sent without encryption")
        values = {"service": wanted.service, "scope": wanted.scope or scope}
        query = "&".join(
            f"{name}={quote(value, safe='')}" for name, value in values.items() if value
        )
        joint = "&" if parts.query else "?"
        return f"{wanted.realm.partition('#')[0]}{joint if query else ''}{query}"
