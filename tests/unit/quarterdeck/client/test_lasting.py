"""Copies under grants that end: each goes on under a new one, and a refusal that no grant mends comes out."""

import itertools
from pathlib import Path

import pytest

from quarterdeck.client import files, lasting, parts, sending
from quarterdeck.client.errors import Refused
from quarterdeck.client.request import Grant
from quarterdeck.testing.fakes.clock import FakeClock

RENEWED_SECONDS = Grant("", "").renewed_seconds
COPIES = [files.Copy(Path(name), name) for name in "abc"]


class World:
    """Grants that are numbered, and work that takes time and may be refused."""

    def __init__(self, seconds, code="token-expired", refusals=0, lasts=900):
        self.lasts = lasts
        self.clock = FakeClock()
        self.seconds = seconds
        self.code = code
        self.refusals = refusals
        self.granted = 0
        self.done = []

    async def access(self):
        self.granted += 1
        return Grant("http://p:1", str(self.granted), self.lasts)

    async def do(self, grant, copy):
        self.clock.advance(self.seconds)
        if self.refusals:
            self.refusals -= 1
            raise Refused(401, self.code, "no")
        self.done.append((grant.token, copy.remote))
        return copy.remote

    async def run(self):
        return await lasting.each(lasting.Grants(self.access, self.clock), COPIES, self.do)


async def test_one_grant_is_enough_for_what_takes_no_time():
    world = World(seconds=1)
    assert await world.run() == ["a", "b", "c"]
    assert world.granted == 1


async def test_old_grant_is_renewed_before_the_next_copy():
    world = World(seconds=RENEWED_SECONDS + 1)
    await world.run()
    assert world.done == [("1", "a"), ("2", "b"), ("3", "c")]


@pytest.mark.parametrize(("seconds", "granted"), [(15, 2), (25, 3)])
async def test_grant_that_lasts_a_minute_is_renewed_in_time(seconds, granted):
    world = World(seconds, lasts=60)
    await world.run()
    assert world.granted == granted


async def test_copy_goes_on_after_its_grant_has_ended():
    world = World(seconds=900, refusals=2)
    await world.run()
    assert world.done[0] == ("3", "a")


@pytest.mark.parametrize(("seconds", "code"), [(1, "token-expired"), (900, "forbidden")])
async def test_refusal_that_no_grant_mends_comes_out(seconds, code):
    world = World(seconds, code, refusals=1)
    with pytest.raises(Refused):
        await world.run()
    assert world.granted == 1


@pytest.mark.parametrize("size", [1, sending.PIECE_BYTES, 5 * sending.PIECE_BYTES + 7])
@pytest.mark.parametrize("count", [1, 2, 4, 100])
def test_parts_are_the_whole_in_order(size, count):
    stretches = parts.split(size, count)
    assert stretches[0][0] == 0
    assert stretches[-1][1] == size
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(stretches))
    assert len(stretches) <= count
