"""Names of live sessions: one owner has each once, whoever asks at the same moment; and a session may be asked for again by its name."""

import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing.racing import at_once, split


async def test_a_conflict_names_the_session_that_has_the_name(user, other_user, observe):
    """Behaviour 12: a name is one live session's of one owner. Take it twice; another user may have it too; after the end it is free."""
    first = await user.sessions.create(name="mine")
    with pytest.raises(Refused) as refused:
        await user.sessions.create(name="mine")
    assert (refused.value.status, refused.value.code) == (409, "session-name-taken")
    assert (refused.value.field, first.id in refused.value.detail) == ("name", True)
    assert (await other_user.sessions.create(name="mine")).id != first.id
    await first.terminate()
    await first.reaches("TERMINATED", within=10)
    assert (await user.sessions.create(name="mine")).id != first.id
    assert named(observe, user) == 2


async def test_reuse_gives_the_same_session(user, observe):
    """Behaviour 12: with reuse the same id is returned, in whatever state. Ask three times; one row, one kernel, its state is kept."""
    first = await user.sessions.create(name="mine", reuse=True)
    assert (await user.sessions.create(name="mine", reuse=True)).id == first.id
    await first.reaches("RUNNING", within=10)
    await first.execute("x = 6 * 7")
    again = await user.sessions.create(name="mine", reuse=True)
    assert (again.id, again.view.status) == (first.id, "RUNNING")
    assert (await again.execute("x")).result == "42"
    assert named(observe, user) == 1
    assert len(observe.live_kernels(first.id)) == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"slots": {"cpu": 2}}, "slots.cpu"),
        ({"slots": {"memory_mib": 512}}, "slots.memory_mib"),
        ({"type": "inference"}, "type"),
        ({"type": "batch", "command": ["true"]}, "type"),
    ],
)
async def test_reuse_of_something_else_is_refused(user, observe, given, field):
    """Behaviour 12: a session that is made of something else is not as good. The refusal names what differs; nothing is written."""
    first = await user.sessions.create(name="mine")
    with pytest.raises(Refused) as refused:
        await user.sessions.create(name="mine", reuse=True, **given)
    assert (refused.value.code, refused.value.field) == ("session-name-taken", field)
    assert first.id in refused.value.detail
    assert named(observe, user) == 1


async def test_twenty_creators_of_one_name_make_one_session(user, observe):
    """Behaviour 12: a race has one winner. Twenty create at once, half of them with reuse: one row; who reuses gets its id."""
    outcomes = await at_once(
        lambda number: user.sessions.create(name="same", reuse=number % 2 == 0), times=20
    )
    made, refused = split(outcomes)
    assert len({session.id for session in made}) == 1
    assert set(refused) == {"session-name-taken"}
    assert len(made) >= 10
    assert named(observe, user) == 1


async def test_twenty_creators_with_reuse_all_get_the_one(user, observe):
    """Behaviour 12: with reuse nobody is refused. Twenty create at once, and again while the session is ended over and over."""
    made, refused = split(
        await at_once(lambda _: user.sessions.create(name="same", reuse=True), times=20)
    )
    assert (len({session.id for session in made}), refused) == (1, [])


async def test_reuse_needs_a_name(user, observe):
    """Bad input is refused before any effect. Ask to reuse a session without saying which."""
    with pytest.raises(Refused) as refused:
        await user.sessions.create(reuse=True)
    assert (refused.value.status, refused.value.field) == (400, "name")
    assert observe.value("SELECT count(*) FROM sessions WHERE owner_id = %s", user.id) == 0


async def test_cancelled_before_it_was_placed_is_never_placed(user, observe):
    """Behaviour 10: cancelling races with placement, and one of them wins. Forty at once: CANCELLED ones never had a kernel row or slots."""

    async def short_life(_):
        session = await user.sessions.create()
        await session.terminate()
        return session

    made = await at_once(short_life, times=40)
    assert len(made) == 40
    wrong = observe.rows(
        "SELECT s.id FROM sessions s JOIN session_history h ON h.session_id = s.id"
        " WHERE s.owner_id = %s AND s.status = 'CANCELLED'"
        " AND (h.kernel_id IS NOT NULL OR h.to_status = 'SCHEDULED')",
        user.id,
    )
    assert wrong == []


def named(observe, user):
    """How many sessions of a name the user has ever had."""
    return observe.value(
        "SELECT count(*) FROM sessions WHERE owner_id = %s AND name IS NOT NULL", user.id
    )
