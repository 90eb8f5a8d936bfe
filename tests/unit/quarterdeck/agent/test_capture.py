"""Bounded memory of output: the end of it."""

from quarterdeck.agent.kernels.capture import Tail


def test_tail_keeps_the_end():
    tail = Tail(5)
    for piece in (b"ab", b"cdefgh", b"", b"i"):
        tail.add(piece)
    assert tail.text() == "efghi"
    tail.add(b"0123456789")
    assert tail.text() == "56789"
