"""Runs in a real kernel: commands, input, interrupts, following, repeating; and code that makes it hard."""

import asyncio
from functools import partial

import msgspec
import pytest

from quarterdeck.agent.kernels.errors import InputNotWanted, KernelBusy, RunForgotten
from quarterdeck.base import ids, tasks
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing.workshops import execute
from quarterdeck.wire.executions import Complete, Execute, Input
from shakeout.waiting.until import until

ENDLESS = "print('begun')\nwhile True: pass"


@pytest.fixture
def kernel(workshop, shakeout_runner):
    """A kernel of one's own."""
    return shakeout_runner.run(workshop.make())


def begin(kernel, given):
    request = Execute(given) if isinstance(given, str) else given
    return kernel.start(msgspec.structs.replace(request, run=ids.new(SystemClock())))


async def written(run, text):
    await until(lambda: text in run.report().stdout, within=5)


async def ended(run):
    await until(lambda: run.ended, within=5)
    return run.report()


def asked(run, number):
    return run.asks and run.question == number


async def test_a_command_has_streams_and_an_exit_code(kernel):
    command = ("sh", "-c", "echo out; echo err >&2; pwd; cat; exit 3")
    done = await execute(kernel, Execute(command=command))
    assert (done.status, done.exit_code, done.error) == ("error", 3, None)
    out, where = done.stdout.splitlines()
    assert (out, done.stderr) == ("out", "err\n")
    assert where.endswith(f"{kernel.id}/work")
    fine = await execute(kernel, Execute(command=("true",)))
    assert (fine.status, fine.exit_code) == ("ok", 0)


async def test_a_command_that_is_not_there_says_so(kernel):
    done = await execute(kernel, Execute(command=("no-such-program", "x")))
    assert (done.status, done.exit_code, done.error.type) == ("error", 127, "FileNotFoundError")
    assert "no-such-program" in done.error.message


async def test_a_command_sees_what_code_has_set(kernel):
    await execute(kernel, "import os; os.environ['SEEN'] = 'yes'; os.makedirs('d'); os.chdir('d')")
    done = await execute(kernel, Execute(command=("sh", "-c", "echo $SEEN; basename $PWD")))
    assert done.stdout == "yes\nd\n"


async def test_interrupt_reaches_a_command_and_what_it_started(kernel):
    run = begin(kernel, Execute(command=("sh", "-c", "echo begun; sleep 60; echo not")))
    await written(run, "begun")
    await until(lambda: _interrupted(kernel, run), within=5)  # dash may miss one as it forks
    done = await ended(run)
    assert (done.status, done.exit_code, done.stdout) == ("error", 130, "begun\n")
    assert (await execute(kernel, "1")).result == "1"


@pytest.mark.parametrize(
    "code",
    [
        ENDLESS,
        "print('begun')\nimport time\ntime.sleep(60)",
        "import subprocess\nsubprocess.run(['sh', '-c', 'echo begun; sleep 60'])",
        "import os\nos.system('echo begun; sleep 60')\nwhile True: pass",
        "print('begun')\nimport threading\nthreading.Event().wait()",
        "class R:\n  def __repr__(self):\n    print('begun')\n    while True: pass\nR()",
    ],
)
async def test_interrupt_is_an_exception_and_the_kernel_lives(kernel, code):
    run = begin(kernel, code)
    await written(run, "begun")
    await until(lambda: _interrupted(kernel, run), within=5)
    done = await ended(run)
    assert (done.status, done.error.type) == ("error", "KeyboardInterrupt")
    assert (await execute(kernel, "print('alive')")).stdout == "alive\n"


def _interrupted(kernel, run):
    kernel.interrupt(run.id)
    return run.ended


async def test_interrupt_when_nothing_runs_does_nothing(kernel):
    for _ in range(3):
        kernel.interrupt()
        assert (await execute(kernel, "1 + 1")).result == "2"


async def test_interrupt_that_comes_before_the_code_begins_is_not_lost(kernel):
    for _ in range(20):
        run = begin(kernel, "while True: pass")
        kernel.interrupt(run.id)
        assert (await ended(run)).error.type == "KeyboardInterrupt"


async def test_interrupt_that_comes_late_is_not_for_the_next(kernel):
    for number in range(50):
        run = begin(kernel, "1")
        following = begin(kernel, f"{number}")
        kernel.interrupt(run.id)
        assert (await ended(following)).result == str(number)


