"""Code in a session: its output, its result, its errors, its limits."""

import pytest


async def test_output_result_and_state(session):
    """A session is one interpreter. Streams are kept apart, the last expression is the result, names live on."""
    first = await session.execute(
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nx = 6 * 7"
    )
    assert (first.status, first.stdout, first.stderr, first.result) == (
        "ok",
        "out\n",
        "err\n",
        None,
    )
    second = await session.execute("print(x)\nx + 1")
    assert (second.stdout, second.result) == ("42\n", "43")


async def test_exception_shows_the_users_lines_only(session):
    """A traceback is for whoever wrote the code. It names their lines, and none of the platform's."""
    failed = await session.execute("def share(n):\n    return 1 / n\n\nshare(0)\n")
    assert failed.status == "error"
    assert (failed.error.type, failed.error.message) == ("ZeroDivisionError", "division by zero")
    assert "line 4" in failed.error.traceback
    assert "return 1 / n" in failed.error.traceback
    assert "quarterdeck" not in failed.error.traceback
    assert (await session.execute("1 + 1")).result == "2"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("1 +", "SyntaxError"),
        ("exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
async def test_kernel_survives_what_ends_a_script(session, observe, code, error):
    """A mistake costs one execution, not the session. The same process runs the next one."""
    pids = observe.kernel_pids(observe.kernel(session.id))
    assert (await session.execute(code)).error.type == error
    assert (await session.execute("6 * 7")).result == "42"
    assert observe.kernel_pids(observe.kernel(session.id)) == pids


async def test_output_of_subprocesses_and_descriptors_is_caught(session):
    """Output is caught where it is written. Use a subprocess, and the descriptor under Python's feet."""
    ran = await session.execute(
        "import os, subprocess\nsubprocess.run(['sh', '-c', 'echo from sh; echo oops >&2'])\n"
        "os.write(1, b'raw\\n')"
    )
    assert "from sh\n" in ran.stdout
    assert "raw\n" in ran.stdout
    assert ran.stderr == "oops\n"


async def test_flood_of_output_is_cut_and_said_so(session):
    """Output is bounded. Print 8 MiB; about 1 MiB comes back, marked as cut, and the session goes on."""
    flood = await session.execute("for _ in range(8): print('x' * 1024 * 1024)")
    assert flood.truncated
    assert len(flood.stdout) <= 1.1 * 1024 * 1024
    assert (await session.execute("6 * 7")).result == "42"


async def test_memory_limit_is_the_slots(user, observe):
    """Memory slots are a limit, in /proc and in effect. Allocate beyond them; a small session still lives afterwards."""
    session = await user.sessions.create(slots={"cpu": 1, "memory_mib": 192})
    await session.reaches("RUNNING", within=10)
    (first, *_) = observe.kernel_pids(observe.kernel(session.id))
    assert observe.limit(first, "Max address space") == 192 * 1024 * 1024
    assert (await session.execute("x = bytearray(512 * 1024 * 1024)")).error.type == "MemoryError"
    assert (await session.execute("6 * 7")).result == "42"


async def test_kernel_gets_the_sessions_environment_and_none_of_the_platforms(user):
    """A kernel knows what its owner said and no secret. Read the environment in the kernel."""
    session = await user.sessions.create(environment={"COLOUR": "green"})
    await session.reaches("RUNNING", within=10)
    seen = await session.execute(
        "import os; [os.environ['COLOUR'], [k for k in os.environ if 'SECRET' in k]]"
    )
    assert seen.result == "['green', []]"


async def test_logs_hold_what_was_written(session):
    """What a session wrote can be read again, while it lives."""
    await session.execute("print('first')")
    await session.execute("import sys; print('second', file=sys.stderr)")
    logs = await session.logs()
    assert logs.index("first") < logs.index("second")
