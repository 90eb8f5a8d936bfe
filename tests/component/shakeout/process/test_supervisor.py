"""Programs of a supervisor: what they are given, and how their ends are told."""

import asyncio
import json
import operator
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from shakeout.process import errors, ports, procfs, zygote
from shakeout.process.handle import Process
from shakeout.process.spawn import Exit, Program
from shakeout.process.supervisor import Supervisor
from shakeout.waiting.until import until

SLEEP = ("/bin/sleep", "1000")


def program(run: Supervisor, name: str, **how) -> Program:
    directory = run.run_directory / name
    return Program(name, directory, directory / "log", **how)


def as_kind(kind: str, function: str, python, data, args=()) -> dict[str, Any]:
    """How to run a function of `cast`: as a call, or as a program of its own."""
    if kind == "call":
        return {"call": f"cast:{function}", "args": args}
    script = f"import sys; sys.path.insert(0, sys.argv.pop()); import cast; cast.{function}()"
    return {"argv": (python, "-c", script, *args, str(data))}


async def logged(process: Process, text: str) -> None:
    await until(lambda: text in process.log.read_text(), within=5, describe=f"{text} in the log")


@pytest.mark.parametrize("kind", ["call", "argv"])
async def test_process_gets_exactly_what_it_was_given(run: Supervisor, python, data, kind):
    how = as_kind(kind, "confessor", python, data, args=("one", "two"))
    process = await run.start(program(run, "thing", environment={"A": "1"}, **how))
    assert (await process.wait()).clean, process.last_lines()
    told = json.loads(process.log.read_text())
    assert told["argv"][1:] == ["one", "two"]
    assert told["environment"].pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"
    assert told["environment"] == {
        "A": "1",
        "SHAKEOUT_RUN": run.run_id,
        "TMPDIR": str(run.run_directory / "tmp"),
    }
    assert told["directory"] == str(run.run_directory / "thing")
    assert told["session"]
    assert told["descriptors"] == [0, 1, 2]
    assert told["stdin"] == "/dev/null"
    assert told["blocked"] == []
    assert set(told["ignored"]) <= {signal.SIGPIPE, signal.SIGXFSZ}
    assert {*told["default"], *told["ignored"]} == signal.valid_signals()
    assert told["comm"] == ("thing" if kind == "call" else Path(python).name)


@pytest.mark.parametrize("kind", ["call", "argv"])
async def test_sockets_are_passed_on_in_order(run: Supervisor, python, data, kind):
    how = as_kind(kind, "greeter", python, data)
    names = ("http", "admin", "metrics")
    leases = ports.lease_many(run.settings.home, 3)
    sockets = tuple(lease.listen() for lease in leases)
    process = await run.start(program(run, "greeter", sockets=sockets, socket_names=names, **how))
    for listening in sockets:
        listening.close()
    for lease, name in zip(leases, names, strict=True):
        with socket.create_connection(("127.0.0.1", lease.port), 5) as connection:
            assert connection.recv(100).decode() == name
        lease.release()
    assert (await process.wait()).clean, process.last_lines()


@pytest.mark.parametrize(
    ("call", "ended", "last"),
    [
        ("cast:crasher", Exit(code=1), "RuntimeError: no such luck"),
        ("cast:quitter", Exit(code=1), "had enough"),
        ("cast:flusher", Exit(code=3), "from the thread"),
        ("cast:segfaulter", Exit(signal=signal.SIGSEGV), ""),
        ("cast:missing", Exit(code=1), "AttributeError: module 'cast' has no attribute 'missing'"),
        ("missing:main", Exit(code=1), "ModuleNotFoundError: No module named 'missing'"),
        ("broken_module:main", Exit(code=1), "KeyError: 'never mind'"),
    ],
)
async def test_call_that_ends_tells_how_and_why(run: Supervisor, call, ended, last):
    process = await run.start(program(run, "thing", call=call))
    assert await process.wait() == ended
    assert last in process.log.read_text()
    failure = await run.failed()
    assert isinstance(failure, errors.ComponentDied)
    assert (failure.name, failure.exit) == ("thing", ended)
    assert 'child.py", line' not in process.log.read_text().partition("Traceback")[2]


