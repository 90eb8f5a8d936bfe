"""Fixtures of the process layer's tests: a run of their own, and a runner to be killed."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shakeout import settings as settings_module
from shakeout.process import directories
from shakeout.process.supervisor import Supervisor
from shakeout.settings import Settings

DATA = Path(__file__).parent / "data"


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory for runs with a short path, so that it shows in the processes of no other test."""
    made = Path(tempfile.mkdtemp(prefix="shk-t", dir=settings_module.read().home.parent))
    yield made
    directories.remove(made)


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home, cache=home / "cache", inherited=settings_module.read().inherited)


@pytest.fixture
def run(shakeout_runner, settings: Settings, monkeypatch) -> Iterator[Supervisor]:
    """A run of the harness for this test alone; calls may name functions of `data/cast.py`."""
    monkeypatch.syspath_prepend(DATA)
    opened = shakeout_runner.run(Supervisor.open(settings))
    yield opened
    shakeout_runner.run(opened.close())
    assert not opened.run_directory.exists()


@pytest.fixture
def inherited(home: Path, monkeypatch) -> None:
    """What programs of a test inherit: they import this package and `data`, and make runs in `home`."""
    path = [Path(directories.__file__).parents[2], DATA]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, path)))
    monkeypatch.setenv("SHAKEOUT_HOME", str(home))


@pytest.fixture
def data() -> Path:
    return DATA


@pytest.fixture
def python() -> str:
    return sys.executable
