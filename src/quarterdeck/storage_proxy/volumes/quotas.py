"""Quotas on plain directories: counted on disk now and then, exact in between, reserved while something is written.

Nothing is counted for scopes without limits. See `docs/decisions/0092-quotas-are-counted-not-kept.md`.
"""

import contextlib
from collections.abc import Callable, Iterator

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.volumes import counting, places, scopes
from quarterdeck.storage_proxy.volumes.places import Places
from quarterdeck.storage_proxy.volumes.scopes import Amount, Count, Pending, Scope
from quarterdeck.wire.trees import QuotaLimits, QuotaView

COUNTED_SECONDS_MAX = 5.0
"""How old a count may be: as late is seen what kernels write."""

_SHARE_MAX = 20
"""A count that took long is good for so many times as long: counting takes a twentieth of the time at most."""

Settle = Callable[[Amount], None]
NO_LIMITS = QuotaLimits(bytes=None, inodes=None)


class Quotas:
    """The scopes of one volume."""

    def __init__(self, where: Places, clock: Clock) -> None:
        self._places = where
        self._clock = clock

    def limit(self, scope: str, limits: QuotaLimits) -> None:
        """Set the limits of a scope, which is made if missing."""
        with scopes.opened(self._places, scope, make=True) as there:
            there.limit(limits)

    def view(self, scope: str) -> QuotaView:
        """Return limits and usage of a scope."""
        try:
            with scopes.opened(self._places, scope) as there:
                there.pending()
                held = self.count(there).held
        except errors.FileNotFound:
            held = Amount()
        limits = scopes.limits(self._places, scope) or NO_LIMITS
        return QuotaView(limits, held.bytes, held.inodes)

    @contextlib.contextmanager
    def entered(self, tree: str, scope: str | None) -> Iterator[None]:
        """Let a tree that is made within the block belong to a scope."""
        if scope is None:
            yield
            return
        with scopes.opened(self._places, scope, make=True) as there:
            there.add(tree)
            there.write(None)
            yield

    @contextlib.contextmanager
    def left(self, tree: str) -> Iterator[None]:
        """Let a tree that is removed within the block count no more."""
        if (scope := self._places.scope_of(tree)) is None:
            yield
            return
        with scopes.opened(self._places, scope, make=True) as there:
            there.write(None)
            yield
            there.drop(tree)

    def freed(self, tree: str) -> contextlib.AbstractContextManager[Settle]:
        """Let something be removed from a tree within the block; how much, is said, or found by counting."""
        return self.settled(self._places.scope_of(tree))

    @contextlib.contextmanager
    def settled(self, scope: str | None) -> Iterator[Settle]:
        """Let what a scope holds change within the block, by what is said there; unless it ends well, it is counted anew."""
        with self._changing(scope) as there:
            if there is None:
                yield _forget
                return
            before = self.count(there)
            there.write(None)
            said: list[Amount] = []
            yield said.append
            if said:
                held = sum(said, before.held)
                there.write(Count(held, before.at, before.seconds))

    @contextlib.contextmanager
    def grown(self, tree: str, more: Amount, wanted: Amount | None = None) -> Iterator[None]:
        """Let something be written within the block that counts where it lies, at once. Raises `QuotaExceeded` before, if there is no room
        for it, or for what is wanted in its place.
        """
        scope = self._places.scope_of(tree)
        with self._changing(scope) as there:
            if there is None or scope is None:
                yield
                return
            before = self.count(there)
            held = before.held + there.pending()
            _require(self.limits(scope) or NO_LIMITS, wanted or more, held)
            there.write(None)
            yield
            there.write(Count(before.held + more, before.at, before.seconds))

    def recount(self, tree: str) -> None:
        """Have the scope of a tree counted anew when somebody next asks."""
        with self._changing(self._places.scope_of(tree)) as there:
            if there is not None:
                there.write(None)

    def account(self, tree: str) -> "Account":
        """Return an account for one write into a tree."""
        return Account(self, self._places.scope_of(tree))

    def account_of(self, scope: str | None) -> "Account":
        """Return an account for one write into a tree of a scope."""
        return Account(self, scope)

    def limits(self, scope: str) -> QuotaLimits | None:
        """Return the limits of a scope, None if none were ever set."""
        return scopes.limits(self._places, scope)

    def opened(self, scope: str) -> contextlib.AbstractContextManager[Scope]:
        """Hold the lock of a scope that has limits."""
        return scopes.opened(self._places, scope)

    def count(self, scope: Scope) -> Count:
        """Return what the trees of a scope hold, by a count that is not too old."""
        known = scope.count()
        now = self._clock.now().timestamp()
        if known is not None and 0 <= now - known.at <= max(
            COUNTED_SECONDS_MAX, _SHARE_MAX * known.seconds
        ):
            return known
        started = self._clock.monotonic()
        tally = counting.Tally()
        for tree in scope.trees():
            try:
                with self._places.part(tree, places.FILES) as files:
                    tally.add(files)
            except errors.TreeNotFound:
                scope.drop(tree)
            with contextlib.suppress(errors.TreeNotFound):
                with self._places.part(tree, places.UPLOADS) as uploads:
                    tally.add_data(uploads)
        counted = Count(tally.amount, now, self._clock.monotonic() - started)
        scope.write(counted)
        return counted

    @contextlib.contextmanager
    def _changing(self, scope: str | None) -> Iterator[Scope | None]:
        """Hold the lock of a scope; None if nothing of it is counted."""
        if scope is None or self.limits(scope) is None:
            yield None
            return
        with self.opened(scope) as there:
            yield there


class Account:
    """What one write takes of its scope. Close it when the write has ended, in whatever way."""

    def __init__(self, quotas: Quotas, scope: str | None) -> None:
        self._quotas = quotas
        self._scope = scope
        self._total = Amount()
        self._pending: Pending | None = None

    def reserve(self, more: Amount) -> None:
        """Take more. Raises `QuotaExceeded`."""
        if more == Amount():
            return
        self._total += more
        if self._scope is None or (limits := self._quotas.limits(self._scope)) is None:
            return
        with self._quotas.opened(self._scope) as scope:
            others = scope.pending(but=self._pending.name if self._pending else "")
            _require(limits, self._total, self._quotas.count(scope).held + others)
            self._pending = self._pending or Pending(scope.directory)
            self._pending.set(self._total)

    def settled(self) -> contextlib.AbstractContextManager[Settle]:
        """Let what was reserved take its place within the block: see `Quotas.settled`."""
        return self._quotas.settled(self._scope)

    def close(self) -> None:
        """Give back what was reserved."""
        if self._pending is not None:
            self._pending.close()
            self._pending = None


def _require(limits: QuotaLimits, wanted: Amount, held: Amount) -> None:
    for what, limit, more, there in (
        ("bytes", limits.bytes, wanted.bytes, held.bytes),
        ("files and directories", limits.inodes, wanted.inodes, held.inodes),
    ):
        if limit is not None and more > 0 and more + there > limit:
            raise errors.QuotaExceeded(
                f"the quota is {limit} {what}, of which {max(limit - there, 0)} are free"
            )


def _forget(_: Amount) -> None:
    """Nobody counts."""
