"""Who may do what by the client API: a token opens one tree, with one right, until its deadline; one in a URL opens one file for one method."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.http import bearer
from quarterdeck.storage_proxy.model import TreePath
from quarterdeck.storage_proxy.service import Tree
from quarterdeck.wire import tokens
from quarterdeck.wire.errors import TokenExpired, Unauthenticated
from quarterdeck.wire.folders import Right

_TOKENS_REMEMBERED = 1024
"""Tokens whose signature need not be computed again."""

PARAMETER = "token"
"""The query parameter that carries the token of a URL."""

_RIGHTS = {Right.READ: ("GET",), Right.WRITE: ("PUT",)}


@dataclass(frozen=True)
class Caller:
    """Somebody with a good token: the tree, whose transfers count together, and until when, in seconds since 1970."""

    tree: Tree
    who: str
    until: int


class Gate:
    """Lets requests with a good token in."""

    def __init__(self, token_key: Secret, clock: Clock) -> None:
        self._key = token_key
        self._clock = clock

        @functools.lru_cache(maxsize=_TOKENS_REMEMBERED)
        def verified(text: str) -> tuple[tokens.StorageToken, Caller]:
            token = tokens.verify(text, token_key.reveal(), clock.now())
            return token, _caller(token)

        self._verified = verified

    def admit(self, request: web.Request, right: Right) -> Tree:
        """Return the tree that the token opens. Raises `Unauthenticated` and its kin, `RightMissing`."""
        return self.caller(request, right).tree

    def caller(self, request: web.Request, right: Right) -> Caller:
        """Return who may do this in a whole tree. Raises `Unauthenticated` and its kin, `RightMissing`."""
        return self.bearer(request.headers, right)

    def bearer(self, headers: Mapping[str, str], right: Right) -> Caller:
        """Return who may do this in a whole tree, by the headers of a request. Raises as `caller` does."""
        if (text := bearer.credential(headers)) is None:
            raise Unauthenticated
        token, caller = self._verified(text)
        self._require_time(token.exp)
        if not token.allows(right):
            raise errors.RightMissing(f"the token gives no right to {right}")
        return caller

    def file(self, request: web.Request, right: Right, path: TreePath) -> Caller:
        """Return who may do this with one file: by the token in the URL if there is one. Raises as `caller` does."""
        if (text := request.query.get(PARAMETER)) is None:
            return self.caller(request, right)
        token = tokens.verify_url(text, self._key.reveal(), self._clock.now())
        if token.method not in _RIGHTS[right] or token.path != model.render(path):
            raise errors.RightMissing("this URL is for another file or another method")
        return _caller(token)

    def url_token(
        self, caller: Caller, method: str, path: TreePath, seconds: int
    ) -> tuple[str, datetime]:
        """Return the token for a URL and when it ends: with the caller's own token at the latest."""
        until = min(self._clock.now() + timedelta(seconds=seconds), _time(caller.until))
        claims = tokens.UrlToken(
            host=caller.tree.host,
            tree=caller.tree.id,
            method="PUT" if method == "PUT" else "GET",
            path=model.render(path),
            exp=int(until.timestamp()),
            user=caller.who,
        )
        return tokens.sign(claims, self._key.reveal()), until.replace(microsecond=0)

    def _require_time(self, until: int) -> None:
        if self._clock.now().timestamp() >= until:
            raise TokenExpired


def _caller(token: tokens.StorageToken | tokens.UrlToken) -> Caller:
    return Caller(Tree(token.host, token.tree), token.user or token.tree, token.exp)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
