"""`qd session` as people use it: the real program in a real terminal of 80 columns, on a real cluster."""

import hashlib
import json
import os
import re
import shlex
import signal

import pytest

from quarterdeck.testing import system
from shakeout.faults import lifecycle
from shakeout.faults.process import Kill

BOTH = 'echo "$1"; echo oops >&2; exit 3'
STUBBORN = """
print("begun", flush=True)
while True:
    try:
        x = 0
        while True: x += 1
    except KeyboardInterrupt:
        print("never mind", flush=True)
"""
WORDY = """
import itertools, time
for n in itertools.count():
    print(n, flush=True)
    time.sleep(0.01)
"""
SLOW = "for n in 1 2 3; do echo line $n; sleep 0.3; done"


async def test_create_waits_and_tells_how_far_it_is(qd, observe):
    """Standard output has the id and nothing else; the rest is for whoever looks on."""
    async with qd.terminal("session", "create", "python:3.11", "--name", "fit", "--wait") as seen:
        assert await seen.ended() == 0
    assert re.search(r"fit is RUNNING after \d", seen.text)
    assert max(map(len, seen.text.splitlines())) <= 80
    created = await qd("session", "create", "python:3.11", "--wait")
    assert re.fullmatch(r"[0-9a-f-]{36}\n", created.stdout)
    assert created.stderr == ""
    assert observe.value("SELECT status FROM sessions WHERE id = %s", created.stdout.strip())


async def test_create_that_waits_in_vain_says_what_to_do(qd, observe):
    """Time that is up is no riddle. Ask for more than there is, shortly; then leave by Ctrl-C: the session waits on."""
    wanted = ("session", "create", "python:3.11", "--name", "big", "--cpu", "1000", "--wait")
    late = await qd(*wanted, "--within", "0.2s", check=False)
    assert late.code == 1
    assert "big is not RUNNING within 0.2 s" in late.stderr
    assert "qd session show" in late.stderr
    await qd("session", "rm", "big")
    async with qd.terminal(*wanted) as seen:
        await seen.shows("big: PENDING")
        seen.interrupts()
        assert await seen.ended() == 130
    assert "it goes on: qd session watch big" in seen.text
    assert observe.value("SELECT count(*) FROM sessions WHERE status = 'PENDING'") == 1


async def test_ls_fits_the_terminal_and_is_coloured_only_there(qd, session):
    """A table is for people, ids and JSON are for programs. The same list in a terminal, without colours, in a pipe."""
    await qd("session", "create", "python:3.11", "--name", "x" * 40, "--cpu", "1000")
    async with qd.terminal("session", "ls") as seen:
        assert await seen.ended() == 0
    assert "\x1b[32mRUNNING" in seen.raw
    assert "\x1b[33mPENDING" in seen.raw
    assert max(map(len, seen.text.splitlines())) <= 80
    async with qd.terminal("session", "ls", NO_COLOR="1") as plain:
        assert await plain.ended() == 0
    assert "\x1b" not in plain.raw
    piped = await qd("session", "ls")
    assert "\x1b" not in piped.stdout
    assert piped.stdout.splitlines()[0].split()[:3] == ["ID", "NAME", "STATUS"]
    ids = (await qd("session", "ls", "-q")).stdout.split()
    listed = (await qd("session", "ls", "--json")).json
    assert ids == [each["id"] for each in listed]
    assert (await qd("session", "ls", "-q", "--status", "running")).stdout.split() == [session.id]


async def test_session_is_addressed_by_part_of_its_id(qd, user, session):
    """Nobody types 36 digits. The end that `ls` shows, the beginning, and a beginning that several have."""
    (_, row) = (await qd("session", "ls")).stdout.splitlines()
    shown = await qd("session", "show", row.split()[0], "--json")
    assert shown.json["id"] == session.id
    assert (await qd("session", "show", session.id[:20], "--json")).json["id"] == session.id
    await user.sessions.create()
    several = await qd("session", "show", session.id[:8], check=False)
    assert several.code == 1
    assert session.id[-8:] in several.stderr
    assert "type more of the id" in several.stderr


