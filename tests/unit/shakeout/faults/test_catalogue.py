"""The catalogue: which faults a member can have, by what it is, what it declares and what it can do."""

import types
from typing import Any

import pytest

from shakeout.faults import catalogue
from shakeout.faults.catalogue import CATALOGUE
from shakeout.faults.service import Flush
from shakeout.system.model import Component, Edge
from shakeout.system.progress import State
from shakeout.system.runner import ComponentRunner


class Cellar:
    """A service of somebody else's, which can be flushed."""

    def __init__(self):
        self.barrels = {"wine"}

    async def put_mark(self, _place):
        self.barrels.add("mark")

    async def has_mark(self, _place):
        return "mark" in self.barrels

    async def flush(self, _place):
        self.barrels.clear()


def member(name, runner, *, running=True, leases=()):
    place = types.SimpleNamespace(kind=name)
    state = State.READY if running else State.IDLE
    return types.SimpleNamespace(
        name=name,
        runner=runner,
        place=place,
        running=running,
        state=state,
        condition=f"is {state}",
        leases=leases,
    )


def cluster_of(*members, edges=()) -> Any:
    found = {one.name: one for one in members}
    system = types.SimpleNamespace(name="house", edges=edges)
    return types.SimpleNamespace(
        members=found, member=found.__getitem__, system=system, links=None, disks=None
    )


COOK = ComponentRunner(Component("cook", argv=("cook",), clock=True), {})
HOUSE = cluster_of(
    member("cellar", Cellar()),
    member("cook", COOK, leases=("http",)),
    member("attic", Cellar(), running=False),
    edges=(Edge("cook", "cellar"),),
)


def reason(fault, name):
    return catalogue.kind(fault).reason(HOUSE, name)


def test_names_are_unique():
    names = [kind.name for kind in CATALOGUE]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", CATALOGUE, ids=lambda kind: kind.name)
def test_kind_makes_faults_of_its_name_and_target(kind):
    for fault in kind.make(HOUSE, "cook"):
        assert fault.name == kind.name
        assert fault.targets[0] == "cook"


def test_unknown_name_tells_the_known_ones():
    with pytest.raises(KeyError, match="no fault 'mutiny'; known are kill, restart"):
        catalogue.kind("mutiny")


@pytest.mark.parametrize(
    ("fault", "name", "expected"),
    [
        ("kill", "cook", ""),
        ("kill", "attic", "attic does not run, it is idle"),
        ("flush", "cellar", ""),
        ("flush", "cook", "what it holds cannot be made again"),
        ("lease-loss", "cellar", "it grants no leases"),
        ("read-only", "cellar", "it has no read-only mode"),
        ("exhaustion", "cook", ""),
        ("exhaustion", "cellar", "it takes no connections"),
        ("clock-jump", "cook", ""),
        ("clock-jump", "cellar", "it is a service, and reads the machine's clock"),
        ("disk-full", "cook", "it declares no disk"),
        ("cut", "cellar", "it calls nobody: its links are those of its callers"),
    ],
)
def test_reason_says_why_a_fault_does_not_apply(fault, name, expected):
    assert reason(fault, name) == expected


def test_link_fault_needs_links():
    assert "links" in reason("cut", "cook")


def test_cells_are_all_faults_of_all_members_that_run():
    cells = catalogue.cells(HOUSE)
    assert {cell.member for cell in cells} == {"cellar", "cook"}
    assert len(cells) == 2 * len(CATALOGUE)


async def test_service_of_somebody_else_joins_by_its_methods():
    house = cluster_of(member("cellar", cellar := Cellar()))
    (fault,) = catalogue.kind("flush").faults(house, "cellar")
    assert isinstance(fault, Flush)
    await fault.inject(house)
    assert cellar.barrels == set()
    assert await fault.missing_effect(house) == ""
