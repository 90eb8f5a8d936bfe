"""Whether a cluster is well, asked of every member in its own protocol; see `lifecycle`."""

from collections.abc import Collection

from shakeout.system.cluster import Cluster
from shakeout.system.progress import State


def ready(cluster: Cluster) -> tuple[str, ...]:
    """Members that are up: those that must be well. An optional service that nobody asked for is not."""
    return tuple(name for name, one in cluster.members.items() if one.state is State.READY)


async def missing(cluster: Cluster, names: Collection[str]) -> str:
    """Empty when all of these members answer, else the first that does not and why."""
    for name in names:
        if reason := await missing_of(cluster, name):
            return f"{name}: {reason}"
    return ""


async def missing_of(cluster: Cluster, name: str) -> str:
    """Empty when a member runs and answers, else why not."""
    member = cluster.member(name)
    if not member.running:
        return f"does not run, it {member.condition}"
    return await member.runner.probe(member.place)


def death(cluster: Cluster) -> str | None:
    """The first death that nobody expected, in words."""
    return next((str(death) for death in cluster.deaths()), None)
