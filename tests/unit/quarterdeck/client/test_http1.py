"""A blocking exchange over a socket; an answer before all is sent counts, silence ends in time."""

import contextlib
import select
import socket
import threading

import pytest

from quarterdeck.client import http1


@pytest.fixture
def server():
    """A listening socket and what a thread does with its first connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve(talk):
        def accept():
            connection, _ = listener.accept()
            with connection:
                talk(connection)

        threads.append(threading.Thread(target=accept))
        threads[0].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for thread in threads:
        thread.join()
    listener.close()


def test_exchange_over_a_socket(server):
    got = []

    def talk(connection):
        got.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with contextlib.closing(http1.Connection(server(talk), 5)) as connection:
        response = connection.request("POST", "/x?y", {"Host": "h"}, b"body", seconds=5)
        assert response.read() == b"ok"
    assert got == [b"POST /x?y HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"]


def test_connection_that_was_closed_between_two_requests_is_over(server):
    """A manager may be another one by the next request. Look after an answer, and after the server has closed."""
    seen, closed = threading.Event(), threading.Event()

    def talk(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        seen.wait(5)
        connection.close()
        closed.set()

    with contextlib.closing(http1.Connection(server(talk), 5)) as connection:
        connection.request("GET", "/", {"Host": "h"}, b"", seconds=5).read()
        over = connection.is_over
        seen.set()
        assert not over
        assert closed.wait(5)
        assert connection.is_over


def test_answer_before_all_is_sent_is_an_answer(server):
    def talk(connection):
        connection.recv(10)
        connection.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    with contextlib.closing(http1.Connection(server(talk), 5)) as connection:
        blocks = (bytes(65536) for _ in range(64))
        headers = {"Host": "h", "Content-Length": str(64 * 65536)}
        assert connection.request("PUT", "/x", headers, blocks, seconds=5).status == 413


def test_head_goes_with_the_first_block(server):
    """A small file is one packet. Look, when the first block is asked for, whether the server has anything yet; read both at once."""
    accepted: list[socket.socket] = []
    got: list[bytes] = []
    entered, asked = threading.Event(), threading.Event()

    def talk(connection):
        accepted.append(connection)
        entered.set()
        asked.wait(5)
        while not b"".join(got).endswith(b"second") and (block := connection.recv(65536)):
            got.append(block)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def blocks():
        entered.wait(5)
        sent = select.select(accepted, [], [], 0)[0]
        asked.set()
        assert sent == []
        yield b"first, "
        yield b"second"

    with contextlib.closing(http1.Connection(server(talk), 5)) as connection:
        headers = {"Host": "h", "Content-Length": "13"}
        assert connection.request("PUT", "/x", headers, blocks(), seconds=5).status == 200
    assert b"\r\n\r\nfirst, " in got[0]


def test_silence_times_out(server):
    released = threading.Event()
    url = server(lambda _: released.wait(5))
    with contextlib.closing(http1.Connection(url, 5)) as connection:
        with pytest.raises(TimeoutError):
            connection.request("GET", "/", {}, b"", seconds=0.02)
        released.set()
