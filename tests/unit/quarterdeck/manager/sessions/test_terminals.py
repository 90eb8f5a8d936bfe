"""Terminals from the manager's side: an agent that does not answer is not waited for."""

import asyncio
from typing import Any

import pytest

from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.sessions import errors, terminals
from quarterdeck.manager.sessions.executions import At
from quarterdeck.wire.terminals import Size
from quarterdeck.wire.users import Role

AT = At(Principal("ada", Role.USER), "s")


class Silent:
    """An agent that takes calls and never answers, and what finds it."""

    async def call(self, *_):
        await asyncio.Event().wait()

    async def kernel(self, _):
        return "http://a", "k"


@pytest.fixture
def service(monkeypatch):
    """Terminals on it."""
    monkeypatch.setattr(terminals, "CALL_SECONDS_MAX", 0.01)
    silent: Any = Silent()
    return terminals.TerminalService(silent, silent, silent, silent)


async def test_terminal_that_may_have_been_opened_is_not_known(service):
    with pytest.raises(errors.AgentUnsure):
        await service.open(AT, "a", Size(80, 24))


async def test_terminal_that_may_have_been_closed_is_not_known(service):
    with pytest.raises(errors.AgentUnsure):
        await service.close(AT, "a")
