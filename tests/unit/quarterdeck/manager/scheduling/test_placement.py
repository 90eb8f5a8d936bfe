"""Placement is a pure decision: order, choice of agent, and never more than is free."""

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.manager.scheduling import model
from quarterdeck.wire.sessions import IsolationLevel, Slots, Usage


def waiting(name, cpu=1, memory_mib=100, size=1):
    return model.Waiting(name, Slots(cpu, memory_mib), size)


def room(name, cpu=4, memory_mib=4000):
    return model.Room(name, Usage(cpu, memory_mib))


def placed(sessions, rooms):
    return [(each.session, *each.agents) for each in model.place(model.Facts(sessions, rooms))]


def fits(session, rooms):
    """Tell by counting, agent by agent, whether all kernels of a session have room."""
    slots = session.slots
    counts = (
        min(each.free.cpu // slots.cpu, each.free.memory_mib // slots.memory_mib) for each in rooms
    )
    return sum(counts) >= session.size


def test_oldest_is_placed_first_when_there_is_room_for_one():
    assert placed([waiting("old"), waiting("new")], [room("a", cpu=1)]) == [("old", "a")]


def test_agent_with_most_free_cores_is_chosen():
    assert placed([waiting("s")], [room("a", cpu=2), room("b", cpu=3)]) == [("s", "b")]


def test_machine_that_cannot_run_the_image_gets_nothing():
    """Behaviour 27, the decision."""
    arm = model.Waiting("s", Slots(1, 100), architectures=("arm64", "riscv64"))
    rooms = [room("old", cpu=9), *(model.Room(one, Usage(4, 4000), one) for one in ("amd64", ""))]
    assert placed([arm], rooms) == []
    assert placed([arm], [*rooms, model.Room("arm", Usage(1, 100), "arm64")]) == [("s", "arm")]
    assert placed([waiting("any")], rooms) == [("any", "old")]


def test_agent_that_cannot_keep_it_apart_or_mount_gets_nothing():
    """Room is not all. Want namespaces, and mounts; only the agent that has both will do, however little room it has."""
    apart = model.Waiting("s", Slots(1, 100), isolation=IsolationLevel.NAMESPACED, mounts=True)
    wrong = [
        model.Room("plain", Usage(9, 4000)),
        model.Room("bare", Usage(9, 4000), isolation=IsolationLevel.OCI, mounts=False),
    ]
    right = model.Room("right", Usage(1, 100), isolation=IsolationLevel.NAMESPACED)
    assert placed([apart], wrong) == []
    assert placed([apart], [*wrong, right]) == [("s", "right")]
    in_an_image = model.Waiting("s", Slots(1, 100))
    assert placed([in_an_image], wrong) == [("s", "bare")]


def test_equal_agents_are_chosen_by_memory_then_by_id():
    rooms = [room("b"), room("a"), room("c", memory_mib=5000)]
    assert placed([waiting("s")], rooms) == [("s", "c")]
    assert placed([waiting("s")], rooms[:2]) == [("s", "a")]


def test_sessions_spread_over_agents():
    sessions = [waiting(str(number)) for number in range(4)]
    assert [agent for _, agent in placed(sessions, [room("a"), room("b")])] == ["a", "b", "a", "b"]


def test_session_that_fits_nowhere_is_passed_over():
    assert placed([waiting("big", cpu=8), waiting("small")], [room("a")]) == [("small", "a")]


def test_memory_counts_like_cores():
    assert placed([waiting("s", memory_mib=5000)], [room("a")]) == []


def test_nothing_is_placed_without_agents():
    assert placed([waiting("s")], []) == []


def test_cluster_is_spread_over_agents():
    assert placed([waiting("s", size=3)], [room("a"), room("b")]) == [("s", "a", "b", "a")]


def test_cluster_is_placed_whole_or_not_at_all():
    rooms = [room("a", cpu=2), room("b", cpu=2)]
    assert placed([waiting("s", size=5), waiting("t", size=4)], rooms) == [
        ("t", "a", "b", "a", "b")
    ]


def test_cluster_that_does_not_fit_takes_no_room():
    assert placed([waiting("s", cpu=3, size=2), waiting("t", cpu=4)], [room("a")]) == [("t", "a")]


small = st.integers(1, 6)


@given(
    st.lists(st.tuples(small, st.integers(16, 600), st.integers(1, 4)), max_size=12),
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 1000)), max_size=4),
)
def test_placement_uses_no_more_than_is_free_and_leaves_nothing_that_fits(wishes, free):
    sessions = [waiting(str(at), *wish) for at, wish in enumerate(wishes)]
    rooms = {str(at): room(str(at), *each) for at, each in enumerate(free)}
    placements = model.place(model.Facts(sessions, list(rooms.values())))
    sizes = {each.session: each.size for each in sessions}
    for placement in placements:
        assert len(placement.agents) == sizes[placement.session]
        for agent in placement.agents:
            assert rooms[agent].fits(placement.slots)
            rooms[agent] = rooms[agent].after(placement.slots)
    names = [placement.session for placement in placements]
    left = [session for session in sessions if session.session not in names]
    assert len(set(names)) == len(names)
    assert not any(fits(session, rooms.values()) for session in left)