@pytest.mark.parametrize(
    ("argv", "kind"),
    [
        (("/no/such/program",), errors.ExecutableMissing),
        (("no-such-program",), errors.ExecutableMissing),
        (("/etc/passwd",), errors.ExecutableRefused),
        (("/",), errors.ExecutableRefused),
    ],
)
async def test_program_that_cannot_run_is_told_at_once(run: Supervisor, argv, kind):
    with pytest.raises(kind, match=argv[0]):
        await run.start(program(run, "thing", argv=argv))
    assert run.failure is None


async def test_failed_import_is_told_with_its_traceback(run: Supervisor):
    await run.preload(["broken_module"])
    with pytest.raises(errors.ImportFailed, match="never mind") as caught:
        await run.start(program(run, "thing", call="cast:holder"))
    assert caught.value.module == "broken_module"
    assert "broken_module.py" in caught.value.traceback


async def test_import_that_does_not_end_is_told(run: Supervisor, monkeypatch):
    """No boot waits for ever. Import a module that waits for what never comes."""
    monkeypatch.setattr(zygote, "IMPORT_SECONDS_MAX", 0.5)
    await run.preload(["waiting_module"])
    with pytest.raises(
        errors.ImportFailed, match=r"waiting_module failed\nit has not ended within 0\.5 s"
    ) as told:
        await run.start(program(run, "thing", call="cast:holder"))
    assert "it waits for the tide" in str(told.value)


async def test_failed_import_does_not_matter_to_others(run: Supervisor):
    """Not in another scope, and not in the next zygote; what it was asked for with is imported."""
    failing = run.scope("failing")
    await failing.preload(["broken_module", "decimal"])
    with pytest.raises(errors.ImportFailed, match="never mind"):
        await failing.start(program(run, "thing", call="cast:holder"))
    first = await run.start(program(run, "first", call="cast:sharer"))
    assert (await first.wait()).clean
    assert first.log.read_text() == "True\n"
    assert run._preloaded == ["broken_module", "decimal"]
    _kill(_named(run, "shk-zygote"))
    second = run.scope("other")
    zygote = run._zygote
    assert zygote is not None
    await until(lambda: zygote.branch.open, satisfied=operator.not_, within=5)
    process = await second.start(program(run, "second", call="cast:sharer"))
    assert (await process.wait()).clean
    assert run._preloaded == ["decimal"]


async def test_failed_import_is_tried_again_when_asked_for_again(
    run: Supervisor, home, monkeypatch
):
    monkeypatch.syspath_prepend(home)
    await run.preload(["late"])
    with pytest.raises(errors.ImportFailed):
        await run.start(program(run, "thing", call="cast:sharer"))
    (home / "late.py").write_text("mended = 1")
    await run.preload(["late"])
    process = await run.start(program(run, "thing", call="cast:sharer"))
    assert (await process.wait()).clean


async def test_calls_share_what_the_zygote_imported(run: Supervisor):
    await run.preload(["decimal"])
    await run.preload(["decimal", "fractions"])
    process = await run.start(program(run, "thing", call="cast:sharer"))
    assert (await process.wait()).clean
    assert process.log.read_text() == "True\n"


async def test_calls_do_not_mind_what_the_zygote_imported(run: Supervisor):
    await run.preload(["threaded_module"])
    process = await run.start(program(run, "thing", call="cast:confessor"))
    assert (await process.wait()).clean
    assert signal.SIGUSR1 in json.loads(process.log.read_text())["default"]


async def test_stop_asks_first(run: Supervisor):
    process = await run.start(program(run, "thing", call="cast:obedient"))
    await logged(process, "listening")
    assert await process.stop(within=5) == Exit(code=7)
    assert run.failure is None


