"""A cluster of which one kernel cannot be made, on dummy kernels: an agent that is slow, and one that fails."""

import msgspec
import pytest

from quarterdeck.testing import system as quarterdeck_system
from quarterdeck.testing.raw import signed
from quarterdeck.wire import agents


@pytest.fixture(scope="session")
def system():
    """Quarterdeck with two agents, of which the second makes no kernel."""
    return quarterdeck_system.uneven


async def kernels_of(cluster, agent):
    """The kernels that an agent has by its own word."""
    keys = quarterdeck_system.keys
    url = agents.url(agent, cluster.address(f"{agent}.http"))
    async with signed(url, "manager", keys.agent) as send:
        return msgspec.json.decode((await send("GET", "/v1/kernels")).body)["items"]


@pytest.mark.cluster(agent=2)
async def test_cluster_of_which_one_kernel_cannot_be_made_leaves_nothing(
    private_cluster, user, observe
):
    """Behaviour 15: one of three kernels fails at create; its siblings, still being made, are torn down, and nothing leaks.

    Look at slots and history in SQL, and ask each agent what it has.
    """
    session = await user.sessions.create(slots={"cpu": 1, "memory_mib": 64}, cluster_size=3)
    await session.reaches("TERMINATED", within=20)
    view = await session.refresh()
    failed = [each.hostname for each in view.kernels if each.agent == "agent-2"]
    assert (view.reason, view.detail.partition(": ")[0]) == ("kernel-failed", *failed)
    assert {str(each.status) for each in view.kernels} == {"TERMINATED"}
    assert observe.history(session.id)[-2:] == [
        ("CREATING", "TERMINATING"),
        ("TERMINATING", "TERMINATED"),
    ]
    causes = observe.rows(
        "SELECT cause FROM session_history WHERE session_id = %s AND kernel_id IS NOT NULL AND to_status = 'TERMINATING'",
        session.id,
    )
    assert sorted(row["cause"] for row in causes) == ["kernel-failed", *["sibling-ended"] * 2]
    assert observe.slots_in_use() == (0, 0)
    assert await kernels_of(private_cluster, "agent-1") == []
    assert await kernels_of(private_cluster, "agent-2") == []
