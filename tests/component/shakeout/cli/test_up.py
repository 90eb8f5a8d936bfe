"""`shakeout up` and what goes with it, as commands: show, follow, end, and every way to go wrong."""

import json
import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from shakeout import settings
from shakeout.cli import down
from shakeout.hand import state
from shakeout.hand.errors import StillThere
from shakeout.process import procfs
from shakeout.waiting.until import until


async def up(start, target, name, *arguments):
    """Boot a system; returns the command and what it says of itself."""
    command = await start("up", target, "--name", name, "--json", *arguments)
    return command, json.loads(await command.line())


def is_gone(told):
    """Neither the directory of the run nor any of its processes is left."""
    return not has_pids(told) and not Path(told["directory"]).parent.exists()


def has_directory(told):
    return Path(told["directory"]).exists()


def has_pids(told):
    pids = [one["pid"] for one in told["members"] if one["pid"]]
    return [pid for pid in pids if (found := procfs.stat(pid)) and found.alive]


async def test_a_system_is_shown_and_ended_by_other_commands(start, shakeout, name):
    command, told = await up(start, "harbour:small", name)
    shown = await shakeout("ps", name)
    assert [line.split()[0] for line in shown.out.splitlines() if line] == [
        name,
        "component",
        "redis",
        "dinghy",
    ]
    (listed,) = (await shakeout("ps", name, "--json")).record
    assert [one["name"] for one in listed["members"]] == ["redis", "dinghy"]
    assert all(one["usage"]["memory_bytes"] > 1 << 20 for one in listed["members"])
    assert (await shakeout("down", name)).out == f"{name} is down\n"
    assert (await command.end()).code == 0
    assert is_gone(told)


async def test_env_tells_the_hints_and_logs_the_log(start, shakeout, name):
    await up(start, "harbour:small", name, "--replicas", "dinghy=1")
    assert (await shakeout("env", name)).out.startswith("export DINGHY=http://127.0.0.1:")
    address = (await shakeout("env", name, "--json")).record["DINGHY"]
    urllib.request.urlopen(f"{address}/berth", timeout=5).close()  # noqa: ASYNC210 (answers at once)
    lines = (await shakeout("logs", "dinghy", "--name", name)).out.splitlines()
    assert lines[-1] == "info asked path=/berth"
    assert (await shakeout("logs", "dinghy", "--name", name, "--level", "error")).out == ""


async def test_logs_follow_until_the_system_ends(start, shakeout, name):
    command, told = await up(start, "harbour:small", name)
    following = await start("logs", "dinghy", "-f", "-n", "1", "--name", name)
    assert "/health" in await following.line()
    urllib.request.urlopen(f"{told['members'][1]['address']}/news", timeout=5).close()  # noqa: ASYNC210 - one answer, on this machine
    assert "/news" in await following.line()
    command.process.send_signal(signal.SIGINT)
    assert (await following.end()).code == 0
    assert (await command.end()).code == 0


async def test_down_says_what_is_left_and_does_not_call_that_down(start, name, monkeypatch):
    """Who reads "is down" believes it. Stop the command and all that ends what it has started, and say down."""
    monkeypatch.setattr(down, "ASKED_SECONDS_MAX", 0.2)
    monkeypatch.setattr(down, "GONE_SECONDS_MAX", 0.2)
    command, told = await up(start, "harbour:small", name)
    (found,) = (one for one in state.running(settings.read().home) if one.name == name)
    below = procfs.descendants(found.pid)
    harness = [one.pid for one in below if one.comm.startswith("shk-")]
    for pid in (*harness, found.pid):
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(
            StillThere, match=r"(?s)this is left of it:.*redis: pid .*dinghy: pid "
        ) as left:
            down.end(found)
    finally:
        for pid in harness:
            os.kill(pid, signal.SIGCONT)
    assert f"its directory {found.directory}" in str(left.value)
    assert (await command.end()).code == -signal.SIGKILL
    await until(lambda: is_gone(told), within=5)


