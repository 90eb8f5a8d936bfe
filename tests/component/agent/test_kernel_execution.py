"""What users see of their code: results, output and errors, from a real kernel."""

import asyncio

import pytest

from quarterdeck.agent.kernels import runs
from quarterdeck.agent.kernels.errors import KernelBusy
from quarterdeck.base import tasks
from quarterdeck.testing.workshops import execute
from shakeout.waiting.until import until

MIB = 2**20


@pytest.fixture
def kernel(workshop, shakeout_runner):
    """A kernel of one's own."""
    return shakeout_runner.run(workshop.make())


async def test_names_last_from_one_execution_to_the_next(kernel):
    await execute(kernel, "import math\ndef area(r): return math.pi * r * r")
    assert (await execute(kernel, "area(2)")).result == "12.566370614359172"


async def test_the_last_expression_is_the_result(kernel):
    assert (await execute(kernel, "a = 3\na + 1")).result == "4"
    assert (await execute(kernel, "_ + 1")).result == "5"
    assert (await execute(kernel, "b = 1")).result is None
    assert (await execute(kernel, "None")).result is None
    assert (await execute(kernel, "")).result is None


async def test_output_comes_from_python_from_c_and_from_children_in_order(kernel):
    code = """
import ctypes, os, subprocess, sys
print("one", end=" ")
subprocess.run(["sh", "-c", "printf 'two '; printf wrong >&2"])
os.write(1, b"three ")
ctypes.CDLL(None).printf(b"four ")
sys.stdout.buffer.write(b"five")
"""
    done = await execute(kernel, code)
    assert (done.stdout, done.stderr) == ("one two three four five", "wrong")
    assert not done.truncated


async def test_output_of_one_execution_is_not_in_another(kernel):
    assert (await execute(kernel, "print('first')")).stdout == "first\n"
    assert (await execute(kernel, "print('second')")).stdout == "second\n"
    assert kernel.logs().text == "first\nsecond\n"


async def test_output_without_end_is_cut_at_a_mebibyte_and_marked(kernel):
    done = await execute(kernel, "import os\nfor _ in range(40): print('x' * 99_999)\n'end'")
    assert len(done.stdout) == MIB
    assert (done.result, done.truncated) == ("'end'", True)
    assert not (await execute(kernel, "print('small')")).truncated


async def test_bytes_that_are_no_text_arrive_as_replacement(kernel):
    done = await execute(kernel, r"import os; _ = os.write(1, b'caf\xc3\xa9 \xff\x00.')")
    assert done.stdout == "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{REPLACEMENT CHARACTER}\0."


async def test_a_result_too_long_is_cut_and_marked(kernel):
    done = await execute(kernel, "'y' * 3_000_000")
    assert (len(done.result), done.truncated) == (MIB, True)


async def test_an_exception_shows_the_lines_of_the_user_and_none_of_ours(kernel):
    await execute(kernel, "def divide(a, b):\n    return a / b  # here")
    done = await execute(kernel, "print('before')\ndivide(1, 0)")
    assert (done.status, done.stdout) == ("error", "before\n")
    assert (done.error.type, done.error.message) == ("ZeroDivisionError", "division by zero")
    assert 'File "<cell 2>", line 2, in <module>' in done.error.traceback
    assert "return a / b  # here" in done.error.traceback
    assert "quarterdeck" not in done.error.traceback


async def test_a_syntax_error_shows_its_place(kernel):
    done = await execute(kernel, "x = (1,\ny = 2")
    assert done.error.type == "SyntaxError"
    assert "x = (1,\n" in done.error.traceback
    assert "quarterdeck" not in done.error.traceback


