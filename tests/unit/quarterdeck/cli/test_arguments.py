"""What can be typed is understood; what cannot ends in code 2 with words; help fits 80 columns and has examples."""

import argparse
import shlex

import pytest

from quarterdeck.cli import __main__ as qd
from quarterdeck.cli import arguments, run


def parse(*argv):
    return arguments.parse(argv)


def leaves(parser):
    """Return the parsers of all actions by their command."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found |= leaves(inner) or {inner.get_default("command"): inner}
    return found


LEAVES = leaves(arguments.parser())


def test_create_reads_everything():
    given = parse(
        *["session", "create", "python:3.11", "--cpu", "2", "--memory", "512", "--name", "fit"],
        *[
            "--mount",
            "data:input",
            "--mount",
            "code:lib/x",
            "--env",
            "A=1",
            "--env",
            "B=x=y",
            "--wait",
            "--within",
            "5",
        ],
    )
    assert given.command == "session-create"
    assert (given.image, given.cpu, given.memory, given.name) == ("python:3.11", 2, 512, "fit")
    assert [mount[:2] for mount in given.mount] == [("data", "input"), ("code", "lib/x")]
    assert given.env == [("A", "1"), ("B", "x=y")]
    assert (given.wait, given.within) == (True, 5.0)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "session",
        "session fly",
        "session create",
        "session create p --cpu x",
        "session create p --mount data",
        "session create p --mount :x",
        "session create p --mount a:b:rw",
        "session create p --mount a:b:subpath=",
        "session create p --env A",
        "session create p --within 0",
        "session create p --within nan",
        "session create p --within 5y",
        "session create p --memory 12q",
        "session create p --memory 0",
        "session create p --type fast",
        "session create p --",
        "session ls --status foo",
        "session ls -- true",
        "session logs s --tail x",
        "session cancel",
        "session exec",
        "session exec s file -c code",
        "session rm",
        "folder upload data",
        "user create",
        "session ls extra",
    ],
)
def test_unusable_line_is_a_usage_error(line, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(*line.split())
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_every_action_has_a_function_and_json():
    assert set(LEAVES) == {*run.COMMANDS, *run.LOCAL}
    assert all("--json" in parser._option_string_actions for parser in LEAVES.values())


@pytest.mark.parametrize("command", [None, *LEAVES])
def test_help_fits_and_shows_how(command):
    text = (LEAVES[command] if command else arguments.parser()).format_help()
    assert "examples:\n  qd " in text
    assert max(map(len, text.splitlines())) <= 80


def test_examples_of_the_help_can_be_typed():
    for parser in LEAVES.values():
        examples = parser.epilog.partition("\n\n")[0]
        for line in examples.splitlines()[1:]:
            typed = shlex.split(line.split("<")[0].split("$")[0])[1:]
            assert parse(*typed, *(["x"] if typed[-1] in {"rm", "cancel"} else [])).command


@pytest.mark.parametrize(
    ("line", "guess"),
    [
        ("sesion ls", "there is no 'sesion'; do you mean 'session'?"),
        ("session lst", "do you mean 'ls'?"),
        ("session fly", "it knows: create, ls, show, "),
        ("session ls --colour", "qd session ls: error: unrecognized arguments: --colour"),
    ],
)
def test_mistyped_word_is_guessed(line, guess, capsys):
    with pytest.raises(SystemExit):
        parse(*line.split())
    said = capsys.readouterr().err
    assert guess in said
    assert "--help tells more" in said
    assert len(said.splitlines()) == 2


def test_what_follows_after_dashes_is_a_command():
    given = parse("session", "create", "p", "--wait", "--", "sh", "-c", "exit 3", "--", "--json")
    assert given.words == ["sh", "-c", "exit 3", "--", "--json"]
    assert (given.wait, given.json) == (True, False)
    assert parse("session", "create", "p").words is None


@pytest.mark.parametrize(
    ("typed", "seconds"), [("30", 30.0), ("1.5s", 1.5), ("5m", 300.0), ("2h", 7200.0)]
)
def test_times_have_units(typed, seconds):
    assert parse("session", "create", "p", "--within", typed).within == seconds


@pytest.mark.parametrize(
    ("typed", "mebibytes"), [("512", 512), ("512M", 512), ("2G", 2048), ("1gib", 1024)]
)
def test_memory_has_units(typed, mebibytes):
    assert parse("session", "create", "p", "--memory", typed).memory == mebibytes


def test_states_may_be_several_in_any_case():
    given = parse("session", "ls", "--status", "pending,Running", "-s", "CREATING")
    assert given.status == ["PENDING", "RUNNING", "CREATING"]


@pytest.mark.parametrize("argv", [["--help"], ["session", "create", "--help"]])
def test_help_is_no_failure(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        qd.main(argv)
    assert ended.value.code == 0
    assert "usage: qd" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "read_only", "subpath"),
    [
        ("data:in", False, None),
        ("data:in:ro", True, None),
        ("data:in:subpath=a/b", False, "a/b"),
        ("data:in:ro,subpath=a/", True, "a"),
    ],
)
def test_mount_says_how(text, read_only, subpath):
    given = parse("session", "create", "p", "--mount", text)
    assert given.mount == [("data", "in", read_only, subpath)]
