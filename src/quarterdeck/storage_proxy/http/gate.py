"""Who may do what by the client API: a token opens one tree, with one right, until its deadline."""

import functools

from aiohttp import web

from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.http import bearer
from quarterdeck.storage_proxy.service import Tree
from quarterdeck.wire import tokens
from quarterdeck.wire.errors import TokenExpired, Unauthenticated
from quarterdeck.wire.folders import Right

_TOKENS_REMEMBERED = 1024
"""Tokens whose signature need not be computed again."""


class Gate:
    """Lets requests with a good token in."""

    def __init__(self, token_key: Secret, clock: Clock) -> None:
        self._clock = clock

        @functools.lru_cache(maxsize=_TOKENS_REMEMBERED)
        def verified(text: str) -> tokens.StorageToken:
            return tokens.verify(text, token_key.reveal(), clock.now())

        self._verified = verified

    def admit(self, request: web.Request, right: Right) -> Tree:
        """Return the tree that the token opens. Raises `Unauthenticated` and its kin, `RightMissing`."""
        if (text := bearer.credential(request)) is None:
            raise Unauthenticated
        token = self._verified(text)
        if self._clock.now().timestamp() >= token.exp:
            raise TokenExpired
        if not token.allows(right):
            raise errors.RightMissing(f"the token gives no right to {right}")
        return Tree(token.host, token.tree)
