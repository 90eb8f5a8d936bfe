"""Bounded memory of output: the end of it."""

from quarterdeck.agent.kernels.capture import Tail
from quarterdeck.wire.sessions import Logs


def test_tail_keeps_the_end():
    tail = Tail(5)
    for piece in (b"ab", b"cdefgh", b"", b"i"):
        tail.add(piece)
    assert tail.logs().text == "efghi"
    tail.add(b"0123456789")
    assert tail.logs().text == "56789"


def test_tail_counts_all_characters():
    """Whoever follows knows by the count what is new. Write more than is kept, characters in two pieces, and what is no text."""
    tail = Tail(5)
    for piece in (b"abcdefgh", b"\xc3"):
        tail.add(piece)
    assert tail.logs() == Logs("efgh", 8)
    tail.add(b"\xa4\xff")
    assert tail.logs() == Logs("gh\xe4\N{REPLACEMENT CHARACTER}", 10)
    tail.add(b"\xe2\x82")
    assert tail.logs() == Logs("\xe4\N{REPLACEMENT CHARACTER}", 10)
    tail.close()
    assert tail.logs() == Logs("\xe4" + 2 * "\N{REPLACEMENT CHARACTER}", 11)
