"""Programs of Debian packages: found where they are, named with their remedy where they are not."""

import pytest

from shakeout import skips
from shakeout.services import debian
from shakeout.services.debian import Program
from shakeout.services.errors import ProgramMissing

NOWHERE = Program("no-such-program", "no-such-package", "nothing")


def test_program_is_found_on_the_path(tmp_path, monkeypatch):
    (tmp_path / NOWHERE.name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert debian.locate(NOWHERE) == tmp_path / NOWHERE.name
    skips.require(NOWHERE)


def test_program_of_the_system_is_found_without_it_on_the_path(tmp_path, monkeypatch):
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin" / NOWHERE.name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian, "SYSTEM_DIRECTORIES", (str(tmp_path / "sbin"),))
    assert debian.find(NOWHERE.name) == tmp_path / "sbin" / NOWHERE.name


def test_missing_program_is_named_with_its_remedy():
    with pytest.raises(ProgramMissing, match="no-such-package"):
        debian.locate(NOWHERE)


def test_test_that_needs_a_missing_program_is_skipped_for_a_typed_reason():
    with pytest.raises(skips.Skipped) as left_out:
        skips.require(debian.Program("no-such-program", "no-such-package", "nothing"))
    assert left_out.value.prerequisite.name == "no-such-program"
    assert "no-such-package" in left_out.value.prerequisite.remedy
