"""Work with a running system by hand, as commands: members, faults, links, timeline, shell."""

import json
import signal
import socket
from pathlib import Path

import pytest

from shakeout.hand import state
from shakeout.process import procfs
from shakeout.waiting.until import until


def pid_of(told, member):
    return next(one["pid"] for one in told["members"] if one["name"] == member)


def is_stopped(pid):
    found = procfs.stat(pid)
    assert found is not None
    return found.state == "T"


async def shown(shakeout, name):
    """Members by name, as `ps` tells them."""
    [found] = (await shakeout("ps", name, "--json")).record
    return {one["name"]: one for one in found["members"]}


async def test_member_is_stopped_started_and_killed(shakeout, small, name):
    told = await small()
    assert (await shakeout("stop", "dinghy", "--name", name)).out == "dinghy is stopped\n"
    assert (await shown(shakeout, name))["dinghy"]["state"] == "stopped"
    started = (await shakeout("start", "dinghy", "--name", name, "--json")).record
    assert started["pid"] not in (0, pid_of(told, "dinghy"))
    await shakeout("kill", "dinghy", "--name", name)
    assert procfs.stat(started["pid"]) is None
    assert (await shakeout("restart", "dinghy", "--name", name)).out.startswith("dinghy is ready")


async def test_fault_for_a_time_is_injected_seen_and_undone(shakeout, small, name):
    told = await small()
    ended = await shakeout("fault", "kill", "dinghy", "--for", "0.1", "--name", name)
    assert ended.out.splitlines() == [
        "kill dinghy: its effect is seen",
        "it stands for 0.1 s",
        "kill dinghy: undone, and everybody is well",
    ]
    now = (await shown(shakeout, name))["dinghy"]
    assert now["state"] == "ready"
    assert now["pid"] != pid_of(told, "dinghy")


async def test_fault_stands_until_it_is_undone(shakeout, small, name):
    await small()
    injected = (await shakeout("fault", "kill", "dinghy", "--name", name, "--json")).record
    assert (await shown(shakeout, name))["dinghy"]["pid"] == 0
    listed = (await shakeout("fault", "--name", name)).out
    assert f"  {injected['number']}  kill dinghy, until undone" in listed
    undone = await shakeout("fault", "--undo", "--name", name)
    assert undone.out == "kill dinghy: undone, and everybody is well\n"
    assert (await shown(shakeout, name))["dinghy"]["state"] == "ready"


async def test_ctrl_c_undoes_a_fault_that_was_to_last(shakeout, start, small, name):
    told = await small()
    command = await start("fault", "pause", "dinghy", "--for", "600", "--name", name)
    assert "effect is seen" in await command.line()
    assert is_stopped(pid_of(told, "dinghy"))
    command.process.send_signal(signal.SIGINT)
    assert (await command.end()).code == 130
    await until(lambda: not is_stopped(pid_of(told, "dinghy")), within=10)
    assert (await shakeout("fault", "--name", name, "--json")).record["standing"] == []


async def test_end_of_the_system_undoes_what_stands(shakeout, small, name):
    told = await small()
    await shakeout("fault", "pause", "dinghy", "--name", name)
    assert (await shakeout("down", name)).out == f"{name} is down\n"
    assert not Path(told["directory"]).parent.exists()


async def test_catalogue_tells_whom_a_fault_applies_to_and_why_not(shakeout, small, name):
    await small()
    lines = (await shakeout("fault", "--name", name)).out.splitlines()
    assert max(map(len, lines)) <= 80
    told = (await shakeout("fault", "--name", name, "--json")).record["catalogue"]
    members = {one["name"]: one["members"] for one in told}
    assert members["kill"] == {"redis": "", "dinghy": ""}
    assert members["flush"]["redis"] == ""
    assert members["flush"]["dinghy"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fault", "kil", "dinghy"), "no fault 'kil'; known are kill, "),
        (("fault", "kill", "dingy"), "no component 'dingy'; there are redis, dinghy"),
        (("fault", "flush", "dinghy"), "flush dinghy: "),
        (("fault", "kill"), "say to whom: shakeout fault kill MEMBER"),
        (("fault", "--undo", "7"), "no fault stands under number 7"),
        (("restart", "dingy"), "no component 'dingy'; there are redis, dinghy"),
        (("links",), "it runs without links: bring it up with `shakeout up --links`"),
        (("links", "--cut"), "say which link: shakeout links SOURCE TARGET --cut"),
        (("shell", "dinghy"), "dinghy has no client; there is one for postgres, redis, etcd"),
    ],
)
async def test_wrong_use_is_told_in_words(shakeout, small, name, arguments, words):
    await small()
    ended = await shakeout(*arguments, "--name", name)
    assert words in ended.error
    assert (ended.code, ended.out) == (2, "")