async def test_show_tells_why_and_what_it_went_through(qd, session):
    """Why a session waits or has ended stands on top, in words, and below it how long each step took."""
    batch = ("session", "create", "python:3.11", "--name", "b", "--", "sh", "-c", "exit 3")
    await qd(*batch)
    watched = await qd("session", "watch", "b", check=False)
    assert watched.code == 1
    first, second, *_ = (await qd("session", "show", "b")).stdout.splitlines()
    assert first.startswith("b  FAILURE 3, ")
    assert "its command has failed" in second
    await qd("session", "create", "python:3.11", "--name", "big", "--cpu", "1000")
    first, second, third, *_ = (await qd("session", "show", "big")).stdout.splitlines()
    assert first.startswith("big  PENDING for ")
    assert second.startswith("  fits on no agent: wants 1000 cores")
    assert "qd session cancel big" in third
    shown = (await qd("session", "show", session.id)).stdout
    assert re.search(r"RUNNING +\d\d:\d\d:\d\d\.\d{3}  [\d.]+ m?s", shown)
    assert max(map(len, shown.splitlines())) <= 80


async def test_watch_follows_to_the_end(qd, user):
    """Nobody refreshes by hand. Watch one session, end it: each state is a line, and the program ends by itself."""
    session = await user.sessions.create(name="w")
    async with qd.terminal("session", "watch", "w") as seen:
        await seen.shows("RUNNING")
        await session.terminate()
        assert await seen.ended() == 0
    states = [line.split()[1] for line in seen.text.splitlines() if line[:2].isdigit()]
    assert states == [
        *("PENDING", "SCHEDULED", "CREATING", "RUNNING"),
        *("TERMINATING", "TERMINATED"),
    ]
    assert seen.text.splitlines()[-1].endswith("ended on request")
    late = await qd("session", "watch", "w", "--json")
    assert json.loads(late.stdout.splitlines()[-1])["to_status"] == "TERMINATED"


async def test_watch_of_all_sessions_goes_on_until_it_is_left(qd, user):
    """One window for everything. Watch all, make a session, leave by Ctrl-C."""
    async with qd.terminal("session", "watch") as seen:
        await seen.shows("Ctrl-C leaves")
        await user.sessions.create(name="seen")
        await seen.shows("(seen)")
        await seen.shows("RUNNING")
        seen.interrupts()
        assert await seen.ended() == 130


async def test_rm_of_several_waits_until_nothing_is_left(qd, user, observe):
    """What can be ended is ended. Remove two and one that is not there, with --wait."""
    for name in ("a", "b"):
        await qd("session", "create", "python:3.11", "--name", name, "--wait")
    ran = await qd("session", "rm", "a", "nobody", "b", "--wait", check=False)
    assert ran.code == 1
    assert ran.stdout == "a  TERMINATED\nb  TERMINATED\n"
    assert "no session of yours has the name or id 'nobody'" in ran.stderr
    assert observe.slots_in_use() == (0, 0)
    assert observe.live_kernels() == []


async def test_rm_by_force_ends_at_once(private_cluster, qd, user, observe):
    """Nobody waits for an agent that does not answer. Stop the agent under a session, remove it by force; its slots are free."""
    session = await user.sessions.create(name="stuck")
    await session.reaches("RUNNING", within=10)
    os.kill(private_cluster.process("agent").pid, signal.SIGSTOP)
    try:
        assert (await qd("session", "rm", "stuck", "--force")).stdout == "stuck  TERMINATED\n"
        assert observe.slots_in_use(session.id) == (0, 0)
    finally:
        os.kill(private_cluster.process("agent").pid, signal.SIGCONT)


async def test_cancel_is_for_sessions_that_wait(qd, session, observe):
    """A slip of the hand ends no work. Cancel one that waits, and one that runs."""
    await qd("session", "create", "python:3.11", "--name", "big", "--cpu", "1000")
    assert (await qd("session", "cancel", "big")).stdout == "big  CANCELLED\n"
    refused = await qd("session", "cancel", session.id, check=False)
    assert refused.code == 1
    assert "is RUNNING already" in refused.stderr
    assert observe.value("SELECT status FROM sessions WHERE id = %s", session.id) == "RUNNING"


async def test_exec_passes_streams_and_failures_on(qd, session):
    """A command is as good as one on this machine: its output, its errors, its exit code."""
    ran = await qd("session", "exec", session.id, "-c", "print(6 * 7)")
    assert (ran.code, ran.stdout, ran.stderr) == (0, "42\n", "")
    failed = await qd("session", "exec", session.id, "-c", "1 / 0", check=False)
    assert failed.code == 1
    assert "ZeroDivisionError" in failed.stderr
    piped = await qd("session", "exec", session.id, stdin="print('from stdin')")
    assert piped.stdout == "from stdin\n"


