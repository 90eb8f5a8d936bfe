"""Sessions that run a command: what comes of it, what it wrote, and who may take it away. Inference sessions keep theirs up."""

import contextlib
import os
import signal

import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.client.request import Request
from shakeout.process import procfs
from shakeout.waiting.until import until

LIFE = [
    (None, "PENDING"),
    ("PENDING", "SCHEDULED"),
    ("SCHEDULED", "CREATING"),
    ("CREATING", "RUNNING"),
    ("RUNNING", "TERMINATING"),
    ("TERMINATING", "TERMINATED"),
]


async def batch(user, script, **given):
    """Ask for a batch session that runs a shell script."""
    return await user.sessions.create(type="batch", command=["sh", "-c", script], **given)


async def ended(session):
    """Wait for the end and return what is seen of it."""
    await session.reaches("TERMINATED", within=10)
    return await session.refresh()


@pytest.mark.parametrize(
    ("code", "result", "reason"), [(0, "SUCCESS", "task-finished"), (3, "FAILURE", "task-failed")]
)
async def test_batch_keeps_its_exit_code_and_ends_by_itself(user, observe, code, result, reason):
    """Behaviour 5: a command with exit code 0 succeeds, any other fails; the session ends. SQL, history, no process, no slot."""
    session = await batch(user, f"echo out; echo err >&2; exit {code}")
    view = await ended(session)
    assert (view.type, view.command[0]) == ("batch", "sh")
    assert (view.result, view.exit_code, view.reason) == (result, code, reason)
    assert view.detail == f"exited with code {code}"
    (row,) = observe.rows(
        "SELECT result, exit_code, reason FROM sessions WHERE id = %s", session.id
    )
    assert row == {"result": result, "exit_code": code, "reason": reason}
    assert observe.history(session.id) == LIFE
    assert (await session.history())[-1].cause == reason
    assert observe.slots_in_use(session.id) == (0, 0)
    assert observe.live_kernels(session.id) == []
    assert sorted((await session.logs()).split()) == ["err", "out"]


async def test_a_command_that_is_over_at_once_has_run_all_the_same(user, observe):
    """Behaviour 5: the shortest command takes every step. Ten of `true`; each has the whole history and SUCCESS."""
    sessions = [await user.sessions.create(type="batch", command=["true"]) for _ in range(10)]
    for session in sessions:
        assert (await ended(session)).result == "SUCCESS"
        assert observe.history(session.id) == LIFE


async def test_the_command_runs_inside_of_a_kernel(user, observe):
    """Behaviour 5: a command has its kernel's directory, environment, folder, limits. It writes them to the folder and lives on."""
    folder = await user.folders.create("results")
    session = await batch(
        user,
        "pwd > data/where; echo $COLOUR > data/colour; ulimit -v > data/memory; sleep 600",
        environment={"COLOUR": "green"},
        mounts={"data": folder},
        slots={"cpu": 1, "memory_mib": 192},
    )
    await until(lambda: observe.content(folder.id).get("memory"), within=10)
    kernel = observe.kernel(session.id)
    seen = observe.content(folder.id)
    assert seen["where"].decode() == f"{observe.scratch()[kernel]}/work\n"
    assert (seen["colour"], seen["memory"]) == (b"green\n", b"%d\n" % (192 * 1024))
    (shell, *_) = observe.kernel_pids(kernel)
    await session.terminate()
    view = await ended(session)
    assert (view.result, view.reason, view.exit_code) == ("FAILURE", "user-requested", None)
    assert not procfs.stat(shell)


async def test_a_command_killed_by_a_signal_fails_with_that_reason(user, observe):
    """Behaviour 5: no exit code is made up. SIGKILL the command; the session is a FAILURE whose detail names the signal."""
    session = await batch(user, "echo begun; exec sleep 600")
    await session.reaches("RUNNING", within=10)
    await until(session.logs, within=10, satisfied=lambda text: "begun" in text)
    command = observe.kernel_pids(observe.kernel(session.id))[-1]
    os.kill(command, signal.SIGKILL)
    view = await ended(session)
    assert (view.result, view.exit_code, view.reason) == ("FAILURE", None, "task-failed")
    assert view.detail == "killed by signal 9 (SIGKILL)"
    assert await session.logs() == "begun\n"


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["/no/such/program"], 127, "/no/such/program: No such file or directory\n"),
        (["/etc"], 126, "/etc: Permission denied\n"),
    ],
)
async def test_a_command_that_cannot_be_run_says_so(user, command, code, words):
    """Behaviour 5: a program that is missing is a failed task, told in its log, as in a shell."""
    session = await user.sessions.create(type="batch", command=command)
    view = await ended(session)
    assert (view.result, view.exit_code) == ("FAILURE", code)
    assert await session.logs() == words


async def test_what_a_command_wrote_is_kept_within_bounds(user, observe):
    """Behaviour 5: logs outlive the kernel and are bounded: write 3 MiB, NUL bytes too; the newest part is in the database."""
    session = await batch(user, "head -c 3000000 /dev/zero; echo the end")
    assert (await ended(session)).result == "SUCCESS"
    text = await session.logs()
    assert text.endswith("the end\n")
    assert len(text) <= 2**20
    assert observe.value("SELECT text FROM session_logs WHERE session_id = %s", session.id) == text


