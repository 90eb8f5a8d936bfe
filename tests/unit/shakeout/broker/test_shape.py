"""How a system is named to another process."""

import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import pytest

from shakeout.broker import shape
from shakeout.broker.errors import NotLeasable
from shakeout.broker.shape import Shape
from shakeout.system import secret
from shakeout.system.model import System

SYSTEM = System("s")


@pytest.fixture
def held(monkeypatch):
    """Let a module hold the system."""

    def put(module):
        made: Any = types.ModuleType(module)
        made.system = SYSTEM
        made.__spec__ = types.SimpleNamespace(name=module)
        monkeypatch.setitem(sys.modules, module, made)

    return put


def test_system_goes_by_the_module_that_holds_it(held):
    held("fleet")
    assert shape.reference(SYSTEM) == "fleet:system"


@pytest.mark.parametrize("module", ["conftest", "test_fleet", "fleet.test_boats", "__main__"])
def test_modules_of_tests_do_not_count(held, module):
    held(module)
    with pytest.raises(NotLeasable, match="attribute of no module"):
        shape.reference(SYSTEM)


def test_equal_system_elsewhere_is_another(held):
    held("fleet")
    with pytest.raises(NotLeasable):
        shape.reference(System("s", preload=("json",)))


def test_shape_survives_the_socket(held):
    held("fleet")
    made = Shape.of(SYSTEM, {"b": 2, "a": 1}, durable=True)
    assert Shape.from_message(made.message()) == made
    assert made.module == "fleet"


def test_secret_is_the_same_in_one_home_and_nobody_elses():
    with tempfile.TemporaryDirectory(prefix="shk", dir="/tmp") as short:
        homes = [Path(short, name) for name in "ab"]
        known = [secret.of_user(home) for home in homes]
        assert [secret.of_user(home) for home in homes] == known
        assert known[0] != known[1]
        assert (homes[0] / secret.FILE).stat().st_mode & 0o777 == 0o600