async def test_down_of_what_had_to_be_killed_returns_when_nothing_is_left(
    start, name, monkeypatch
):
    """Its reaper ends the rest after that. Stop the command, say down, and look at once."""
    monkeypatch.setattr(down, "ASKED_SECONDS_MAX", 0.2)
    _, told = await up(start, "harbour:small", name)
    (found,) = (one for one in state.running(settings.read().home) if one.name == name)
    os.kill(found.pid, signal.SIGSTOP)
    assert down.end(found)
    assert not has_pids(told)
    assert not has_directory(told)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it_cleanly(start, number, name):
    command, told = await up(start, "harbour:small", name)
    command.process.send_signal(number)
    assert (await command.end()).code == 0
    assert is_gone(told)


async def test_ctrl_c_ends_a_boot_that_gets_nowhere(start, name):
    command = await start("up", "harbour:stuck", "--name", name)
    assert (await command.line()).startswith("redis")
    command.process.send_signal(signal.SIGINT)
    ended = await command.end()
    assert (ended.code, ended.error) == (130, "")


async def test_a_killed_command_leaves_nothing_and_is_not_listed(start, shakeout, name):
    command, told = await up(start, "harbour:small", name)
    command.process.kill()
    await command.end()
    assert (await shakeout("ps", name)).error == f"error: no system {name!r} is up\n"
    await until(lambda: is_gone(told), within=5)


async def test_a_component_that_dies_ends_it_with_its_last_lines(start, name):
    command, told = await up(start, "harbour:small", name)
    with pytest.raises((ConnectionError, urllib.error.URLError)):
        urllib.request.urlopen(f"{told['members'][1]['address']}/crash", timeout=5)  # noqa: ASYNC210 - one answer, on this machine
    ended = await command.end()
    assert ended.code == 1
    assert json.loads(ended.out)["detail"].startswith("dinghy exited with code 3\n")
    assert "hit a rock" in ended.out
    assert is_gone(told)


async def test_a_crash_at_the_start_is_told_in_words(shakeout):
    ended = await shakeout("up", "harbour:sinking")
    assert ended.code == 1
    assert ended.error.startswith("error: raft exited with code 1\n")
    assert "cannot swim" in ended.error
    assert "Traceback" not in ended.error


async def test_a_name_is_given_once(start, shakeout, name):
    await up(start, "harbour:small", name)
    ended = await shakeout("up", "harbour:small", "--name", name)
    assert (ended.code, ended.out) == (2, "")
    assert ended.error.startswith(f"error: {name!r} is already up: `shakeout down {name}`")


async def test_several_systems_ask_for_a_name(start, shakeout, name):
    await up(start, "harbour:small", f"{name}-1")
    await up(start, "harbour:small", f"{name}-2")
    ended = await shakeout("down")
    assert ended.code == 2
    assert "several systems are up, say which one: " in ended.error


async def test_the_table_of_a_booted_system_fits_80_columns(start, name):
    command = await start("up", "harbour:system", "--name", name)
    lines: list[str] = []
    while not lines or "shakeout down" not in lines[-1]:
        lines.append((await command.line()).rstrip("\n"))
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("s3") and "idle" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("up", "harbor:system"), "no module 'harbor' here or on PYTHONPATH"),
        (("up", "harbour"), "'harbour' is not of the form package.module:attribute"),
        (("up", "harbour:boat"), "harbour:boat is a function, not a shakeout System"),
        (("up", "harbour:pier"), "harbour has no 'pier'"),
        (("down", "nobody"), "no system 'nobody' is up"),
        (("logs", "dinghy", "--name", "nobody"), "no system 'nobody' is up"),
    ],
)
async def test_wrong_use_is_told_in_one_line(shakeout, arguments, words):
    ended = await shakeout(*arguments)
    assert ended.code == 2
    assert words in ended.error
    assert ended.error.count("\n") == 1


async def test_an_unknown_component_is_told_with_the_known_ones(start, shakeout, name):
    await up(start, "harbour:small", name)
    ended = await shakeout("logs", "dingy", "--name", name)
    assert ended.error == "error: no component 'dingy'; there are redis, dinghy\n"
