"""What a person sees in a terminal, whatever Ctrl-C throws away."""

import sys

from quarterdeck.testing.terminal import Terminal

WAITS = """
print("begun", flush=True)
input()
print("the end", flush=True)
"""


async def test_nothing_to_read_is_not_the_end(tmp_path):
    """Ctrl-C empties a terminal's queues, perhaps between the sign that there is something and the reading of it. Read when there is nothing."""
    async with Terminal([sys.executable, "-c", WAITS], {}, tmp_path) as seen:
        await seen.shows("begun")
        for _ in range(3):
            seen._read()
        seen.types("enough\n")
        assert await seen.ended() == 0
    assert seen.text.endswith("the end\r\n")
