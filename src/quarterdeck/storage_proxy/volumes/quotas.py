"""Quotas on plain directories: counted on disk now and then, exact in between, reserved while something is written.

Nothing is counted for scopes without limits. See `docs/decisions/0092-quotas-are-counted-not-kept.md`.
"""

import contextlib
from collections.abc import Callable, Iterator

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.volumes import counting, scopes
from quarterdeck.storage_proxy.volumes.places import Places
from quarterdeck.storage_proxy.volumes.scopes import Amount, Count, Pending, Scope
from quarterdeck.wire.trees import QuotaLimits, QuotaView

COUNTED_SECONDS_MAX = 5.0
"""How old a count may be: as late is seen what kernels write."""

_SHARE_MAX = 20
"""A count that took long is good for so many times as long: counting takes a twentieth of the time at most."""

Settle = Callable[[Amount], None]
Spend = Callable[[Amount, Amount | None], None]
_Hold = Callable[[str | None], contextlib.AbstractContextManager[Scope | None]]
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
        with self._of(tree, self._entered) as there:
            if there is None:
                yield
                return
            there.write(None)
            yield
            there.drop(tree)

    @contextlib.contextmanager
    def moved(
        self, tree: str, scope: str | None, new_scope: str, *, must_fit: bool
    ) -> Iterator[None]:
        """Let a tree of one scope become another's within the block; a crash leaves it the one's or the other's. Raises `TreeNotFound`,
        `QuotaExceeded`.
        """
        with contextlib.ExitStack() as stack:
            held = {
                name: stack.enter_context(scopes.opened(self._places, name, make=True))
                for name in sorted({new_scope, scope or new_scope})
            }
            self._places.require(tree)
            if must_fit and new_scope != scope:
                self._require_room(held[new_scope], tree)
            held[new_scope].add(tree)
            for each in held.values():
                each.write(None)
            yield
            for each in held.values():
                if each.name != new_scope:
                    each.drop(tree)

    @contextlib.contextmanager
    def settled(
        self, tree: str, entering: Callable[[str | None], None] | None = None
    ) -> Iterator[Settle]:
        """Let what the scope of a tree holds change within the block, by what is said there; unless it ends well, it is counted anew.

        The scope is told before it is entered.
        """
        with self._of(tree, self._changing, entering) as there:
            if there is None:
                yield _forget
                self.recount(tree)  # limits may have come meanwhile, or another scope
                return
            before = self.count(there)
            there.write(None)
            said: list[Amount] = []
            yield said.append
            if said:
                held = sum(said, before.held)
                there.write(Count(held, before.at, before.seconds))

    @contextlib.contextmanager
    def spent(self, tree: str) -> Iterator[Spend]:
        """Let something be written within the block that counts where it lies, at once, after it was spent: what there must be room for, else
        `QuotaExceeded`, and how much more there will be in the end, None if that is to be counted.
        """
        with self._of(tree, self._changing) as there:
            if there is None:
                yield _forget
                return
            before = self.count(there)
            said: list[Amount | None] = []

            def spend(wanted: Amount, more: Amount | None) -> None:
                held = before.held + there.pending()
                _require(self.limits(there.name) or NO_LIMITS, wanted, held)
                there.write(None)
                said.append(more)

            yield spend
            if said and (more := said[-1]) is not None:
                there.write(Count(before.held + more, before.at, before.seconds))

    @contextlib.contextmanager
    def grown(self, tree: str, more: Amount, wanted: Amount | None = None) -> Iterator[None]:
        """Let something be written within the block, as with `spent`: so much, if there is room for it, or for what is wanted in its place."""
        with self.spent(tree) as spend:
            spend(wanted or more, more)
            yield

    def recount(self, tree: str) -> None:
        """Have the scope of a tree counted anew when somebody next asks."""
        with self._of(tree, self._changing) as there:
            if there is not None:
                there.write(None)

    def account(self, tree: str) -> "TreeAccount":
        """Return an account for one write into a tree."""
        return TreeAccount(self, self._places.scope_of(tree), tree)

    def account_of(self, scope: str | None) -> "Account":
        """Return an account for one tree that comes to be in a scope."""
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
            if self._places.scope_of(tree) == scope.name:
                tally.add_tree(self._places, tree)
            else:
                scope.drop(tree)
        counted = Count(tally.amount, now, self._clock.monotonic() - started)
        scope.write(counted)
        return counted

    def _require_room(self, scope: Scope, tree: str) -> None:
        """Raise `QuotaExceeded` unless a scope has room for a whole tree of another one."""
        if (limits := self.limits(scope.name)) is not None:
            tally = counting.Tally()
            tally.add_tree(self._places, tree)
            _require(limits, tally.amount, self.count(scope).held + scope.pending())

    @contextlib.contextmanager
    def _of(
        self, tree: str, hold: _Hold, entering: Callable[[str | None], None] | None = None
    ) -> Iterator[Scope | None]:
        """Hold the scope of a tree: which it is may change until it is held. None if there is nothing to hold."""
        while True:
            scope = self._places.scope_of(tree)
            if entering is not None:
                entering(scope)
            with hold(scope) as there:
                if there is None or self._places.scope_of(tree) == scope:
                    yield there
                    return

    @contextlib.contextmanager
    def _changing(self, scope: str | None) -> Iterator[Scope | None]:
        """Hold the lock of a scope; None if nothing of it is counted."""
        if scope is None or self.limits(scope) is None:
            yield None
            return
        with self.opened(scope) as there:
            yield there

    @contextlib.contextmanager
    def _entered(self, scope: str | None) -> Iterator[Scope | None]:
        """Hold the lock of a scope, counted or not; None if there is none."""
        if scope is None:
            yield None
            return
        with scopes.opened(self._places, scope, make=True) as there:
            yield there


