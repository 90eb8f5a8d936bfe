"""Programs and exits: what is refused, and how an end is put into words."""

import signal
from pathlib import Path

import pytest

from shakeout.process.spawn import Exit, Program

HERE = Path("/nowhere")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"argv": ("sleep",), "call": "package:main"},
        {"argv": ("sleep",), "args": ("1",)},
        {"call": "package.main"},
        {"argv": ("sleep",), "socket_names": ("http",)},
    ],
)
def test_program_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"^thing: "):
        Program("thing", HERE, HERE / "log", **wrong)


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Exit(code=0), "exited with code 0"),
        (Exit(code=3), "exited with code 3"),
        (Exit(signal=signal.SIGKILL), "was killed by SIGKILL"),
        (Exit(signal=64), "was killed by SIGRTMAX"),
        (Exit(signal=35), "was killed by signal 35"),
        (
            Exit(signal=signal.SIGKILL, cause="its parent was killed"),
            "was killed by SIGKILL (its parent was killed)",
        ),
    ],
)
def test_exit_in_words(ended: Exit, words: str):
    assert str(ended) == words


def test_wait_status_is_translated():
    assert Exit.from_wait_status(3 << 8) == Exit(code=3)
    assert Exit.from_wait_status(signal.SIGSEGV) == Exit(signal=signal.SIGSEGV)
    assert Exit.from_wait_status(signal.SIGSEGV | 0x80) == Exit(signal=signal.SIGSEGV)
    assert Exit.from_wait_status(0).clean
