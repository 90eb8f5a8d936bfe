"""Parts of the commands that need no running system: arguments, log levels, memory, findings."""

import pytest

from shakeout.cli import __main__ as command
from shakeout.cli import logs, usage
from shakeout.process.logs import LogLine


@pytest.mark.parametrize(
    "arguments", [(), ("fly",), ("up",), ("up", "m:s", "--replicas", "agent"), ("logs",)]
)
def test_wrong_arguments_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "usage: shakeout" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--help",), ("up", "--help"), ("logs", "--help")])
def test_help_fits_80_columns(arguments, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("found", "level", "shown"),
    [
        ("INFO", "info", True),
        ("info", "warning", False),
        ("error", "warning", True),
        ("", "error", True),
    ],
)
def test_lines_below_the_level_are_left_out(found, level, shown):
    assert logs.is_shown(LogLine(raw="x", event="x", level=found), level) is shown


def test_the_proportional_share_is_read():
    assert usage.parse_share("00-ff r\nRss:  20 kB\nPss:  12 kB\nPss_Dirty: 3 kB\n") == 12 * 1024
    with pytest.raises(ValueError, match="no Pss"):
        usage.parse_share("Rss: 1 kB")
