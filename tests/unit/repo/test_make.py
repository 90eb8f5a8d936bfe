"""What `make` does before it does anything: the environment that every habit needs."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
SECONDS_MAX = 30


def test_linked_environment_is_used_as_it_is_with_the_sources_beside_it(tmp_path):
    """Worktrees share a .venv by a link. Run `make up` in such a one; nothing is made or installed, and it runs what stands there."""
    program = tmp_path / "shared" / "bin" / "shakeout"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$PYTHONPATH" "$@"\n')
    program.chmod(0o755)
    worktree = tmp_path / "worktree"
    worktree.mkdir()
    (worktree / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    (worktree / ".venv").symlink_to(tmp_path / "shared")
    made = subprocess.run(
        ["make", "-s", "up"],
        cwd=worktree,
        env={"PATH": os.defpath + ":/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert made.stdout == f"{worktree}/src up quarterdeck.testing.system:system\n", made.stderr
    assert {each.name for each in (tmp_path / "shared").rglob("*")} == {"bin", "shakeout"}
