"""A database that goes away in the middle of the work: what was told is true, nothing is made twice, everything comes to an end."""

import asyncio
from functools import partial

import pytest

from quarterdeck.client.errors import ClientError, OutcomeUnknown, Refused
from quarterdeck.testing.invariants import Invariants
from shakeout.waiting.until import until

SESSIONS = 40
SECONDS_MAX = 60
ANSWERED_SECONDS_MAX = 20
"""Nobody waits for the deadline of requests, which is 45 seconds."""
MANAGERS_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'manager-%%'"
MADE = "SELECT id::text, status, result FROM sessions WHERE environment ->> 'NUMBER' = %s"
KERNELS = "SELECT session_id FROM kernels GROUP BY session_id HAVING count(*) > 1"


async def terminated(cluster, observe):
    """End all connections of the manager."""
    observe.rows(MANAGERS_END)


async def killed(cluster, observe):
    """Kill the database and start it again."""
    observe.database.close()
    await cluster.kill("postgres")
    await cluster.start("postgres")


@pytest.mark.allows_log("terminating connection|the database system", reason="the test ends them")
@pytest.mark.parametrize(("outage", "times"), [(terminated, 15), (killed, 3)])
async def test_sessions_are_made_once_through_outages(
    private_cluster, user, observe, outage, times
):
    """Behaviour 62: every session converges. Ask for forty commands while the database fails again and again, then count them."""
    told: dict[int, object] = {}

    async def ask(number):
        try:
            made = await user.sessions.create(
                type="batch",
                command=["true"],
                environment={"NUMBER": str(number)},
                slots={"cpu": 1, "memory_mib": 64},
            )
            told[number] = made.id
        except ClientError as error:
            told[number] = error

    async with asyncio.TaskGroup() as group:
        for turn in range(times):
            share = range(turn, SESSIONS, times)
            tasks = [group.create_task(ask(number)) for number in share]
            await outage(private_cluster, observe)
            await until(partial(all_done, tasks), within=ANSWERED_SECONDS_MAX)
    await until(
        lambda: observe.value("SELECT count(*) FROM sessions WHERE status <> 'TERMINATED'"),
        satisfied=lambda left: left == 0,
        within=SECONDS_MAX,
    )
    for number, outcome in told.items():
        rows = observe.rows(MADE, str(number))
        assert len(rows) <= 1, (number, outcome, rows)
        assert made_as_told(outcome, rows), (number, outcome, rows)
        assert all(row["result"] == "SUCCESS" for row in rows), rows
    assert observe.rows(KERNELS) == []
    assert observe.slots_in_use() == (0, 0)
    judge = Invariants(private_cluster)
    await until(judge.snapshot, satisfied=lambda broken: not broken, within=SECONDS_MAX)


def all_done(tasks):
    return all(task.done() for task in tasks)


def made_as_told(outcome, rows):
    """Whether the rows are what the client was told: nothing after a refusal, this session after an answer, either if it is not known."""
    if isinstance(outcome, Refused) and outcome.code != "outcome-unknown":
        return rows == []
    if isinstance(outcome, (Refused, OutcomeUnknown)):
        return True
    return [row["id"] for row in rows] == [outcome]