async def test_links_are_shown_slowed_and_restored(shakeout, start, name):
    command = await start("up", "harbour:system", "--name", name, "--json", "--links")
    await command.line()
    rows = (await shakeout("links", "--name", name, "--json")).record["links"]
    pairs = [(one["source"], one["target"]) for one in rows]
    assert ("boat", "lighthouse") in pairs
    assert {one["behaviour"] for one in rows} == {"plain"}
    slow = ("links", "boat", "lighthouse", "--delay", "50", "--name", name)
    assert "delay_seconds 0.05" in (await shakeout(*slow)).out
    assert "delay_seconds 0.05" in (await shakeout("links", "boat", "--name", name)).out
    restored = await shakeout("links", "boat", "lighthouse", "--restore", "--name", name)
    assert restored.out == "boat -> lighthouse: plain\n"
    proxy = (await shown(shakeout, name))["links"]
    assert (proxy["kind"], proxy["state"]) == ("links", "ready")
    assert proxy["usage"]["memory_bytes"] > 0


async def test_timeline_joins_what_was_done_and_what_was_logged(shakeout, small, name):
    await small()
    await shakeout("restart", "redis", "--name", name)
    await shakeout("fault", "kill", "dinghy", "--for", "0.1", "--name", name)
    lines = (await shakeout("timeline", "-n", "200", "--name", name)).out.splitlines()
    assert any("*      restart redis" in line for line in lines)
    assert any("fault: kill dinghy" in line for line in lines)
    assert any(" redis  " in line for line in lines)
    assert [line[:12] for line in lines] == sorted(line[:12] for line in lines)


async def test_timeline_follows(shakeout, start, small, name):
    await small()
    following = await start("timeline", "-f", "-n", "1", "--json", "--name", name)
    await following.line()
    await shakeout("restart", "dinghy", "--name", name)
    seen = json.loads(await following.line())
    while seen["event"] != "restart dinghy":
        seen = json.loads(await following.line())
    following.process.send_signal(signal.SIGINT)
    assert (await following.end()).code == 0


async def test_shell_is_one_that_knows_the_system(shakeout, small, name):
    await small()
    ended = await shakeout("shell", "--name", name, "-c", "echo $DINGHY", SHELL="/bin/sh")
    assert ended.out.startswith("http://127.0.0.1:")
    assert (await shakeout("shell", "--name", name, "redis", "--", "ping")).out == "PONG\n"
    told = (await shakeout("shell", "--name", name, "--json", SHELL="/bin/bash")).record
    assert told["command"][1] == "--rcfile"
    assert told["environment"]["SHAKEOUT_SYSTEM"] == name


def test_requests_are_for_the_owner_and_must_be_known(shakeout_runner, small):
    path = Path(shakeout_runner.run(small())["directory"]) / state.SOCKET
    assert path.stat().st_mode & 0o777 == 0o600
    answers = [ask(path, b'{"do": "fly"}\n'), ask(path, b"{]\n"), ask(path, b'{"do": "kill"}\n')]
    assert [one["failed"] for one in answers] == ["Misused"] * 3
    assert answers[2]["detail"] == "kill needs member"


def test_request_that_fails_unforeseen_is_answered(shakeout_runner, small):
    path = Path(shakeout_runner.run(small())["directory"]) / state.SOCKET
    answer = ask(path, b'{"do": "timeline", "after": "never"}\n')
    assert (answer["failed"], answer["misused"]) == ("ValueError", False)
    assert answer["detail"].startswith("ValueError: invalid literal")


def ask(path, request):
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(path))
        channel.sendall(request)
        return json.loads(channel.makefile().readline())
