"""What can go wrong with links.

LinkError
├── NoSuchLink     no edge is declared between the two, or there is no such member
├── Unlinkable     the target has no address that a front could stand for
├── LinksOff       the cluster was booted without links
└── LinksRefused   the proxy could not do what it was asked for, or did not say so in time
"""

from collections.abc import Iterable


class LinkError(Exception):
    """A link could not be had or changed."""


class NoSuchLink(LinkError):
    """No edge is declared between the two."""

    def __init__(self, source: str, target: str, known: Iterable[tuple[str, str]]) -> None:
        """`known` are the links that there are."""
        listed = ", ".join(f"{one} -> {other}" for one, other in sorted(known))
        super().__init__(f"no edge {source} -> {target} is declared; there are {listed or 'none'}")
        self.source = source
        self.target = target


class Unlinkable(LinkError):
    """The target has no address that a front could stand for."""

    def __init__(self, target: str) -> None:
        super().__init__(
            f"no link leads to {target}: none of its addresses names a host with a port, or a socket's path"
        )
        self.target = target


class LinksOff(LinkError):
    """The cluster was booted without links."""

    def __init__(self) -> None:
        super().__init__(NO_LINKS)


class LinksRefused(LinkError):
    """The proxy could not do what it was asked for, or did not say so in time."""


NO_LINKS = (
    "the cluster has no links: mark the test with @pytest.mark.links and take private_cluster;"
    " by hand, say --links to `shakeout up` or `shakeout run`"
)