async def test_exec_of_a_command_is_as_good_as_here(qd, session):
    """Arguments, both streams, the exit code, and standard input: binary, and as long as it may be."""
    ran = await qd("session", "exec", session.id, "--", "sh", "-c", BOTH, "sh", "a b", check=False)
    assert (ran.code, ran.stdout, ran.stderr) == (3, "a b\n", "oops\n")
    data = "".join(chr(33 + number % 90) for number in range(100_000))
    counted = await qd("session", "exec", session.id, "--", "sha256sum", stdin=data)
    assert counted.stdout.split()[0] == hashlib.sha256(data.encode()).hexdigest()
    failed = await qd(
        "session", "exec", session.id, "--", "sh", "-c", "exit 7", stdin="x", check=False
    )
    assert failed.code == 7
    longer = await qd("session", "exec", session.id, "--", "cat", stdin="x" * 200_000, check=False)
    assert longer.code == 125
    assert "put it into a folder" in longer.stderr
    missing = await qd("session", "exec", session.id, "--", "no-such-program", check=False)
    assert missing.code == 127


async def test_exec_shows_output_as_it_comes_and_passes_answers_on(qd, session):
    """Nobody waits for the end to see the beginning. Code prints, asks, and prints the answer, in a terminal."""
    code = "print('first'); name = input('name? '); print('hello', name)"
    async with qd.terminal("session", "exec", session.id, "-c", code) as seen:
        await seen.shows("first")
        await seen.shows("name? ")
        seen.types("Ada\n")
        await seen.shows("hello Ada")
        assert await seen.ended() == 0


async def test_first_interrupt_is_for_the_code_and_second_for_qd(qd, session):
    """Ctrl-C does what one hopes. Interrupt an endless loop: it ends, the session lives; leave one that will not be interrupted."""
    loop = "import os; os.write(1, b'begun\\n')\nwhile True: pass"
    async with qd.terminal("session", "exec", session.id, "-c", loop) as seen:
        await seen.shows("begun")
        seen.interrupts()
        assert await seen.ended() == 130
    assert "KeyboardInterrupt" in seen.text
    assert (await session.execute("6 * 7")).result == "42"
    async with qd.terminal("session", "exec", session.id, "-c", STUBBORN) as seen:
        await seen.shows("begun")
        seen.interrupts()
        await seen.shows("never mind")
        seen.interrupts()
        assert await seen.ended() == 130
    assert "it goes on in" in seen.text


@pytest.mark.parametrize("code", [WORDY, "import time; print(0, flush=True); time.sleep(600)"])
async def test_exec_that_nobody_reads_leaves_no_code_running(qd, session, code):
    """`head -1` ends after one line. Read one of code that writes on, and of code that does not; it is interrupted, and the session takes other code."""
    typed = (
        f"qd session exec {session.id} -c {shlex.quote(code)} | head -1; echo ${{PIPESTATUS[0]}}"
    )
    ran = await qd.line(typed)
    assert (ran.stdout, ran.stderr) == ("0\n141\n", "")
    assert (await session.execute("6 * 7", wait=5)).result == "42"


async def test_log_that_nobody_reads_is_not_followed(qd, session):
    """Nobody has to end a session to get rid of `logs -f`. Read a line of what says nothing more."""
    await session.execute("print('one')")
    ran = await qd.line(f"qd session logs {session.id} -f | head -1; echo ${{PIPESTATUS[0]}}")
    assert (ran.stdout, ran.stderr) == ("one\n141\n", "")


async def test_exec_outlives_a_restart_of_the_manager(private_cluster, qd, user):
    """A run is followed over a broken connection. Restart the manager while code waits; its output arrives, once."""
    session = await user.sessions.create(name="s")
    await session.reaches("RUNNING", within=10)
    code = "print('before', flush=True)\nprint(input('go on? '), 'after')"
    async with qd.terminal("session", "exec", "s", "-c", code) as seen:
        await seen.shows("go on?")
        await private_cluster.restart("manager")
        seen.types("yes\n")
        assert await seen.ended() == 0
    assert seen.text.splitlines() == ["before", "go on? yes", "yes after"]


