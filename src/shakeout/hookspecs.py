"""Hooks that Shakeout calls, for other plugins and conftest files."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from shakeout.system.cluster import Cluster


@pytest.hookspec
def pytest_shakeout_booted(cluster: "Cluster", seconds: float) -> None:
    """A cluster answers for the first time; its boot took so many seconds."""


@pytest.hookspec
def pytest_shakeout_died(nodeid: str, death: BaseException) -> None:
    """A component ended that should not have, and the test failed with its death."""
