"""The name and the environment of a system that is worked with by hand."""

import pytest

from shakeout.hand import session
from shakeout.hand.state import MemberState


@pytest.mark.parametrize(
    ("taken", "name"),
    [([], "blue"), (["red"], "blue"), (["blue"], "blue-2"), (["blue-2", "blue"], "blue-3")],
)
def test_free_name_is_taken_by_nobody(taken, name):
    assert session.free_name("blue", taken) == name


def test_addresses_become_variables():
    members = (
        MemberState("agent-1", "ready", 1, "http://127.0.0.1:1", "/log"),
        MemberState("worker", "ready", 2, "", "/log"),
    )
    assert session.addresses(members) == {"AGENT_1_URL": "http://127.0.0.1:1"}
