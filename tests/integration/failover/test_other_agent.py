"""Another agent at the address of one that died: nothing that was meant for the dead one reaches it."""

import dataclasses
from pathlib import Path

import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing import system as quarterdeck_system
from quarterdeck.wire.states import SessionStatus
from shakeout.waiting.until import until

SECONDS_MAX = 30
IDENTITY = "identity"
"""A file in an agent's directory: the id that it takes, with a scratch directory of its own, as on another machine."""


def who(place):
    """The variables that make an agent another one, if the file says so."""
    file = Path(place.directory) / IDENTITY
    if not file.exists():
        return {}
    return {"QD_ID": file.read_text(), "QD_SCRATCH": str(place.directory / "elsewhere")}


@pytest.fixture(scope="session")
def system():
    """Quarterdeck with agents that can be replaced by others."""
    whole = quarterdeck_system.system
    components = tuple(
        dataclasses.replace(one, environment=with_identity(one.environment))
        if one.name == "agent"
        else one
        for one in whole.components
    )
    return dataclasses.replace(whole, name="quarterdeck-impostor", components=components)


def with_identity(plain):
    return lambda place: {**plain(place), **who(place)}


async def test_another_agent_at_the_same_address_touches_nothing_foreign(
    private_cluster, user, observe
):
    """Behaviour 57. Complaint: a new agent at a LOST agent's address had the wrong kernels destroyed.

    Kill the agent, start one of another id at its address while the first is not yet LOST, terminate a session of the first: the call
    is refused there, the session ends as that of a lost agent. The other's own session knows nothing of it.
    """
    old = await user.sessions.create()
    await old.reaches("RUNNING", within=SECONDS_MAX)
    kernel = observe.kernel(old.id)
    place = private_cluster.place("agent")
    await private_cluster.kill("agent")
    (place.directory / IDENTITY).write_text("stranger")
    await private_cluster.start("agent")
    assert observe.value("SELECT status FROM agents WHERE id = 'agent'") == "ALIVE"
    with pytest.raises(Refused) as refused:
        await old.execute("1")
    assert refused.value.code == "agent-unreachable"
    await old.terminate()
    new = await user.sessions.create()
    await new.reaches("RUNNING", within=SECONDS_MAX)
    assert (await new.refresh()).agent == "stranger"
    assert (await old.refresh()).status is SessionStatus.TERMINATING
    assert kernel in observe.live_kernels()
    await old.reaches("TERMINATED", within=SECONDS_MAX)
    assert observe.value("SELECT status FROM agents WHERE id = 'agent'") == "LOST"
    assert observe.slots_in_use(old.id) == (0, 0)
    assert (await new.execute("6 * 7")).result == "42"
    assert not (place.directory / "elsewhere" / ".state" / "destroyed").exists()
    await until(
        lambda: kernel in observe.live_kernels(),
        satisfied=lambda there: not there,
        within=SECONDS_MAX,
    )
    assert (await new.execute("6 * 7")).result == "42"
    assert observe.slots_in_use() == (1, 256)
