"""What the commands remember of a running system, and how they tell it from one that is gone."""

import dataclasses
import os

import pytest

from shakeout.hand import state
from shakeout.hand.errors import MemberUnknown, NothingRuns, SeveralRun
from shakeout.hand.state import MemberState, UpState
from shakeout.process import procfs

MEMBER = MemberState("redis", "ready", 1, "unix:///x", "/x/log")


@pytest.fixture
def up(tmp_path):
    """Write the state of a system that this process runs."""

    def write(name, **changes):
        own = procfs.stat(os.getpid())
        assert own is not None
        directory = tmp_path / "shk-run" / name
        directory.mkdir(parents=True)
        found = UpState(
            name, "m:s", own.pid, own.started, str(directory), (MEMBER,), {"KEY": "secret"}
        )
        state.write(dataclasses.replace(found, **changes))
        return found

    return write


def test_what_is_written_is_read_again(up, tmp_path):
    written = up("one")
    assert state.running(tmp_path) == [written]


def test_the_file_is_for_its_owner_only(up, tmp_path):
    up("one")
    assert (tmp_path / "shk-run" / "one" / state.FILE).stat().st_mode & 0o777 == 0o600


def test_another_process_under_the_same_pid_is_not_the_system(up, tmp_path):
    up("one", started=1)
    assert state.running(tmp_path) == []


def test_a_broken_file_is_no_system(up, tmp_path):
    up("one")
    (tmp_path / "shk-run" / "one" / state.FILE).write_text('{"name": 1}')
    with pytest.raises(NothingRuns, match="no system is up"):
        state.choose(tmp_path)


def test_the_only_system_needs_no_name(up, tmp_path):
    assert state.choose(tmp_path, up("one").name).name == state.choose(tmp_path).name


def test_several_systems_need_a_name(up, tmp_path):
    up("one")
    up("two")
    with pytest.raises(SeveralRun, match="say which one: one, two"):
        state.choose(tmp_path)
    assert state.choose(tmp_path, "two").name == "two"


def test_members_are_found_by_name(up):
    assert up("one").member("redis") == MEMBER
    with pytest.raises(MemberUnknown, match="no component 'manager'; there are redis"):
        up("two").member("manager")
