"""Code in a session: its output, its result, its errors, its limits."""

import asyncio

import pytest

from quarterdeck.base import ids
from quarterdeck.base.clock import SystemClock
from quarterdeck.client.errors import Refused
from quarterdeck.wire.executions import Question


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


async def test_query_runs_to_its_end(session, observe):
    """Behaviour 2: in a RUNNING session `print(1+1)` gives "2" and is finished. Run it; the kernel in /proc stays the same, its log holds it."""
    assert (await session.refresh()).status == "RUNNING"
    kernel = observe.kernel(session.id)
    pids = observe.kernel_pids(kernel)
    done = await session.execute("print(1+1)")
    assert (done.finished, done.status, done.stdout, done.stderr) == (True, "ok", "2\n", "")
    assert observe.history(session.id)[-1] == ("CREATING", "RUNNING")
    assert observe.kernel_pids(kernel) == pids
    assert await session.logs() == "2\n"


async def test_long_run_is_followed_in_order(session, observe):
    """Behaviour 3: the id of a run stays, its output comes once and in order. Begin with `wait`, follow, repeat each look; compare with /proc."""
    code = "import sys\nfor n in range(40):\n    print(n, file=sys.stdout if n % 2 else sys.stderr)\n    input()\n"
    begun = await session.execute(code, wait=0, stdin=True)
    assert (begun.finished, begun.status in {"continued", "waiting-input"}) == (False, True)
    run, seen, offset, names = session.run(begun.run), [], 0, set()
    async with asyncio.timeout(30):
        while not (told := await run.look(offset, wait=5)).finished:
            again = await run.look(offset)
            assert (again.stdout + again.stderr).startswith(told.stdout + told.stderr)
            names.add(told.run)
            seen += [line for line in (told.stderr + told.stdout).split("\n") if line]
            offset = told.offset
            if told.question is not None and told.question.number > len(seen) - 1:
                await run.reply(told.question.number, "")
    assert names == {begun.run}
    assert seen == [str(n) for n in range(40)]
    assert (told.status, told.written) == ("ok", offset)
    whole = await run.look()
    assert whole.stdout == "".join(f"{n}\n" for n in range(1, 40, 2))
    assert whole.stderr == "".join(f"{n}\n" for n in range(0, 40, 2))
    assert len(observe.live_kernels(session.id)) == 1


async def test_run_asked_for_twice_runs_once(session, user):
    """The same id is the same run. Start it twice at once and once more; count what it did in the kernel. Another code is refused."""
    await session.execute("count = 0")
    id_ = ids.new(SystemClock())
    async with asyncio.TaskGroup() as group:
        both = [group.create_task(session.execute("count += 1\ncount", run=id_)) for _ in range(2)]
    assert {task.result().result for task in both} == {"1"}
    assert (await session.execute("count += 1\ncount", run=id_)).result == "1"
    assert (await session.execute("count")).result == "1"
    with pytest.raises(Refused) as refused:
        await session.execute("count += 2", run=id_)
    assert refused.value.code == "run-conflict"
    with pytest.raises(Refused) as refused:
        await session.run(ids.new(SystemClock())).look()
    assert refused.value.code == "run-not-found"


async def test_endless_loop_is_interrupted(session, observe):
    """Behaviour 4: an interrupt is KeyboardInterrupt in the code, and the kernel goes on. Loop without end, interrupt, use the same process again."""
    pids = observe.kernel_pids(observe.kernel(session.id))
    await session.execute("kept = 42")
    begun = await session.execute("print('round')\nwhile True: pass", wait=0)
    run = session.run(begun.run)
    await says(run, "round\n")
    await session.interrupt()
    done = await ended(run)
    assert (done.status, done.error.type) == ("error", "KeyboardInterrupt")
    assert "while True" in done.error.traceback
    assert "quarterdeck" not in done.error.traceback
    assert (await session.execute("kept")).result == "42"
    assert observe.kernel_pids(observe.kernel(session.id)) == pids
    await session.interrupt()
    assert (await session.execute("kept + 1")).result == "43"
    assert observe.history(session.id)[-1] == ("CREATING", "RUNNING")


async def test_input_is_asked_for_and_echoed(session, observe):
    """Behaviour 7: code that reads input waits for a reply and gets it. Ask twice, answer each twice, read the echo; no process was added."""
    pids = observe.kernel_pids(observe.kernel(session.id))
    code = "import sys\nname = input('name? ')\nprint('hello', name)\nprint('line', sys.stdin.readline(), end='')"
    asked = await session.execute(code, stdin=True)
    assert (asked.status, asked.stdout, asked.question.number) == ("waiting-input", "name? ", 1)
    run = session.run(asked.run)
    for _ in range(2):
        await run.reply(1, "Ada")
    while (told := await run.look(wait=5)).question != Question(2):
        assert not told.finished
    await run.reply(2, "of her own")
    done = await ended(run)
    assert done.stdout == "name? hello Ada\nline of her own\n"
    with pytest.raises(Refused) as refused:
        await run.reply(3, "too much")
    assert refused.value.code == "input-not-wanted"
    assert observe.kernel_pids(observe.kernel(session.id)) == pids


async def test_command_has_streams_and_an_exit_code(session, observe):
    """A command runs where the code does. Leave a file by code, read it by a command that fails; its process is gone afterwards."""
    pids = observe.kernel_pids(observe.kernel(session.id))
    await session.execute("open('note', 'w').write('from code')")
    done = await session.execute(command=("sh", "-c", "cat note; echo oops >&2; exit 3"))
    assert (done.status, done.stdout, done.stderr, done.exit_code) == (
        "error",
        "from code",
        "oops\n",
        3,
    )
    assert (await session.execute(command=("true",))).exit_code == 0
    assert observe.kernel_pids(observe.kernel(session.id)) == pids


async def test_results_and_displays_have_representations(session):
    """Objects that can be HTML come as that, in their place. Display one between two lines, and return it."""
    code = (
        "class Page:\n    def _repr_html_(self): return '<i>x</i>'\n"
        "print('before')\ndisplay(Page())\nprint('after')\nPage()"
    )
    done = await session.execute(code)
    assert done.data == {"text/html": "<i>x</i>"}
    assert [each.data["text/html"] for each in done.displays] == ["<i>x</i>"]
    assert done.order == (("stdout", 7), ("display", 1), ("stdout", 6))


async def test_a_completion_that_hangs_is_told_and_blocks_nobody(session):
    """A user is told why nothing was found. Complete an object that takes forever to tell its names; the next run has its turn."""
    await session.execute(
        "class Slow:\n    def __dir__(self):\n        while True: pass\nslow = Slow()"
    )
    found = await session.complete("slow.")
    assert (found.matches, found.start) == ((), 5)
    assert "took more than 3 s" in found.reason
    assert (await session.execute("6 * 7")).result == "42"


async def test_names_are_completed(session):
    """A cursor in the code gives the names that can stand there, of the session's own objects."""
    await session.execute("greeting = 'hello'")
    found = await session.complete("print(greeting.upp)", 18)
    assert (found.matches, found.start, found.end) == (("upper",), 15, 18)


async def says(run, text):
    """Wait until a run has written this and no more, in however many pieces."""
    async with asyncio.timeout(20):
        while (seen := await run.look()).stdout != text:
            await run.look(seen.offset, wait=5)


async def ended(run):
    """Follow a run until it has ended, and return all of it."""
    async with asyncio.timeout(20):
        while not (await run.look(2**40, wait=5)).finished:
            pass
        return await run.look()
