"""What may stand next on a command line is what its parser takes; a real bash is told so by the script."""

import shlex
import subprocess
import sys

import pytest

from quarterdeck.cli import completing, completion, naming
from quarterdeck.cli.completing import Candidate
from quarterdeck.testing.fakes.platform import SESSION, WAITS

SECONDS_MAX = 60
NAMES = {
    "SESSION": ["fit", "report"],
    "FOLDER": ["data", "ada/maps"],
    "IMAGE": ["python:3.11"],
    "AGENT": ["agent-2"],
    **{kind: ["x"] for kind in ("REGISTRY", "USER", "INVITATION", "HOST")},
}


def names(kind, command):
    if (kind, command) == ("FOLDER", "folder-restore"):
        return [Candidate("old")]
    return [Candidate(name) for name in NAMES[kind]]


def complete(line):
    words = line.split(" ")
    return [each.text for each in completing.candidates(words, names)]


@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        ("se", ["session"]),
        ("session re", ["restart"]),
        ("fly ", []),
        ("session fly ", []),
        ("session show ", ["fit", "report"]),
        ("session show f", ["fit"]),
        ("session show fit ", []),
        ("session rm fit r", ["report"]),
        ("session show --j", ["--json"]),
        ("session show -v f", ["fit"]),
        ("session logs --tail 3 f", ["fit"]),
        ("session logs --tail ", []),
        ("session ls --status pu", ["pulling"]),
        ("session ls --status=run", ["--status=running"]),
        ("session create p", ["python:3.11"]),
        ("session create p --after f", ["fit"]),
        ("session create p --type ", ["interactive", "batch", "inference"]),
        ("session create p --mount d", ["data:"]),
        ("session exec fit ", [":files"]),
        ("session exec fit -- l", [":files"]),
        ("folder show a", ["ada/maps"]),
        ("folder restore ", ["old"]),
        ("folder upload data ", [":files"]),
        ("cp d", [":files", "data:"]),
        ("cp -r ./d a", [":files", "ada/maps:"]),
        ("agent drain ", ["agent-2"]),
        ("completion z", ["zsh"]),
    ],
)
def test_next_word_is_what_the_parser_takes(line, candidates):
    assert complete(line) == candidates


@pytest.mark.parametrize(
    "name", ["$(reboot)", "`reboot`", "a;reboot", "a b", "it's", "a\n:files", ""]
)
def test_nothing_is_put_into_a_line_that_a_shell_would_read_otherwise(name):
    """What answers at an address may be no platform. Let it give names that a shell would carry out."""

    def given(kind, command):
        return [Candidate(name), Candidate("fit")]

    found = completing.candidates(["session", "show", ""], given)
    assert found == [Candidate("fit")]


def test_a_candidate_is_one_line_whatever_is_told_of_it(monkeypatch, capsys):
    """A shell reads lines. Tell of a session in two."""
    monkeypatch.setattr(naming, "names", lambda *_asked: [("fit", "RUNNING\n$(reboot)")])
    completing.main(["session", "show", ""])
    assert capsys.readouterr().out == "fit\tRUNNING $(reboot)\n"


def test_everything_can_be_asked_for():
    """No argument of any action is a surprise. Complete behind each of them, and its options."""
    for command in complete(""):
        for action in complete(f"{command} "):
            assert isinstance(complete(f"{command} {action} "), list)
            assert "--help" in complete(f"{command} {action} -")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("qd", []),
        ("qd ", [""]),
        ("qd session sh", ["session", "sh"]),
        ("qd session exec fit -c 'print(", ["session", "exec", "fit", "-c", "print("]),
        ('./qd cp "a b', ["cp", "a b"]),
        ("qd cp a\\ b ", ["cp", "a b", ""]),
        ("qd cp a\\", []),
    ],
)
def test_line_is_read_as_far_as_it_is_typed(line, words):
    assert completing._split(line) == words


def test_sessions_are_named_and_others_by_their_ends():
    assert naming._name("SESSION", SESSION) == ("fit", "RUNNING python:3.11")
    assert naming._name("SESSION", WAITS)[0] == "0000abcd"
    shared = {"permission": "read", "owner_name": "ada", "name": "maps", "status": "READY"}
    assert naming._name("FOLDER", shared) == ("ada/maps", "READY")
    assert naming._name("FOLDER", shared | {"permission": "own"}) == ("maps", "READY")


def test_without_a_platform_there_are_no_names_and_no_complaints(monkeypatch, capfd):
    """Whoever presses Tab reads no error. Ask for names with nothing set."""
    for name in ("QD_URL", "QD_ACCESS_KEY", "QD_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert completing.main(["session", "show", ""]) == 0
    assert capfd.readouterr() == ("", "")


def bash(line):
    """Complete a line in bash, as Tab does there; return what it chooses from."""
    script = f"""
qd() {{ {shlex.quote(sys.executable)} -m quarterdeck.cli "$@"; }}
compopt() {{ options+="$*"; }}
{completion.SCRIPTS["bash"]}
COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}
complete -p qd | grep -q -- '-F _qd' || exit 1
_qd qd {shlex.quote(line.split(" ")[-1])} ""
printf '%s\\n' "$options" "${{COMPREPLY[@]}}"
"""
    ran = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=True,
    )
    assert ran.stderr == ""
    options, *candidates = ran.stdout.splitlines()
    return options, candidates


@pytest.mark.parametrize(
    ("line", "options", "candidates"),
    [
        ("qd session sh", "", ["show", "shell"]),
        ("qd session ls --status=term", "", ["terminating", "terminated"]),
        ("qd folder upload data ./", "-o default", []),
    ],
)
def test_bash_is_told_what_may_stand_there(line, options, candidates):
    """The words are bash's own: it breaks them at `=`, and knows files better. Have the script complete a line."""
    assert bash(line) == (options, candidates)
