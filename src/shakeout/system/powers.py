"""What a service may be able to do beyond running: optional powers, each a small protocol of its own.

`shakeout.faults.service` uses those that a service has; a service of somebody else's joins by having the methods.
`place` is the service's own place. The methods raise OSError when the server is gone, or its own error.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from shakeout.system.place import Place


@runtime_checkable
class KeepsDisk(Protocol):
    """It keeps what it must not lose in one directory, which may be a disk of its own."""

    @property
    def disk(self) -> str:
        """Relative to its place; empty when it keeps nothing."""


@runtime_checkable
class Flushes(Protocol):
    """It can lose at once all that it holds."""

    async def put_mark(self, place: Place) -> None:
        """Write something small that a flush takes away."""

    async def has_mark(self, place: Place) -> bool:
        """Whether that is still there."""

    async def flush(self, place: Place) -> None:
        """Lose everything."""


@runtime_checkable
class TurnsReadOnly(Protocol):
    """It can refuse all writes, and go on reading."""

    async def refuse_writes(self, place: Place) -> None:
        """From now on."""

    async def accept_writes(self, place: Place) -> None:
        """Again; changes nothing when it does anyway."""

    async def refusal(self, place: Place) -> str:
        """Try a write that leaves nothing: empty when it is accepted, else the refusal in its own words."""


@runtime_checkable
class Exhausts(Protocol):
    """It serves only so many connections."""

    def exhausted(self, place: Place) -> AbstractAsyncContextManager[None]:
        """For the time of a block none is left; those that others have stay open."""


@runtime_checkable
class LosesLeases(Protocol):
    """Clients hold leases in it that live only as long as they are kept alive."""

    async def leases(self, place: Place) -> frozenset[str]:
        """Those that live."""

    async def grant(self, place: Place) -> str:
        """One more, that ends by itself after a while."""

    async def revoke(self, place: Place, lease: str) -> None:
        """End one, with all that hangs on it; one that has ended already is fine."""
