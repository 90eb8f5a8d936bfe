"""What a declaration of a system accepts and refuses."""

import pytest

from shakeout.services.postgres import Postgres
from shakeout.services.redis import Redis
from shakeout.system.errors import Misdeclared, NameTaken, NameUnknown, OrderHasCycle
from shakeout.system.model import Component, Edge, HttpReady, System, Topology

APP = Component("app", call="app:main", edges=("postgres",), sockets=("http",))


def test_a_component_waits_for_the_services_among_its_edges():
    worker = Component("worker", argv=("true",), edges=("redis", "app.http"))
    system = System("s", services=(Postgres(), Redis()), components=(APP, worker))
    assert system.dependencies()["worker"] == {"redis"}
    assert system.edges == (
        Edge("app", "postgres"),
        Edge("worker", "redis"),
        Edge("worker", "app.http"),
    )


def test_components_may_call_each_other_without_an_order():
    left = Component("left", argv=("true",), sockets=("http",), edges=("right.http",))
    right = Component("right", argv=("true",), sockets=("http",), edges=("left.http",))
    assert System("s", components=(left, right)).dependencies()["left"] == frozenset()


def test_after_is_an_order_and_may_not_be_circular():
    one = Component("one", argv=("true",), after=("two",))
    two = Component("two", argv=("true",), after=("one",))
    with pytest.raises(OrderHasCycle):
        System("s", components=(one, two))


@pytest.mark.parametrize(
    ("component", "told"),
    [
        (Component("x", argv=("true",), edges=("postgre",)), "edge of x names 'postgre'"),
        (Component("x", argv=("true",), edges=("app.grpc",)), "known are app.http"),
        (Component("x", argv=("true",), after=("db",)), "after of x names 'db'"),
    ],
)
def test_an_unknown_name_is_told_with_the_known_ones(component, told):
    with pytest.raises(NameUnknown, match=told):
        System("s", services=(Postgres(),), components=(APP, component))


def test_a_name_is_given_once():
    with pytest.raises(NameTaken, match="'redis' is declared twice"):
        System("s", services=(Redis(),), components=(Component("redis", argv=("true",)),))


@pytest.mark.parametrize("how", [{}, {"call": "app:main", "argv": ("true",)}])
def test_a_component_is_either_called_or_executed(how):
    with pytest.raises(Misdeclared, match="say either call or argv"):
        Component("x", **how)


def test_readiness_names_a_socket_of_the_component():
    with pytest.raises(NameUnknown, match="readiness of x names 'http'"):
        Component("x", argv=("true",), ready=HttpReady("http", "/health"))


def test_readiness_may_name_a_port_that_the_component_binds_itself():
    ready = HttpReady("http", "/health")
    component = Component("x", argv=("true",), ports=("http",), sockets=("raw",), ready=ready)
    assert component.listens == ("raw", "http")


def test_a_name_is_of_a_socket_or_of_a_port():
    with pytest.raises(Misdeclared, match="x: 'http' is both a socket and a port"):
        Component("x", argv=("true",), sockets=("http",), ports=("http",))


def test_a_topology_overrides_the_declared_count():
    assert Topology().count(APP) == 1
    assert Topology.of(app=3).count(APP) == 3


def test_modules_of_called_functions_are_imported_too():
    system = System("s", services=(Postgres(),), components=(APP,), preload=("heavy", "app"))
    assert system.modules() == ("heavy", "app")