async def test_waiting_outlives_the_manager(private_cluster, qd, user, observe):
    """Who waits is told the end. Kill the manager while `create --wait` and `watch` wait, cancel the session; both tell that."""
    wanted = ("session", "create", "python:3.11", "--name", "big", "--cpu", "1000", "--wait")
    async with qd.terminal(*wanted) as created:
        await created.shows("big: PENDING")
        assert str(observe.value("SELECT id FROM sessions")) in created.text
        async with qd.terminal("session", "watch", "big") as watched:
            await watched.shows("requested")
            async with lifecycle.injected(Kill("manager"), private_cluster):
                pass
            await qd("session", "cancel", "big")
            assert await watched.ended() == 1
        assert await created.ended() == 1
    assert watched.text.splitlines()[-1].startswith("CANCELLED: ")
    assert "became CANCELLED and will not be RUNNING" in " ".join(created.text.split())


async def test_logs_are_what_was_written(qd, session):
    """The last lines are what one looks for."""
    await qd("session", "exec", session.id, "-c", "print('one'); print('two'); print('three')")
    assert (await qd("session", "logs", session.id)).stdout == "one\ntwo\nthree\n"
    assert (await qd("session", "logs", session.id, "-n", "1")).stdout == "three\n"


async def test_logs_are_followed_to_the_end_of_the_session(qd, user):
    """Nobody refreshes by hand. Follow the log of a batch session that writes slowly; it ends when the session does."""
    command = ["sh", "-c", SLOW]
    session = await user.sessions.create(name="slow", type="batch", command=command)
    await session.reaches("RUNNING", within=10)
    async with qd.terminal("session", "logs", "slow", "-f") as seen:
        await seen.shows("line 3")
        assert await seen.ended() == 0
    assert [line for line in seen.text.splitlines() if line] == ["line 1", "line 2", "line 3"]


async def test_logs_of_equal_lines_are_followed(qd, session):
    """A loop may say the same for hours. Fill the log, which keeps the newest MiB, with one line; more of them are shown, and no more than came."""
    await session.execute("print('same\\n' * 2**18, end='')")
    async with qd.terminal("session", "logs", session.id, "-f", "-n", "1") as seen:
        await seen.shows("same")
        await session.execute("print('same\\n' * 3 + 'done')")
        await seen.shows("done")
    assert seen.text.split() == ["same"] * 4 + ["done"]


@pytest.mark.parametrize(
    ("changed", "words", "code"),
    [
        ({}, "no session of yours has the name or id 'nobody'", 1),
        ({"QD_URL": "http://127.0.0.1:9"}, "cannot reach http://127.0.0.1:9", 1),
        ({"QD_SECRET_KEY": "wrong"}, "QD_SECRET_KEY does not belong to QD_ACCESS_KEY", 1),
        ({"QD_ACCESS_KEY": "QDAKNOBODY"}, "QD_ACCESS_KEY", 1),
        ({"QD_URL": ""}, "QD_URL is not set", 2),
    ],
)
async def test_errors_say_what_to_do(qd, changed, words, code):
    """Whoever stands before an error knows the next step: nobody there, nobody listening, wrong keys, nothing set."""
    ran = await qd.access(**changed)("session", "show", "nobody", check=False)
    assert ran.code == code
    assert ran.stdout == ""
    assert words in ran.stderr
    assert ran.stderr.splitlines()[1].startswith("    ")
    as_json = await qd.access(**changed)("session", "show", "nobody", "--json", check=False)
    assert json.loads(as_json.stderr)["error"]["code"]


async def test_administrator_takes_an_agent_out_of_service(private_cluster, qd, user, observe):
    """A machine is emptied by hand. Drain the agent of a session and wait until it is empty; take it back."""
    keys = system.keys
    root = qd.access(QD_ACCESS_KEY=keys.admin_access_key, QD_SECRET_KEY=keys.admin_secret_key)
    session = await user.sessions.create(name="here")
    await session.reaches("RUNNING", within=10)
    (agent,) = (await root("agent", "ls", "-q")).stdout.split()
    async with root.terminal("agent", "drain", agent, "--wait") as seen:
        await seen.shows("1 kernels")
        await session.terminate()
        assert await seen.ended() == 0
    assert "nothing is left there" in seen.text
    assert "ALIVE, drained" in (await root("agent", "ls")).stdout
    assert observe.value("SELECT schedulable FROM agents WHERE id = %s", agent) is False
    await root("agent", "undrain", agent)
    assert observe.value("SELECT schedulable FROM agents WHERE id = %s", agent) is True
    refused = await qd("agent", "drain", agent, check=False)
    assert refused.code == 1
    assert "administrator" in refused.stderr
