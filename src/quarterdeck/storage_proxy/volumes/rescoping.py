"""Gives a tree to another quota scope: what it holds counts there from then on, and where it counted before no more. For `local`.

The note in the tree's directory says whose it is. Both scopes have the tree in their lists before it is rewritten, and count only what
notes call theirs: so each is right whenever it is counted, also after a crash in the middle.
"""

import contextlib
import fcntl
from collections.abc import Iterator

from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.volumes import places
from quarterdeck.storage_proxy.volumes.places import Places
from quarterdeck.storage_proxy.volumes.quotas import Quotas


def rescope(
    where: Places, quotas: Quotas, tree: str, scope: str, *, turn: int, must_fit: bool
) -> None:
    """Let a tree be a scope's, unless a request of a later turn came first. Raises `TreeNotFound`, `TurnPassed`, `QuotaExceeded`."""
    with _alone(where, tree) as place:
        before, last = _noted(place)
        if turn < last:
            raise errors.TurnPassed
        with quotas.moved(tree, before, scope, must_fit=must_fit):
            places.note_scope(place, scope, turn)


@contextlib.contextmanager
def _alone(where: Places, tree: str) -> Iterator[int]:
    """Give the directory of a tree while nobody else says whose it is. Raises `TreeNotFound`."""
    with contextlib.ExitStack() as stack:
        try:
            place = stack.enter_context(where.at(places.TREES, model.tree_id(tree)))
        except errors.FileNotFound:
            raise errors.TreeNotFound from None
        fcntl.flock(place, fcntl.LOCK_EX)
        yield place


def _noted(place: int) -> tuple[str | None, int]:
    try:
        return places.noted_scope(place)
    except errors.FileNotFound:
        return None, 0
