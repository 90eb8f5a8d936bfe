"""What the spawner survives."""

import os

from shakeout.process import spawner


def test_orphan_that_may_not_be_killed_is_let_alone(monkeypatch):
    """Orphans of set-uid programs belong to somebody else; here, the kernel says so of any."""
    asked = []

    def refuse(pid: int, number: int) -> None:
        asked.append(pid)
        raise PermissionError(1, f"not permitted: {number}")

    monkeypatch.setattr(os, "kill", refuse)
    spawner._kill_orphan(1 << 30)
    assert asked == [1 << 30]
