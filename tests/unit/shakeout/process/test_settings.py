"""Settings from an environment."""

import os
import tempfile
from pathlib import Path

import pytest

from shakeout import settings


def test_chosen_places_win():
    found = settings.read({"SHAKEOUT_HOME": "/somewhere", "SHAKEOUT_CACHE": "/else"})
    assert (found.home, found.cache) == (Path("/somewhere"), Path("/else"))


def test_default_home_belongs_to_the_user_and_is_short():
    home = settings.read({}).home
    assert home.name == f"shakeout-{os.getuid()}"
    assert home.parent in {settings.SHARED_MEMORY, Path(tempfile.gettempdir())}


@pytest.mark.parametrize(("blocks", "shared"), [(1 << 19, True), (1 << 14, False)])
def test_default_home_depends_on_no_moment(monkeypatch, tmp_path: Path, blocks: int, shared: bool):
    space = os.statvfs_result((4096, 4096, blocks, 0, 0, 0, 0, 0, 0, 255, 0))
    monkeypatch.setattr(os, "statvfs", lambda _path: space)
    monkeypatch.setattr(settings, "SHARED_MEMORY", tmp_path)
    assert (settings.read({}).home.parent == tmp_path) is shared


def test_default_cache_is_the_users():
    assert settings.read({"HOME": "/home/ann"}).cache == Path("/home/ann/.cache/shakeout")
    assert settings.read({"XDG_CACHE_HOME": "/c", "HOME": "/h"}).cache == Path("/c/shakeout")


def test_components_inherit_little():
    environ = {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "1",
        "PYTHONPATH": "/mine",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "SHAKEOUT_RUN": "shk-1",
    }
    found = settings.read(environ)
    assert found.inherited == {"PATH": "/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "1"}
    assert found.run == "shk-1"


def test_ci_is_a_flag():
    assert settings.read({"CI": "true"}).ci
    assert not settings.read({"CI": "0"}).ci
    assert not settings.read({}).ci


@pytest.mark.parametrize(
    ("value", "wanted"), [(None, True), ("auto", True), ("off", False), ("0", False), ("", False)]
)
def test_broker_is_used_unless_it_is_off(value, wanted):
    environment = {} if value is None else {settings.BROKER: value}
    assert settings.read(environment).broker is wanted


def test_broker_ends_after_the_chosen_time():
    assert settings.read({settings.BROKER_IDLE: "2.5"}).broker_idle_seconds == 2.5
    assert settings.read({}).broker_idle_seconds == settings.BROKER_IDLE_SECONDS
