"""Places of a whole cluster: names, ports, and who reaches whom at which address."""

import pytest

from shakeout.services.etcd import Etcd
from shakeout.services.postgres import Postgres
from shakeout.services.postgres_data import Database
from shakeout.system import plan
from shakeout.system.errors import Ambiguous, NameUnknown, NotDeclared
from shakeout.system.model import Component, System, Topology

SYSTEM = System(
    "s",
    services=(
        Postgres(databases=(Database("main"), Database("other"))),
        Etcd(optional=True),
    ),
    components=(
        Component(
            "app",
            argv=("true",),
            edges=("postgres", "agent.http"),
            sockets=("http",),
            ports=("raw",),
        ),
        Component("agent", argv=("true",), edges=("app",), sockets=("http",)),
    ),
)


@pytest.fixture
def places(tmp_path):
    """Places by name, for a topology; their ports are given back after the test."""
    made = []

    def decide(topology=None, wanted=frozenset()):
        ground = plan.Ground("c", tmp_path / "c", tmp_path)
        made.extend(plan.members(SYSTEM, topology or Topology(), ground, wanted))
        return {member.name: member for member in made}

    yield decide
    for member in made:
        member.release()


def test_one_replica_keeps_the_plain_name():
    assert plan.instances("agent", 1) == ((1, "agent"),)
    assert plan.instances("agent", 2) == ((1, "agent-1"), (2, "agent-2"))
    assert plan.instances("agent", 0) == ()


def test_a_place_reaches_its_edges_and_itself(places):
    app = places()["app"].place
    assert app.address("postgres") == app.address("postgres.main")
    assert app.address("postgres.other").startswith("postgresql://shakeout@/other?host=/")
    assert app.address("app.http") == f"http://127.0.0.1:{app.port('http')}"
    assert app.address("app.raw") == f"tcp://127.0.0.1:{app.port('raw')}"
    with pytest.raises(NotDeclared, match="app declares no edge to 'etcd'"):
        app.address("etcd")
    with pytest.raises(NotDeclared):
        app.port("grpc")


def test_an_edge_to_a_component_means_its_first_socket(places):
    members = places()
    agent = members["agent"].place
    assert agent.address("app") == members["app"].place.address("app.http")


def test_replicas_are_reached_together_or_by_name(places):
    members = places(Topology.of(agent=2))
    app = members["app"].place
    ports = [members[name].place.port("http") for name in ("agent-1", "agent-2")]
    assert app.addresses("agent.http") == tuple(f"http://127.0.0.1:{port}" for port in ports)
    assert app.address("agent-2.http") == f"http://127.0.0.1:{ports[1]}"
    with pytest.raises(Ambiguous, match=r"say agent-1.http or agent-2.http"):
        app.address("agent.http")


def test_nobody_is_reached_where_there_are_no_replicas(places):
    assert places(Topology.of(agent=0))["app"].place.addresses("agent.http") == ()


def test_services_reach_everybody_for_their_seeds(places):
    etcd = places()["etcd"].place
    assert etcd.address("postgres").startswith("postgresql://")
    assert etcd.address("app.http").startswith("http://")


def test_optional_services_are_needed_when_wanted(places):
    assert not places()["etcd"].needed


def test_wanted_services_exist(places):
    with pytest.raises(NameUnknown, match="the list of wanted services names 's4'"):
        places(wanted=frozenset({"s4"}))
