"""What a run wrote, read from any offset: nothing lost or doubled within bounds, and what is lost is counted."""

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.agent.kernels.record import Kind, Record

PIECES = st.lists(st.tuples(st.sampled_from([Kind.STDOUT, Kind.STDERR]), st.text(max_size=9)))


def whole(record, offset=0):
    """All that is kept from an offset on, as letters with their streams, and what was skipped."""
    letters, skipped = [], 0
    while True:
        part = record.read(offset)
        letters += [(piece.kind, letter) for piece in part.pieces for letter in piece.text]
        skipped += part.skipped
        if part.offset == offset:
            return letters, skipped
        offset = part.offset


@given(PIECES, st.integers(0, 60))
def test_every_offset_gives_the_rest_in_order(pieces, offset):
    record = Record()
    for kind, text in pieces:
        record.write(kind, text)
    written = [(kind, letter) for kind, text in pieces for letter in text]
    assert record.written == len(written)
    assert whole(record, offset) == (written[offset:], 0)


@given(PIECES)
def test_within_small_bounds_the_beginning_and_the_end_are_kept_and_the_rest_is_counted(pieces):
    record = Record(characters_max=8, pieces_max=4)
    for kind, text in pieces:
        record.write(kind, text)
    written = [(kind, letter) for kind, text in pieces for letter in text]
    kept, skipped = whole(record)
    assert len(kept) + skipped == len(written)
    head = record.read(0)
    count = head.offset if head.skipped == 0 else 0
    assert kept[:count] == written[:count]
    assert kept[count:] == written[len(written) - len(kept) + count :]
    assert record.size <= 4 * (8 + 9)


def test_flood_keeps_the_first_and_the_last():
    record = Record(characters_max=10)
    for number in range(100):
        record.write(Kind.STDOUT, f"{number:02}")
    first = record.read(0)
    assert first.text(Kind.STDOUT) == "0001020304"
    rest = record.read(first.offset)
    assert rest.text(Kind.STDOUT).endswith("9596979899")
    assert rest.skipped == 200 - 10 - len(rest.text(Kind.STDOUT))
    assert rest.offset == record.written == 200
    assert record.read(200).pieces == ()
    assert record.read(10_000).offset == 200


def test_things_shown_have_their_place():
    record = Record()
    record.write(Kind.STDOUT, "a")
    record.show({"text/plain": "b"})
    record.write(Kind.STDERR, "cc")
    part = record.read(0)
    assert part.order() == (("stdout", 1), ("display", 1), ("stderr", 2))
    assert record.read(1).pieces[0].data == {"text/plain": "b"}
    assert record.read(2).order() == ()
    assert record.read(3).text(Kind.STDERR) == "c"


def test_letters_one_by_one_are_few_pieces():
    record = Record()
    for _ in range(10_000):
        record.write(Kind.STDOUT, "x")
    assert len(record.read(0).pieces) < 10
