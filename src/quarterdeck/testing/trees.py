"""File trees as the disk of the storage host shows them."""

from pathlib import Path

from quarterdeck.testing import layout
from shakeout.checks import files
from shakeout.system.cluster import Cluster

_FILES = "files"
_STAGING = "staging"
_PIECES = "uploads/*.data"


def trees(cluster: Cluster) -> dict[str, Path]:
    """Return the root directories of all trees of the local host, by id."""
    return {
        path.name: path / _FILES
        for root in _roots(cluster)
        for path in files.matches(root, "trees/*")
    }


def scopes(cluster: Cluster) -> dict[str, str]:
    """Return whose each tree of the local host is, by the note in its directory."""
    return {
        path.parent.name: path.read_text().partition(" ")[0]
        for root in _roots(cluster)
        for path in files.matches(root, "trees/*/scope")
    }


def unfinished(cluster: Cluster) -> list[Path]:
    """Return what is on its way in or out: staged files, uploads in pieces that are no files yet, and trees being removed."""
    return [
        path
        for root in _roots(cluster)
        for pattern in (f"trees/*/{_STAGING}/*", f"trees/*/{_PIECES}", "removed/*")
        for path in files.matches(root, pattern)
    ]


def _roots(cluster: Cluster) -> list[Path]:
    return [
        cluster.place(name).directory / layout.TREES_DIRECTORY
        for name in cluster.replicas("storage-proxy")
    ]
