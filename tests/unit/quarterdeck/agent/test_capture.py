"""Bounded memory of output: the beginning or the end of it, cut between characters."""

from quarterdeck.agent.kernels.capture import Head, Tail


def test_head_keeps_the_beginning_and_says_that_it_was_cut():
    head = Head(5)
    head.add(b"abc")
    head.add(b"de")
    assert (head.text(), head.truncated) == ("abcde", False)
    head.add(b"f")
    assert (head.text(), head.truncated) == ("abcde", True)


def test_head_leaves_out_a_character_that_was_cut_in_two():
    head = Head(4)
    head.add("ab\N{EURO SIGN}".encode())
    assert (head.text(), head.truncated) == ("ab", True)


def test_head_replaces_what_is_no_text():
    head = Head()
    head.add(b"a\xff\xe2\x82")
    assert head.text() == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"


def test_tail_keeps_the_end():
    tail = Tail(5)
    for piece in (b"ab", b"cdefgh", b"", b"i"):
        tail.add(piece)
    assert tail.text() == "efghi"
    tail.add(b"0123456789")
    assert tail.text() == "56789"