async def test_stop_kills_who_does_not_listen(run: Supervisor):
    process = await run.start(program(run, "thing", call="cast:stubborn", args=("/dev/null",)))
    await logged(process, "deaf")
    assert await process.stop(within=0.05) == Exit(signal=signal.SIGKILL)
    assert run.failure is None


async def test_process_that_has_ended_takes_no_signal(run: Supervisor):
    process = await run.start(program(run, "thing", argv=SLEEP))
    await process.kill()
    with pytest.raises(errors.NotRunning):
        await process.signal(signal.SIGHUP)
    assert await process.kill() == await process.stop(within=1) == Exit(signal=signal.SIGKILL)


async def test_signal_that_does_not_exist_is_refused(run: Supervisor):
    process = await run.start(program(run, "thing", argv=SLEEP))
    with pytest.raises(errors.SignalRefused):
        await process.signal(1000)
    assert process.running


async def test_expected_exit_is_no_failure(run: Supervisor):
    first = await run.start(program(run, "first", argv=SLEEP))
    first.expect_exit()
    await first.signal(signal.SIGTERM)
    await first.wait()
    assert run.failure is None
    second = await run.start(program(run, "second", argv=SLEEP))
    await second.signal(signal.SIGTERM)
    failure = await run.failed()
    assert str(failure).startswith("second was killed by SIGTERM")
    run.forget_failure()
    assert run.failure is None


async def test_scope_asks_its_processes_side_by_side(run: Supervisor):
    scope = run.scope("one")
    started = [await scope.start(program(run, f"p{n}", argv=SLEEP)) for n in range(10)]
    await scope.stop(within=5)
    assert {str(process.exit) for process in started} == {"was killed by SIGTERM"}


async def test_death_counts_even_if_the_log_cannot_be_read(run: Supervisor):
    """Put a directory in place of the log, so that reading it fails."""
    process = await run.start(program(run, "thing", argv=SLEEP))
    process.log.unlink()
    process.log.mkdir()
    await process.signal(signal.SIGTERM)
    failure = await run.failed()
    assert str(failure).startswith("thing was killed by SIGTERM")


async def test_death_counts_even_if_describing_it_fails(run: Supervisor, monkeypatch):
    def fail(_process: Process) -> list[str]:
        raise RecursionError

    async def send(_signal: int) -> None:
        raise AssertionError("nobody sends a signal")

    monkeypatch.setattr(Process, "last_lines", fail)
    process = Process(program(run, "thing", argv=SLEEP), send)
    process.has_ended(Exit(code=1))
    with pytest.raises(RecursionError):
        run.note_exit(process)
    assert str(run.failure).startswith("thing exited with code 1")


async def test_scope_takes_all_descendants_with_it(run: Supervisor, home: Path):
    witness = home / "witness"
    scope, other = run.scope("one"), run.scope("other")
    bystander = await other.start(program(run, "bystander", argv=SLEEP))
    for name in ("escaper", "holder"):
        await scope.start(program(run, name, call=f"cast:{name}", args=(str(witness),)))
    await scope.start(program(run, "shell", argv=("/bin/sh", "-c", "setsid sleep 1001 & wait")))
    await until(lambda: witness.exists() and len(witness.read_text().splitlines()) == 2, within=5)
    pids = [json.loads(line)["pid"] for line in witness.read_text().splitlines()]
    await scope.stop()
    assert not [pid for pid in pids if procfs.stat(pid)]
    assert run.failure is None
    assert bystander.running


async def test_scope_that_has_stopped_leaves_none_of_its_dead(run: Supervisor):
    """A process that was killed is one until somebody waits for it. Stop scopes of several processes; none is left, as a zombie neither."""
    left: list[procfs.Stat] = []
    for number in range(20):
        scope = run.scope(str(number))
        names = [f"{number}-{one}" for one in range(8)]
        started = [await scope.start(program(run, name, argv=SLEEP)) for name in names]
        await scope.stop()
        left += filter(None, (procfs.stat(process.pid) for process in started))
    assert not left


