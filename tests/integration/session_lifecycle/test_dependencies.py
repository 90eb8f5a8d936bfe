"""Sessions that wait for others: they start when those have succeeded, and are cancelled as soon as one has failed. None is ever stuck."""

import pytest

from quarterdeck.client.errors import Refused, SessionEnded
from quarterdeck.testing.racing import at_once, split
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

CANCELLED = [(None, "PENDING"), ("PENDING", "CANCELLED")]


async def batch(user, script, *depends_on, **given):
    """Ask for a batch session that runs a shell script after others."""
    return await user.sessions.create(
        type="batch", command=["sh", "-c", script], depends_on=depends_on, **given
    )


async def ended(session, within=10):
    """Wait for the end, whatever it is, and return what is seen of the session."""
    try:
        await session.reaches("TERMINATED", within=within)
    except SessionEnded:
        assert (await session.refresh()).status == "CANCELLED"
    return await session.refresh()


async def test_a_session_starts_only_after_its_dependency_has_succeeded(user, observe):
    """Behaviour 14: B starts only after A is TERMINATED. Hold A by a file, look at B, let A go; compare their history rows."""
    folder = await user.folders.create("gate")
    first = await batch(
        user, "until [ -e gate/open ]; do sleep 0.02; done", mounts={"gate": folder}
    )
    second = await batch(user, "true", first)
    await first.reaches("RUNNING", within=10)
    other = await batch(user, "true")
    assert (await ended(other)).result == "SUCCESS"  # the scheduler has passed by
    assert (await second.refresh()).status == "PENDING"
    assert (await second.refresh()).depends_on == (first.id,)
    assert observe.kernel(second.id) is None
    (observe.trees()[folder.id] / "open").touch()
    assert (await ended(second)).result == "SUCCESS"
    over = observe.value(sequence("TERMINATED"), first.id)
    placed = observe.value(sequence("SCHEDULED"), second.id)
    assert over < placed


async def test_a_failure_cancels_what_waits_for_it_down_the_chain(user, observe):
    """Behaviour 14: A fails, so B is CANCELLED, and C that waits for B. Each says which session it waited for; none had a kernel."""
    first = await batch(user, "exit 3", name="first")
    second = await batch(user, "true", first)
    third = await batch(user, "true", second)
    views = [await ended(session) for session in (second, third)]
    assert [view.status for view in views] == ["CANCELLED"] * 2
    assert [(view.reason, view.result) for view in views] == [("dependency-failed", None)] * 2
    said = f"depends on session first ({first.id}), which is TERMINATED: exited with code 3"
    assert views[0].detail == said
    assert views[1].detail.startswith(f"depends on session {second.id}, which is CANCELLED: ")
    for session in (second, third):
        assert observe.history(session.id) == CANCELLED
        assert observe.kernel(session.id) is None
        assert (await session.history())[-1].actor == "dependencies"


async def test_a_diamond_waits_for_both_of_its_sides(user, observe):
    """Behaviour 14: D waits for B and C, which wait for A. All succeed in an order that history shows; then a diamond with one bad side."""
    top = await batch(user, "true")
    sides = [await batch(user, script, top) for script in ("true", "sleep 0.1")]
    bottom = await batch(user, "true", *sides)
    assert (await ended(bottom)).result == "SUCCESS"
    placed = observe.value(sequence("SCHEDULED"), bottom.id)
    assert all(observe.value(sequence("TERMINATED"), side.id) < placed for side in sides)
    good, bad = await batch(user, "true", top), await batch(user, "exit 1", top)
    bottom = await batch(user, "true", good, bad)
    view = await ended(bottom)
    assert (view.status, bad.id in view.detail) == ("CANCELLED", True)


async def test_a_dependency_that_has_ended_before_counts(user, observe):
    """Behaviour 14: what is over is over. Make sessions that wait for one that succeeded, one that failed, one that was cancelled."""
    good, bad = await batch(user, "true"), await batch(user, "false")
    gone = await user.sessions.create(slots={"cpu": 1000})
    await gone.terminate()
    for session, result in ((good, "SUCCESS"), (bad, "FAILURE"), (gone, None)):
        assert (await ended(session)).result == result
    assert (await ended(await batch(user, "true", good))).status == "TERMINATED"
    for session in (bad, gone):
        assert (await ended(await batch(user, "true", good, session))).status == "CANCELLED"


