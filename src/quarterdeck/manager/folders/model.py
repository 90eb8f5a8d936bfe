"""What folders are made of: storage hosts, trees, and the token that a grant carries. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from quarterdeck.wire import folders, tokens

GRANT_LIFETIME = timedelta(seconds=tokens.TOKEN_SECONDS)


@dataclass(frozen=True, slots=True)
class Host:
    """A storage host and where the storage-proxy that serves it was last seen."""

    name: str
    proxy: str
    manager_url: str
    client_url: str


@dataclass(frozen=True, slots=True)
class Tree:
    """A file tree on a storage host; it has the id of its folder."""

    id: str
    host: str


def grant(
    host: Host, tree: Tree, right: folders.Right, *, user: str, now: datetime, key: str
) -> folders.StorageGrant:
    """Return access for a user to one tree with one right until one deadline."""
    expires_at = (now + GRANT_LIFETIME).replace(microsecond=0)
    token = tokens.StorageToken(
        host=tree.host, tree=tree.id, right=right, exp=int(expires_at.timestamp()), user=user
    )
    return folders.StorageGrant(host.client_url, tokens.sign(token, key), expires_at)