async def test_storm_of_interrupts_ends_code_and_not_the_kernel(kernel):
    for _ in range(20):
        run = begin(kernel, "while True:\n  try:\n    1 + 1\n  except ZeroDivisionError: pass")
        while not run.ended:
            kernel.interrupt()
            await tasks.pause(0)
        assert run.report().error.type == "KeyboardInterrupt", run.report().error.message
    assert (await execute(kernel, "'fine'")).result == "'fine'"


async def test_code_may_catch_its_interrupt(kernel):
    code = "try:\n  print('begun')\n  while True: pass\nexcept KeyboardInterrupt: print('caught')"
    run = begin(kernel, code)
    await written(run, "begun")
    kernel.interrupt()
    done = await ended(run)
    assert (done.status, done.stdout) == ("ok", "begun\ncaught\n")


async def test_handlers_of_the_code_do_not_outlive_it(kernel):
    await execute(kernel, "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)")
    run = begin(kernel, ENDLESS)
    await written(run, "begun")
    kernel.interrupt()
    assert (await ended(run)).error.type == "KeyboardInterrupt"


async def test_a_run_that_waits_for_its_turn_ends_without_having_run(kernel):
    first = begin(kernel, ENDLESS)
    second = begin(kernel, "print('never')")
    kernel.interrupt(second.id)
    told = second.report()
    assert (told.status, told.error.type, told.stdout) == ("error", "KeyboardInterrupt", "")
    await written(first, "begun")
    kernel.interrupt(first.id)
    await ended(first)


async def test_input_is_asked_for_and_echoed(kernel):
    code = "name = input('name? ')\nimport sys\nrest = sys.stdin.readline()\nprint(name, rest, end='')"
    run = begin(kernel, Execute(code, stdin=True))
    await until(lambda: run.asks, within=5)
    told = run.report()
    assert (told.status, told.question.number, told.stdout) == ("waiting-input", 1, "name? ")
    with pytest.raises(InputNotWanted):
        kernel.reply(run.id, Input(2, "early"))
    for _ in range(2):
        kernel.reply(run.id, Input(1, "Ada"))
    await until(lambda: run.question == 2, within=5)
    kernel.reply(run.id, Input(2, "L\N{LATIN SMALL LETTER O WITH DIAERESIS}v"))
    assert (await ended(run)).stdout == "name? Ada Löv\n"


async def test_lines_are_read_until_there_are_no_more(kernel):
    run = begin(kernel, Execute("import sys\n[line for line in sys.stdin]", stdin=True))
    for number, text in enumerate(("a\nb", "", None), 1):
        await until(partial(asked, run, number), within=5)
        kernel.reply(run.id, Input(number, text))
    assert (await ended(run)).result == r"['a\n', 'b\n', '\n']"


async def test_nobody_to_ask_is_the_end_of_input(kernel):
    assert (await execute(kernel, "input()")).error.type == "EOFError"
    code = "import threading\nfound = []\ndef f():\n  try: input()\n  except EOFError: found.append(1)\n"
    code += "t = threading.Thread(target=f)\nt.start()\nt.join()\nfound"
    assert (await execute(kernel, Execute(code, stdin=True))).result == "[1]"


async def test_interrupt_while_input_is_awaited(kernel):
    for _ in range(10):
        run = begin(kernel, Execute("input()", stdin=True))
        await until(partial(asked, run, 1), within=5)
        kernel.interrupt()
        kernel.reply(run.id, Input(1, "at the same time"))
        done = await ended(run)
        assert done.error is None or done.error.type == "KeyboardInterrupt"
    assert (await execute(kernel, "2")).result == "2"


async def test_a_question_that_was_interrupted_is_none_any_more(kernel):
    code = "try: input()\nexcept KeyboardInterrupt: print('no')\nwhile True: pass"
    run = begin(kernel, Execute(code, stdin=True))
    await until(lambda: run.asks, within=5)
    kernel.interrupt()
    await written(run, "no")
    assert run.report().status == "continued"
    kernel.interrupt()
    assert (await ended(run)).error.type == "KeyboardInterrupt"


async def test_output_is_followed_while_it_is_written(kernel):
    run = begin(kernel, Execute("print('one')\ninput()\nprint('two')", stdin=True))
    await until(lambda: run.asks, within=5)
    first = run.report()
    assert (first.stdout, first.offset, first.truncated) == ("one\n", 4, False)
    kernel.reply(run.id, Input(1, ""))
    await ended(run)
    assert (run.report(4).stdout, run.report(4).offset) == ("two\n", 8)
    assert run.report(0).stdout == "one\ntwo\n"