@pytest.mark.parametrize(
    ("code", "type_"),
    [
        ("exit()", "SystemExit"),
        ("raise SystemExit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import signal; signal.raise_signal(signal.SIGINT)", "KeyboardInterrupt"),
        ("input()", "EOFError"),
        ("def f(): f()\nf()", "RecursionError"),
        ("'\\0' * 2**40", "MemoryError"),
        ("compile('\\0', '', 'exec')", "SyntaxError|ValueError"),
        ("x = " + "-" * 30_000 + "1", "MemoryError|RecursionError"),
        ("class E(Exception):\n  def __str__(self): raise OSError\nraise E", "E"),
        ("class R:\n  def __repr__(self): return 1 / 0\nR()", "ZeroDivisionError"),
        ("raise ValueError('\\ud800')", "ValueError"),
        ("raise ValueError('\\0' * 2**21)", "ValueError"),
        ("raise ValueError('\\U0001f600' * 2**21)", "ValueError"),
        ("raise type('X' * 2000, (Exception,), {})", "X" * 1000),
        ("import sys; sys.stdout.close(); print(1)", "ValueError"),
    ],
)
async def test_no_error_of_the_code_ends_the_kernel(kernel, code, type_):
    done = await execute(kernel, code)
    assert done.status == "error"
    assert done.error.type in type_.split("|")
    assert (await execute(kernel, "print('alive')")).stdout == "alive\n"


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.close(0); os.close(1); os.close(2)",
        "import os; os.closerange(3, 1024)",
        "import sys; sys.stdin = sys.stdout = sys.stderr = None",
        "import sys; sys.stdout.detach()",
    ],
)
async def test_streams_that_code_has_closed_are_healed(kernel, code):
    await execute(kernel, code)
    done = await execute(kernel, "import os, sys; os.write(2, b'err'); print('out')")
    assert (done.stdout, done.stderr) == ("out\n", "err")


async def test_a_child_that_the_code_forks_does_not_answer_for_it(kernel):
    code = (
        "import os\npid = os.fork()\nif not pid: print('child')\nelse: os.waitpid(pid, 0)\npid > 0"
    )
    done = await execute(kernel, code)
    assert (done.stdout, done.result) == ("child\n", "True")
    assert (await execute(kernel, "1")).result == "1"


async def test_code_is_main_for_pickle_and_multiprocessing(kernel):
    code = """
import multiprocessing
class Point:
    def __init__(self, x): self.x = x
def double(point): return Point(point.x * 2)
with multiprocessing.get_context("fork").Pool(2) as pool:
    found = [point.x for point in pool.map(double, [Point(1), Point(2)])]
found, __name__
"""
    assert (await execute(kernel, code)).result == "([2, 4], '__main__')"


async def test_packages_and_programs_of_the_interpreter_are_there(kernel):
    done = await execute(kernel, "import numpy, sys\nnumpy.arange(4).sum(), sys.path[0]")
    assert done.result == "(6, '')" or done.result == "(np.int64(6), '')"


async def test_executions_wait_for_their_turn_in_order(kernel):
    await execute(kernel, "seen = []")
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(execute(kernel, f"seen.append({number}); list(seen)"))
            for number in range(5)
        ]
    assert [task.result().result for task in tasks] == [
        str(list(range(number + 1))) for number in range(5)
    ]


async def test_too_many_waiting_executions_are_refused(kernel):
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(execute(kernel, "1")) for _ in range(runs.WAITING_RUNS_MAX)]
        await tasks.pause(0)
        with pytest.raises(KernelBusy):
            await execute(kernel, "1")
    assert {task.result().result for task in waiting} == {"1"}


async def test_an_execution_whose_caller_went_away_disturbs_nobody(kernel, workshop):
    work = workshop.scratch.directory(kernel.id) / "work"
    gate, started = work / "gate", work / "started"
    code = """
import os, time
open("started", "w").close()
while not os.path.exists("gate"): time.sleep(0.001)
print("late")
"""
    loop = asyncio.get_running_loop()
    task = loop.create_task(execute(kernel, code))
    await until(started.exists, within=5)
    task.cancel()
    await asyncio.wait([task])
    following = loop.create_task(execute(kernel, "print('mine')"))
    await tasks.pause(0)
    gate.touch()
    assert (await following).stdout == "mine\n"