async def test_a_session_with_a_command_takes_no_code(user, observe):
    """A command is no interpreter. Execute in a batch session; refused, and the command goes on."""
    session = await batch(user, "exec sleep 600")
    await session.reaches("RUNNING", within=10)
    with pytest.raises(Refused) as refused:
        await session.execute("1")
    assert (refused.value.status, refused.value.code) == (409, "session-takes-no-code")
    assert observe.live_kernels(session.id)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"type": "batch"}, "command"),
        ({"type": "interactive", "command": ["ls"]}, "command"),
        ({"type": "batch", "command": [""]}, "command.0"),
        ({"type": "batch", "command": ["a", "b\0"]}, "command.1"),
        ({"type": "batch", "command": ["x"] * 257}, "command"),
        ({"type": "batch", "command": ["x" * 30_000] * 3}, "command"),
    ],
)
async def test_a_command_that_does_not_fit_is_refused(user, observe, given, field):
    """Bad input is refused before any effect. Each request names its field; no row is written."""
    before = observe.value("SELECT count(*) FROM sessions")
    with pytest.raises(Refused) as refused:
        await user.call(create(given), object)
    assert (refused.value.status, refused.value.field) == (400, field)
    assert observe.value("SELECT count(*) FROM sessions") == before


def create(given):
    """A request for a session as it is given."""
    return Request("POST", "/v1/sessions", body={"image": "python:3.11", **given})


async def test_the_result_survives_a_manager_that_is_away(private_cluster, user, observe):
    """Behaviour 5: nothing is lost when the manager dies in between. Kill it, let the command end, start it; all is there."""
    folder = await user.folders.create("gate")
    session = await batch(
        user,
        "until [ -e gate/open ]; do sleep 0.05; done; echo late; exit 7",
        mounts={"gate": folder},
    )
    await session.reaches("RUNNING", within=10)
    kernel = observe.kernel(session.id)
    await private_cluster.kill("manager")
    (observe.trees()[folder.id] / "open").touch()
    await until(lambda: observe.kernel_pids(kernel), within=10, satisfied=lambda pids: not pids)
    await private_cluster.start("manager")
    view = await ended(session)
    assert (view.result, view.exit_code, view.reason) == ("FAILURE", 7, "task-failed")
    assert await session.logs() == "late\n"


async def test_an_inference_session_without_its_command_has_ended(user, observe):
    """An inference session stands as long as its command. End it with code 0: TERMINATED, a failure, self-terminated."""
    session = await user.sessions.create(type="inference", command=["sh", "-c", "sleep 0.2"])
    view = await ended(session)
    assert (view.result, view.exit_code, view.reason) == ("FAILURE", 0, "self-terminated")
    idle = await user.sessions.create(type="inference")
    await idle.reaches("RUNNING", within=10)
    assert (await idle.execute("6 * 7")).result == "42"
    await idle.terminate()
    view = await ended(idle)
    assert (view.result, view.reason) == ("SUCCESS", "user-requested")


async def test_a_command_outlives_its_agent(private_cluster, user, observe):
    """Behaviour 5, complaint #4586 (batch killed on restart): kill the agent under a command, let that go on, start the agent.

    The same process goes on, its exit code is kept, and its log has what it wrote before, meanwhile and after.
    """
    folder = await user.folders.create("gate")
    script = (
        "echo before; until [ -e gate/meanwhile ]; do sleep 0.02; done; echo meanwhile; touch gate/seen;"
        " until [ -e gate/after ]; do sleep 0.02; done; echo after; exit 7"
    )
    session = await batch(user, script, mounts={"gate": folder})
    await session.reaches("RUNNING", within=10)
    await until(session.logs, within=10, satisfied=lambda text: "before" in text)
    pids = observe.kernel_pids(observe.kernel(session.id))
    await private_cluster.kill("agent")
    tree = observe.trees()[folder.id]
    (tree / "meanwhile").touch()
    await until(lambda: (tree / "seen").exists(), within=10)
    await private_cluster.start("agent")
    await until(lambda: logs_of(session), within=10, satisfied=lambda text: "meanwhile" in text)
    assert pids[0] in observe.kernel_pids(observe.kernel(session.id))
    (tree / "after").touch()
    view = await ended(session)
    assert (view.result, view.exit_code, view.reason) == ("FAILURE", 7, "task-failed")
    assert await session.logs() == "before\nmeanwhile\nafter\n"
    assert nothing_else(observe, session)


async def test_a_result_survives_manager_and_agent(private_cluster, user, observe):
    """Behaviour 5: end a command while both are away, then kill the agent once more before a manager looks. Result and log are there."""
    folder = await user.folders.create("gate")
    script = "echo early; until [ -e gate/open ]; do sleep 0.02; done; echo late"
    session = await batch(user, script, mounts={"gate": folder})
    await session.reaches("RUNNING", within=10)
    await until(session.logs, within=10, satisfied=lambda text: "early" in text)
    kernel = observe.kernel(session.id)
    await private_cluster.kill("manager")
    await private_cluster.kill("agent")
    (observe.trees()[folder.id] / "open").touch()
    await until(lambda: observe.kernel_pids(kernel), within=10, satisfied=lambda pids: not pids)
    for _ in range(2):
        await private_cluster.start("agent")
        await private_cluster.kill("agent")
    await private_cluster.start("agent")
    await private_cluster.start("manager")
    view = await ended(session)
    assert (view.result, view.exit_code, view.reason) == ("SUCCESS", 0, "task-finished")
    assert await session.logs() == "early\nlate\n"


async def logs_of(session):
    """What the session has written, or nothing while its agent cannot be asked."""
    with contextlib.suppress(Refused):
        return await session.logs()
    return ""


def nothing_else(observe, session):
    """Tell whether no slot and no process of the session is left."""
    return observe.slots_in_use(session.id) == (0, 0) and not observe.live_kernels(session.id)