async def test_an_interactive_session_succeeds_when_its_user_ends_it(user, observe):
    """Behaviour 14: a session that somebody works in is done when that somebody says so. Its dependent runs; one killed by its code is none."""
    done, dead = await user.sessions.create(), await user.sessions.create()
    after_done, after_dead = await batch(user, "true", done), await batch(user, "true", dead)
    for session in (done, dead):
        await session.reaches("RUNNING", within=10)
    await done.terminate()
    with pytest.raises(Refused):
        await dead.execute("import os; os._exit(0)")
    assert (await ended(after_done)).result == "SUCCESS"
    assert (await ended(after_dead)).status == "CANCELLED"
    assert (await dead.refresh()).result == "FAILURE"


async def test_one_that_waits_can_be_cancelled(user, observe):
    """Behaviours 10 and 14: a session that waits for another is cancelled as any, and what waits for it with it."""
    first = await user.sessions.create()
    second = await batch(user, "true", first)
    third = await batch(user, "true", second)
    await second.terminate()
    assert (await ended(second)).reason == "user-requested"
    assert (await ended(third)).reason == "dependency-failed"


@pytest.mark.links
async def test_nobody_is_stuck_when_every_event_is_lost(private_cluster, user, observe):
    """Behaviour 14, complaint #5218 (`depend` stuck PENDING): cut manager and agent from Redis, change A in the database behind the manager's back."""
    for component in ("manager", "agent"):
        await private_cluster.links.link(component, "redis").set(Behaviour.severed())
    first = await batch(user, "true")
    assert (await ended(await batch(user, "true", first))).result == "SUCCESS"
    waits = await user.sessions.create(slots={"cpu": 1000})
    second = await batch(user, "true", waits)
    observe.database.execute(
        "UPDATE sessions SET status = 'CANCELLED', status_cause = 'sql', status_actor = 'sql' WHERE id = %s",
        [waits.id],
    )
    view = await ended(second)
    assert (view.status, view.reason) == ("CANCELLED", "dependency-failed")


async def test_many_dependents_of_one_end_with_it(user, observe):
    """Behaviour 14: many that wait for one are cancelled together, in a race with users who cancel some of them. All end, none ran."""
    first = await batch(user, "sleep 0.3; exit 1")
    made, _ = split(await at_once(lambda _: batch(user, "true", first), times=60))
    await at_once(lambda number: made[number].terminate(), times=20)
    await until(user.sessions.list, satisfied=lambda live: not live, within=10)
    counts = observe.rows(
        "SELECT status, reason, count(*)::int AS n FROM sessions WHERE depends_on = ARRAY[%s::uuid] GROUP BY 1, 2",
        first.id,
    )
    assert {row["status"] for row in counts} == {"CANCELLED"}
    assert sum(row["n"] for row in counts) == 60


@pytest.mark.parametrize("kind", ["unknown", "another's", "twice", "too many", "no id"])
async def test_dependencies_that_cannot_be_are_refused(user, other_user, observe, kind):
    """Bad input is refused before any effect. Wait for a session that is not there, not one's own, given twice; the field is named."""
    own, others = await user.sessions.create(), await other_user.sessions.create()
    unknown = "0198c0de-0000-7000-8000-00000000abcd"
    wanted, problem = {
        "unknown": ([own.id, unknown], (404, "session-not-found", "depends_on.1")),
        "another's": ([others.id], (404, "session-not-found", "depends_on.0")),
        "twice": ([own.id, own.id], (400, "invalid-field", "depends_on.1")),
        "too many": ([unknown] * 33, (400, "invalid-field", "depends_on")),
        "no id": (["first"], (400, "invalid-field", "depends_on.0")),
    }[kind]
    before = observe.value("SELECT count(*) FROM sessions")
    with pytest.raises(Refused) as refused:
        await batch(user, "true", *wanted)
    assert (refused.value.status, refused.value.code, refused.value.field) == problem
    assert observe.value("SELECT count(*) FROM sessions") == before


def sequence(status):
    """The question for the place in history at which a session came to a status."""
    return (
        "SELECT seq FROM session_history WHERE session_id = %s AND kernel_id IS NULL"
        f" AND to_status = '{status}'"
    )
