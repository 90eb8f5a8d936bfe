"""The list of agents over fakes: whoever is registered is alive, whoever has to know is told, only administrators look."""

import pytest

from quarterdeck.manager.agents.service import AgentService
from quarterdeck.manager.identity.errors import Forbidden
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire.agents import AgentRecord
from quarterdeck.wire.sessions import Slots
from quarterdeck.wire.users import Role

RECORD = AgentRecord(id="a", instance="1", address="http://a", slots=Slots())


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
        return self.now


class Table:
    """The port `Agents`: who is alive. `meanwhile` happens while a caller waits for its turn."""

    def __init__(self, meanwhile=lambda: None):
        self.alive = {}
        self.meanwhile = meanwhile

    async def sync(self, read):
        self.meanwhile()
        before, self.alive = self.alive, {record.id: record for record in await read()}
        return sorted(
            each
            for each in before.keys() | self.alive.keys()
            if before.get(each) != self.alive.get(each)
        )

    async def list(self):
        return []


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
