"""Following a log file."""

import asyncio
import contextlib
from pathlib import Path

from shakeout.process.follow import follow


async def test_lines_come_as_they_are_written(tmp_path: Path):
    path = tmp_path / "log"
    async with contextlib.aclosing(follow(path, component="agent")) as lines, asyncio.timeout(5):
        asyncio.get_running_loop().call_later(0.02, path.write_text, '{"event": "one"}\n\nha')
        first = await anext(lines)
        assert (first.event, first.component) == ("one", "agent")
        with path.open("a") as file:
            file.write("lf\nthree\n")
        assert (await anext(lines)).event == "half"
        assert (await anext(lines)).event == "three"


async def test_following_from_a_position_skips_what_was_before(tmp_path: Path):
    path = tmp_path / "log"
    path.write_text("before\nafter\n")
    async with contextlib.aclosing(follow(path, len("before\n"))) as lines, asyncio.timeout(5):
        assert (await anext(lines)).event == "after"
