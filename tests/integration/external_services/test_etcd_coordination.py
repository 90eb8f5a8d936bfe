"""etcd: who is there, where, and for how long, seen with etcd3, an independent client."""

import shutil

import msgspec
import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.wire import nodes
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

COMPONENTS = {
    "manager": nodes.MANAGERS,
    "agent": nodes.AGENTS,
    "storage-proxy": nodes.STORAGE_PROXIES,
}


async def test_each_component_is_registered_under_a_lease(cluster, observe):
    """Discovery is true. Each component's key names its address, and lives on a lease of a few seconds."""
    for name, prefix in COMPONENTS.items():
        (found,) = observe.etcd.below(prefix).items()
        key, value = found
        assert key == prefix + cluster.member(name).name
        assert cluster.address(f"{name}.http").removeprefix("http://") in value.decode()
        assert 0 < observe.etcd.lease_of(key) <= nodes.LEASE_SECONDS


async def test_no_secret_is_in_etcd(cluster, observe):
    """Secrets come by environment only. Look for each of them in all keys and values."""
    secrets = [
        value
        for component in cluster.system.components
        for name, value in component.environment(cluster.place(component.name)).items()
        if name.endswith(("_SECRET", "_KEY"))
    ]
    assert len(secrets) >= 5
    everything = b"\n".join(
        key.encode() + value for key, value in observe.etcd.everything().items()
    )
    assert not [secret for secret in secrets if secret.encode() in everything]


async def test_restarted_agent_was_never_gone(private_cluster, observe):
    """Kernels outlive their agent, so a stop says no good-bye. Restart the agent: never LOST, and another instance is registered."""
    key = nodes.AGENTS + "agent"
    first = msgspec.json.decode(observe.etcd.get(key))["instance"]
    await private_cluster.restart("agent")
    again = msgspec.json.decode(observe.etcd.get(key))["instance"]
    assert again != first
    await until(lambda: instance(observe), within=10, satisfied=again.__eq__)
    assert status(observe) == "ALIVE"


@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_agent_that_does_not_come_back_disappears_when_its_lease_ends(
    private_cluster, observe, end
):
    """The lease says good-bye. Kill or stop the agent: the key goes within the lease's term, not at once; the agent is LOST."""
    key = nodes.AGENTS + "agent"
    await getattr(private_cluster, end)("agent")
    assert observe.etcd.get(key) is not None
    await until(lambda: observe.etcd.get(key), within=3 * nodes.LEASE_SECONDS, satisfied=is_none)
    await until(lambda: status(observe), within=10, satisfied="LOST".__eq__)


async def test_platform_survives_a_restart_of_etcd(private_cluster, user, observe):
    """A restarted etcd is found again. Restart it under a running session; everything registers anew and works."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    await private_cluster.restart("etcd")
    await until(lambda: registered(observe), within=15, satisfied=COMPONENTS.keys().__eq__)
    assert (await session.execute("6 * 7")).result == "42"
    second = await until(user.sessions.create, within=10, retry_on=(Refused,))
    await second.reaches("RUNNING", within=15)


@pytest.mark.links
async def test_what_an_emptied_etcd_does_not_know_is_not_lost(private_cluster, user, observe):
    """Behaviour 64: what etcd has lost is no loss of agents. Empty it while the agent cannot reach it; the session runs on, and an agent that is killed later is LOST."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    steps = observe.history(session.id)
    before = doubts(private_cluster)
    link = private_cluster.links.link("agent", "etcd")
    await link.set(Behaviour.severed())
    await private_cluster.kill("etcd")
    shutil.rmtree(private_cluster.place("etcd").directory / "data")
    await private_cluster.start("etcd")
    await until(
        lambda: doubts(private_cluster),
        within=10,
        satisfied=lambda count: count > before,
        describe="the manager to see that etcd does not know what it knew",
    )
    await link.restore()
    await until(lambda: registered(observe), within=10, satisfied=COMPONENTS.keys().__eq__)
    assert (await session.execute("6 * 7")).result == "42"
    second = await user.sessions.create()
    await second.reaches("RUNNING", within=10)
    assert observe.history(session.id) == steps
    await private_cluster.kill("agent")
    await until(lambda: status(observe), within=20, satisfied="LOST".__eq__)


async def test_key_that_is_no_text_keeps_nobody_from_finding_the_others(private_cluster, observe):
    """Behaviour 64: what is not understood is passed over. Put a key that is no UTF-8 among the agents, start the agent anew; it is found."""
    observe.etcd.put(nodes.AGENTS.encode() + b"\xff", b"\xff")
    await private_cluster.restart("agent")
    again = msgspec.json.decode(observe.etcd.get(nodes.AGENTS + "agent"))["instance"]
    await until(lambda: instance(observe), within=15, satisfied=again.__eq__)
    observe.etcd.delete(nodes.AGENTS.encode() + b"\xff")


def doubts(cluster) -> int:
    found: int = cluster.log("manager").read_bytes().count(b"registrations-doubted")
    return found


def instance(observe) -> str:
    found: str = observe.value("SELECT instance FROM agents")
    return found


def registered(observe) -> set[str]:
    return {name for name, prefix in COMPONENTS.items() if observe.etcd.below(prefix)}


def status(observe) -> str:
    return str(observe.value("SELECT status FROM agents"))


def is_none(value) -> bool:
    return value is None