class Account:
    """What one write takes of its scope. Close it when the write has ended, in whatever way."""

    def __init__(self, quotas: Quotas, scope: str | None) -> None:
        self._quotas = quotas
        self._scope = scope
        self._total = Amount()
        self._pending: Pending | None = None
        self._limits: QuotaLimits | None = None

    def reserve(self, more: Amount) -> None:
        """Take more. Raises `QuotaExceeded`."""
        if more != Amount():
            self._take(more)

    def _take(self, more: Amount) -> None:
        self._total += more
        self._limits = limits = None if self._scope is None else self._quotas.limits(self._scope)
        if self._scope is None or limits is None:
            return
        with self._quotas.opened(self._scope) as scope:
            others = scope.pending(but=self._pending.name if self._pending else "")
            _require(limits, self._total, self._quotas.count(scope).held + others)
            self._pending = self._pending or Pending(scope.directory)
            self._pending.set(self._total)

    def close(self) -> None:
        """Give back what was reserved."""
        if self._pending is not None:
            self._pending.close()
            self._pending = None


class TreeAccount(Account):
    """What one write takes of the scope that its tree has in the end."""

    def __init__(self, quotas: Quotas, scope: str | None, tree: str) -> None:
        super().__init__(quotas, scope)
        self._tree = tree

    def settled(self) -> contextlib.AbstractContextManager[Settle]:
        """Let what was reserved take its place within the block: see `Quotas.settled`. Raises `QuotaExceeded` if the tree has another
        scope by now, which has no room for it.
        """
        return self._quotas.settled(self._tree, self._follow)

    def _judge(self, scope: str) -> None:
        if self._quotas.limits(scope) != self._limits:
            self._take(Amount())

    def _follow(self, scope: str | None) -> None:
        """Be judged by the scope that the tree has, and the limits that this has, at the end."""
        if scope == self._scope:
            if scope is not None and self._total != Amount():
                self._judge(scope)
            return
        self.close()
        self._scope, total, self._total = scope, self._total, Amount()
        self.reserve(total)


def _require(limits: QuotaLimits, wanted: Amount, held: Amount) -> None:
    for what, limit, more, there in (
        ("bytes", limits.bytes, wanted.bytes, held.bytes),
        ("files and directories", limits.inodes, wanted.inodes, held.inodes),
    ):
        if limit is not None and more > 0 and more + there > limit:
            raise errors.QuotaExceeded(
                f"the quota is {limit} {what}, of which {max(limit - there, 0)} are free"
            )


def _forget(*_: Amount | None) -> None:
    """Nobody counts."""