async def test_streams_keep_their_order(kernel):
    code = "import sys\nfor n in range(3):\n  print(n, flush=True)\n  input()\n  print(n, file=sys.stderr)\n  input()"
    run = begin(kernel, Execute(code, stdin=True))
    for number in range(1, 7):
        await until(partial(asked, run, number), within=5)
        kernel.reply(run.id, Input(number, ""))
    done = await ended(run)
    assert done.order == (("stdout", 2), ("stderr", 2)) * 3


async def test_a_character_in_two_pieces_is_whole(kernel):
    code = "import os\nos.write(1, b'\\xe2\\x82')\ninput()\nos.write(1, b'\\xac\\xff')"
    run = begin(kernel, Execute(code, stdin=True))
    await until(lambda: run.asks, within=5)
    assert run.report().stdout == ""
    kernel.reply(run.id, Input(1, ""))
    await ended(run)
    assert run.report().stdout == "\N{EURO SIGN}\N{REPLACEMENT CHARACTER}"


async def test_a_flood_is_kept_at_both_ends_and_counted(kernel):
    done = await execute(
        kernel, "for n in range(600): print('\\n'.join(f'{n * 1000 + m:06}' for m in range(1000)))"
    )
    assert done.truncated
    assert done.stdout.startswith("000000\n")
    assert done.written == 4_200_000
    run = kernel.run(done.run)
    rest = run.report(done.offset)
    assert rest.stdout.endswith("599999\n")
    assert rest.offset == done.written
    assert len(done.stdout) + rest.skipped + len(rest.stdout) == done.written


async def test_code_that_writes_to_all_its_descriptors_hurts_only_itself(workshop):
    kernel = await workshop.make()
    code = "import os\nfor d in os.listdir('/proc/self/fd'):\n  try: os.write(int(d), b'x' * 9)\n  except OSError: pass"
    run = begin(kernel, code)
    await until(lambda: run.ended, within=5)
    other = await workshop.make()
    assert (await execute(other, "1")).result == "1"


async def test_names_are_completed(kernel):
    await execute(kernel, "greeting = 'hello'")
    found = await kernel.complete(Complete("print(greeting.upp"))
    assert (found.matches, found.start, found.end) == (("upper",), 15, 18)
    run = begin(kernel, ENDLESS)
    with pytest.raises(KernelBusy):
        await kernel.complete(Complete("gre"))
    await written(run, "begun")
    kernel.interrupt()
    await ended(run)
    assert (await kernel.complete(Complete("gre"))).matches == ("greeting",)


@pytest.mark.parametrize(
    "body",
    ["while True: pass", "time.sleep(1000)"],
    ids=["loops", "sleeps"],
)
async def test_a_completion_that_hangs_is_interrupted(kernel, body):
    """An object may take forever to tell its names. Whoever asked is told why there are none; code that waited for its turn runs."""
    code = f"import time\nclass Slow:\n    def __dir__(self):\n        {body}\nslow = Slow()"
    await execute(kernel, code)
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(kernel.complete(Complete("slow.")))
        await tasks.pause(0)
        waiting = group.create_task(execute(kernel, "6 * 7"))
    assert (asked.result().matches, asked.result().start) == ((), 5)
    assert "took more than 3 s" in asked.result().reason
    assert waiting.result().result == "42"
    assert (await kernel.complete(Complete("tim"))).matches == ("time",)


async def test_a_completion_that_swallows_interrupts_keeps_nobody_waiting(kernel):
    """Code may overhear some interrupts: whoever asked is told nevertheless, and with enough of them the kernel is free."""
    code = (
        "import time\nheard = 0\nclass Deaf:\n    def __dir__(self):\n        global heard\n"
        "        while heard < 3:\n            try: time.sleep(1000)\n            except KeyboardInterrupt: heard += 1\n"
        "        return ['late']\ndeaf = Deaf()"
    )
    await execute(kernel, code)
    assert "took more than 3 s" in (await kernel.complete(Complete("deaf."))).reason
    with pytest.raises(KernelBusy):
        await kernel.complete(Complete("tim"))
    assert (await execute(kernel, "heard")).result == "3"


async def test_a_run_is_refused_by_a_kernel_that_ran_it_before(kernel):
    """An agent that has started anew knows no runs; the kernel does."""
    done = await execute(kernel, "n = 1")
    kernel.runs = type(kernel.runs)()
    for _ in range(2):
        with pytest.raises(RunForgotten):
            await execute(kernel, Execute("n += 1", run=done.run))
    assert (await execute(kernel, "n")).result == "1"
