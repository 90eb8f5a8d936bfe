"""The list of agents over fakes: whoever is registered is alive, whoever has to know is told, only administrators look."""

from datetime import UTC, datetime

import pytest

from quarterdeck.manager.agents.errors import AgentNotFound
from quarterdeck.manager.agents.ports import Registered
from quarterdeck.manager.agents.service import AgentService
from quarterdeck.manager.identity.errors import Forbidden
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire.agents import AgentDrain, AgentRecord, AgentStatus, AgentView
from quarterdeck.wire.sessions import Slots, Usage
from quarterdeck.wire.users import Role

RECORD = AgentRecord(id="a", instance="1", address="http://a", slots=Slots())


VIEW = AgentView(
    id="a",
    status=AgentStatus.ALIVE,
    address="http://a",
    slots=Slots(),
    used=Usage(),
    schedulable=False,
    instance="1",
    seen_at=datetime(2026, 1, 1, tzinfo=UTC),
)


class Registry:
    """Registrations, one list after the other; what is heard of a list may be late."""

    def __init__(self, *lists):
        self.lists = lists
        self.now = lists[-1]

    async def watch(self):
        for records in self.lists:
            self.now = records
            yield records

    async def current(self):
        return Registered(self.now)


class Table:
    """The port `Agents`: who is alive. `meanwhile` happens while a caller waits for its turn."""

    def __init__(self, meanwhile=lambda: None):
        self.alive = {}
        self.acts = []
        self.meanwhile = meanwhile

    async def sync(self, read):
        self.meanwhile()
        before, self.alive = self.alive, {record.id: record for record in (await read()).records}
        return sorted(
            each
            for each in before.keys() | self.alive.keys()
            if before.get(each) != self.alive.get(each)
        )

    async def list(self):
        return []

    async def drain(self, id_, deadline_seconds):
        return self._act(("drain", id_, deadline_seconds))

    async def resume(self, id_):
        return self._act(("resume", id_))

    def _act(self, what):
        self.acts.append(what)
        return VIEW if what[1] == "a" else None


class Concerned:
    """Somebody who has to know."""

    def __init__(self):
        self.told = []

    def agents_changed(self, ids):
        self.told.append(list(ids))


async def test_everybody_concerned_is_told_who_came_and_went():
    first, second = Concerned(), Concerned()
    await AgentService(Table(), Registry([RECORD], [RECORD], []), (first, second)).follow()
    assert first.told == second.told == [["a"], ["a"]]


async def test_resync_mends_what_was_not_heard():
    table, concerned = Table(), Concerned()
    await AgentService(table, Registry([RECORD]), (concerned,)).resync()
    assert list(table.alive) == ["a"]
    assert concerned.told == [["a"]]


async def test_agent_that_comes_while_one_waits_to_write_is_not_lost():
    """What was read before the turn came is older than what others have written meanwhile."""
    registry = Registry([])
    table = Table(meanwhile=lambda: setattr(registry, "now", [RECORD]))
    await AgentService(table, registry, ()).resync()
    assert list(table.alive) == ["a"]


async def test_agents_are_shown_to_administrators_only():
    service = AgentService(Table(), Registry([]), ())
    assert list(await service.list(Principal("root", Role.ADMIN))) == []
    with pytest.raises(Forbidden):
        await service.list(Principal("ada", Role.USER))


async def test_agents_are_drained_by_administrators_and_schedulers_hear_of_the_return():
    table, concerned = Table(), Concerned()
    service = AgentService(table, Registry([]), (concerned,))
    root = Principal("root", Role.ADMIN)
    assert await service.drain(root, "a", AgentDrain(deadline_seconds=5)) == VIEW
    assert concerned.told == []
    assert await service.resume(root, "a") == VIEW
    assert concerned.told == [["a"]]
    assert table.acts == [("drain", "a", 5), ("resume", "a")]
    with pytest.raises(Forbidden):
        await service.drain(Principal("ada", Role.USER), "a", AgentDrain())
    assert len(table.acts) == 2


@pytest.mark.parametrize("unknown", ["b", "a\0", "a" * 256])
async def test_an_agent_that_is_not_there_cannot_be_drained(unknown):
    service = AgentService(Table(), Registry([]), ())
    for act in (
        service.drain(Principal("root", Role.ADMIN), unknown, AgentDrain()),
        service.resume(Principal("root", Role.ADMIN), unknown),
    ):
        with pytest.raises(AgentNotFound):
            await act
