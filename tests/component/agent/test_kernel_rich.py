"""What code shows beside text, from a real kernel."""

import base64

import pytest

from quarterdeck.testing.workshops import execute

BOTH = """
class Both:
    def __repr__(self): return 'both'
    def _repr_html_(self): return '<b>both</b>'
    def _repr_png_(self): return b'\\x89PNG'
"""
INTERRUPTED = """
import json, os, signal
loads = json.loads
def interrupted(data):
    json.loads = loads
    os.kill(os.getpid(), signal.SIGINT)
    return loads(data)
json.loads = interrupted
display(1)
raise LookupError("the interrupt is lost")
"""
PNG = base64.b64encode(b"\x89PNG").decode()


@pytest.fixture
def kernel(workshop, shakeout_runner):
    """A kernel of one's own."""
    return shakeout_runner.run(workshop.make())


async def test_a_result_has_its_representations(kernel):
    done = await execute(kernel, BOTH + "Both()")
    assert done.result == "both"
    assert done.data == {"text/html": "<b>both</b>", "image/png": PNG}
    assert (await execute(kernel, "1 + 1")).data == {}
    assert (await execute(kernel, "Both")).data == {}


async def test_what_is_displayed_has_its_place_in_the_output(kernel):
    done = await execute(kernel, BOTH + "print('a')\ndisplay(Both(), 7)\nprint('b')")
    assert [each.data for each in done.displays] == [
        {"text/plain": "both", "text/html": "<b>both</b>", "image/png": PNG},
        {"text/plain": "7"},
    ]
    assert done.order == (("stdout", 2), ("display", 2), ("stdout", 2))
    assert (done.stdout, done.written) == ("a\nb\n", 6)


async def test_what_is_too_large_is_named_in_words(kernel):
    code = "class Big:\n  def _repr_png_(self): return bytes(2**21)\ndisplay(Big())\nBig()"
    done = await execute(kernel, code)
    (shown,) = done.displays
    assert "image/png of 2796204 bytes left out" in shown.data["text/plain"]
    assert "left out" in done.data["text/plain"]


async def test_objects_that_object_are_text(kernel):
    code = "class Odd:\n  def _repr_html_(self): raise OSError\n  def __repr__(self): return 'odd'\nOdd()"
    done = await execute(kernel, code)
    assert (done.status, done.result, done.data) == ("ok", "odd", {})


async def test_a_flood_of_pictures_is_bounded(kernel):
    code = (
        "class P:\n  def _repr_png_(self): return bytes(300_000)\nfor _ in range(40): display(P())"
    )
    done = await execute(kernel, code)
    assert done.truncated
    assert 1 <= len(done.displays) < 40
    assert (await execute(kernel, "1")).result == "1"


async def test_an_interrupt_while_something_is_displayed_is_not_lost(kernel):
    """It comes at the worst moment, while the kernel reads that its display has arrived: the code is interrupted after it."""
    done = await execute(kernel, INTERRUPTED)
    assert (done.status, done.error.type) == ("error", "KeyboardInterrupt")
    assert (await execute(kernel, "display(1); 2")).result == "2"