async def test_start_that_is_cancelled_leaves_no_process(run: Supervisor):
    await run.start(program(run, "first", argv=SLEEP))
    async with asyncio.TaskGroup() as tasks:
        starts = [
            tasks.create_task(run.start(program(run, f"p{n}", argv=SLEEP))) for n in range(10)
        ]
        asyncio.get_running_loop().call_later(0.002, _cancel, starts[::2])

    def sleepers() -> list[str]:
        everyone = procfs.everyone()
        return [p.comm for p in everyone if p.comm == "sleep" and _is_of(run, p.pid)]

    started = sum(not task.cancelled() for task in starts)
    await until(lambda: len(sleepers()) == 1 + started, within=5)
    assert run.failure is None


async def test_many_starts_at_once(run: Supervisor):
    async with asyncio.TaskGroup() as tasks:
        starts = [
            tasks.create_task(run.start(program(run, f"p{n}", argv=("/bin/true",))))
            for n in range(30)
        ]
    exits = [await task.result().wait() for task in starts]
    assert exits == [Exit(code=0)] * 30
    assert len({task.result().pid for task in starts}) == 30


async def test_request_that_is_too_large_is_refused(run: Supervisor):
    with pytest.raises(errors.StartFailed, match="too long"):
        await run.start(program(run, "thing", argv=SLEEP, environment={"A": "x" * 300_000}))
    large = program(run, "large", argv=("/bin/true",), environment={"A": "x" * 100_000})
    assert (await (await run.start(large)).wait()).clean


async def test_new_zygote_after_the_old_one_was_killed(run: Supervisor):
    await run.preload(["decimal"])
    scope = run.scope("cluster")
    first = await scope.start(program(run, "first", call="cast:obedient"))
    _kill(_named(run, "shk-zygote"))
    assert await first.wait() == Exit(signal=signal.SIGKILL, cause="its parent was killed")
    assert isinstance(await run.failed(), errors.ComponentDied)
    second = await scope.start(program(run, "second", call="cast:sharer"))
    assert (await second.wait()).clean
    assert second.log.read_text() == "True\n"


@pytest.mark.parametrize("name", ["reaper", "spawner"])
async def test_death_of_the_harness_is_a_failure_of_the_run(run: Supervisor, name: str):
    process = await run.start(program(run, "thing", argv=SLEEP))
    _kill(_named(run, f"shk-{name}"))
    assert isinstance(await run.failed(), errors.ProcessError)
    await until(lambda: isinstance(run.failure, errors.HarnessDied), within=5)
    assert str(run.failure).startswith(f"the harness's {name} died")
    assert (await process.wait()).signal == signal.SIGKILL
    with pytest.raises(errors.HarnessDied):
        await until(lambda: run.start(program(run, "late", argv=SLEEP)), within=5)


async def test_closed_run_leaves_no_descriptor_open(settings):
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    async with await Supervisor.open(settings) as run:
        await run.start(program(run, "thing", argv=SLEEP))
        await run.start(program(run, "other", call="json:dumps"))
    assert descriptors() == before


async def test_home_that_cannot_hold_runs_is_refused(settings, home: Path):
    (home / "file").touch()
    for wrong in (home / "file", home / ("x" * 60)):
        broken = type(settings)(home=wrong, cache=settings.cache)
        with pytest.raises(errors.DirectoryRefused):
            await Supervisor.open(broken)


def _cancel(tasks: list[asyncio.Task[Process]]) -> None:
    for task in tasks:
        task.cancel()


def _named(run: Supervisor, comm: str) -> int:
    found = [p.pid for p in procfs.everyone() if p.comm == comm and _is_of(run, p.pid)]
    assert len(found) == 1, found
    return found[0]


def _is_of(run: Supervisor, pid: int) -> bool:
    return procfs.environ(pid).get("SHAKEOUT_RUN") == run.run_id


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
