"""Events are the same however the bytes are cut; whoever follows gets each row once and knows when to give up."""

import json

import pytest

from quarterdeck.client import comeback, events
from quarterdeck.client.errors import Refused, Unreachable

STREAM = (
    b"retry: 500\n\n: keep-alive\nid: 4\n\n"
    b'id: 5\nevent: session\ndata: {"seq": 5, "x": "\xc3\xa9"}\n\n'
    b"event: note\r\ndata: one\r\ndata: two\r\n\r\ndata\n\n"
)


def session(seq):
    return f"id: {seq}\nevent: session\ndata: {json.dumps({'seq': seq})}\n\n".encode()


def following(*chunks, after=None):
    made = events.Following("/v1/events", after)
    with made.stream():
        for chunk in chunks:
            list(made.take(chunk))
    return made


def broken(made, error):
    with made.stream():
        raise error


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_do_not_depend_on_how_bytes_are_cut(size):
    parser = events.Parser()
    found: list[events.Event] = []
    for at in range(0, len(STREAM), size):
        found += parser.feed(STREAM[at : at + size])
    assert found == [
        events.Event("session", '{"seq": 5, "x": "é"}', "5"),
        events.Event("note", "one\ntwo", "5"),
        events.Event("message", "", "5"),
    ]


def test_event_without_end_is_no_event():
    parser = events.Parser()
    with pytest.raises(Unreachable):
        list(parser.feed(b"data: " + b"x" * (events.EVENT_BYTES_MAX + 1)))


def test_rows_come_once():
    made = events.Following("/v1/events")
    assert [row["seq"] for row in made.take(session(3) + session(4))] == [3, 4]
    assert made.request().query == (("after", "4"),)
    with made.stream():
        assert [row["seq"] for row in made.take(session(4) + session(6))] == [6]


def test_position_that_is_told_without_an_event_counts():
    assert following(b": keep-alive\nid: 9\n\n").request().query == (("after", "9"),)
    assert events.Following("/v1/events").request().query == ()


def test_end_ends_it():
    made = following(session(1))
    assert not made.ended
    assert list(made.take(b"event: end\ndata: {}\n\n")) == []
    assert made.ended


def test_stream_that_breaks_off_is_asked_for_again_and_pauses_grow():
    made = following(session(1))
    assert [made.come_back(0.0) for _ in range(3)] == [0.05, 0.1, 0.2]
    list(made.take(session(2)))
    assert made.come_back(0.0) == 0.05


@pytest.mark.parametrize(
    "error", [Unreachable("away"), Refused(503, "unavailable", "x"), Refused(429, "x", "x")]
)
def test_platform_that_was_there_is_waited_for_but_not_for_ever(error):
    made = following(session(1))
    broken(made, error)
    made.come_back(100.0)
    made.come_back(100.0 + comeback.AWAY_SECONDS_MAX - 1)
    with pytest.raises(type(error)):
        made.come_back(100.0 + comeback.AWAY_SECONDS_MAX)


@pytest.mark.parametrize(
    ("error", "seen"),
    [(Refused(404, "session-not-found", "x"), True), (Unreachable("away"), False)],
)
def test_refusal_and_a_platform_that_never_answered_are_errors_at_once(error, seen):
    made = following(*([session(1)] if seen else []))
    broken(made, error)
    with pytest.raises(type(error)):
        made.come_back(0.0)


@pytest.mark.parametrize("content_type", [None, "text/html", "application/json; charset=utf-8"])
def test_page_of_another_server_is_no_stream(content_type):
    """Nobody follows a page for ever. What says that it is no stream of events is none."""
    with pytest.raises(Unreachable, match="not a stream of events"):
        events.require_stream(content_type)
    events.require_stream("text/event-stream; charset=utf-8")
