"""Answers in every framing are read, however they are cut; what breaks off or is not HTTP is told, never a wrong body."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.base import http1

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", True),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
    "close": (b"HTTP/1.1 200\r\ncontent-length:3\r\nConnection: close\r\n\r\nabc", b"abc", False),
    "until the end": (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end", False),
    "chunks": (
        CHUNKED + b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
        b"abc0123456789",
        True,
    ),
    "no chunks": (CHUNKED + b"0\r\n\r\n", b"", True),
    "interim": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"x",
        True,
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
}


def fed(*pieces, method="GET", end=True):
    """Return an answer and its body after these pieces and the end of the connection."""
    answer = http1.Answer(method)
    body = b""
    for piece in pieces:
        answer.feed(piece)
        body += answer.take()
    if end:
        answer.feed_end()
    return answer, body + answer.take()


@pytest.mark.parametrize(("data", "body", "reusable"), ANSWERS.values(), ids=ANSWERS)
def test_answer_is_read_however_it_is_cut(data, body, reusable):
    for at in range(len(data) + 1):
        answer, got = fed(data[:at], data[at:])
        assert (got, answer.complete, answer.reusable) == (body, True, reusable)
    _, got = fed(*(data[at : at + 1] for at in range(len(data))))
    assert got == body


def test_head_has_no_body():
    answer, body = fed(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", method="HEAD", end=False)
    assert (answer.complete, body) == (True, b"")


def test_headers_are_read_without_regard_to_case():
    data = b"HTTP/1.1 404 Not Found\r\nX-Request-ID:  t1 \r\nContent-Length: 0\r\n\r\n"
    answer, _ = fed(data)
    assert (answer.status, answer.headers["x-request-id"]) == (404, "t1")


def test_what_comes_unasked_makes_the_connection_unusable():
    good = ANSWERS["length"][0]
    assert not fed(good + b"HTTP/1.1 200 OK")[0].reusable
    assert not fed(good, b"x")[0].reusable


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * http1.HEAD_BYTES_MAX,
        CHUNKED + b"3\r\nab",
        CHUNKED + b"zz\r\nab",
        CHUNKED + b"0x3\r\nabc\r\n",
        CHUNKED + b"-3\r\n",
        CHUNKED + b"3\r\nabc\r\n",
        CHUNKED + b"3" * 300,
        CHUNKED + b"0\r\nTrailer: x\r\n",
    ],
)
def test_broken_answer_is_told(data):
    with pytest.raises(http1.Broken, match=r"answer|server"):
        fed(data)


@settings(deadline=None)
@given(st.binary(), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", CHUNKED]), st.integers(0, 50))
def test_any_answer_is_read_or_told(data, start, at):
    with contextlib.suppress(http1.Broken):
        fed((start + data)[:at], (start + data)[at:])


def test_request_head():
    head = http1.request_head("POST", "/x?y", {"Host": "h"}, 4)
    assert head == b"POST /x?y HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
    assert b"Content-Length: 0" in http1.request_head("POST", "/", {}, 0)
    assert b"Content-Length" not in http1.request_head("GET", "/", {}, 0)
    assert http1.request_head("PUT", "/", {"Content-Length": "9"}, 0).count(b"Content-Length") == 1


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nb", "a\rb"])
def test_line_break_in_a_header_is_refused(value):
    with pytest.raises(ValueError, match="line break"):
        http1.request_head("GET", "/", {"Authorization": value}, 0)
