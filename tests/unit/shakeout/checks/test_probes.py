"""What probes make of the answers of stores."""

import asyncio
import base64
import os
import socket

import pytest

from shakeout.checks import etcd, files, postgres, processes, redis


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_postgres_joins_sessions_of_an_application():
    rows = [("idle", "manager", str(pid), "SELECT 1") for pid in (1, 2)]
    assert postgres.things(rows) == {"session of manager": "backend 1: SELECT 1"}


def test_postgres_tells_sessions_that_are_not_idle_apart():
    rows = [
        ("idle", "manager", "1", ""),
        ("idle in transaction", "manager", "2", "UPDATE sessions"),
        ("advisory lock", "manager", "2", "0/7"),
        ("prepared transaction", "shakeout", "gid", ""),
    ]
    assert set(postgres.things(rows)) == {
        "session of manager",
        "idle in transaction of manager #1",
        "advisory lock of manager #1",
        "prepared transaction of shakeout #1",
    }


def test_postgres_a_busy_session_makes_its_application_known():
    busy = postgres.things([("active", "manager", "1", "SELECT 1")])
    idle = postgres.things([("idle", "manager", "1", "SELECT 1")])
    assert set(idle) <= set(busy)


def test_etcd_names_keys_and_the_lease_behind_them():
    keys = {"kvs": [{"key": encoded("/a")}, {"key": encoded("/b"), "lease": "7"}]}
    leases = {"leases": [{"ID": "7"}, {"ID": "8"}, {"ID": "9"}]}
    assert etcd.things(keys, leases) == {
        "/a": "kept for ever",
        "/b": "kept by lease 7",
        "lease without a key #1": "id 8",
        "lease without a key #2": "id 9",
    }


async def test_etcd_that_is_away_is_one_error():
    """Whoever looks catches it by its name. Ask where nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await etcd.KeysAndLeases("etcd keys", nobody.getsockname()[1]).snapshot()


def test_etcd_may_be_empty():
    assert etcd.things({"header": {}}, {"header": {}}) == {}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("sleep\x001000\0", "sleep 1000"),
        ("/usr/bin/sleep\x001000\0", "/usr/bin/sleep 1000"),
        (f"/{'long/' * 20}python\0-c\0input()\0", "python -c input()"),
        (f"/long/sh\0{'x' * 100}\0", f"sh {'x' * 76}…"),
        ("", ""),
    ],
)
def test_processes_are_told_by_what_they_do_not_by_where_their_program_lies(line, told):
    assert processes.shortened(line) == told


def test_redis_finds_the_databases_in_use():
    assert redis.databases("# Keyspace\r\ndb0:keys=1,expires=0\r\ndb12:keys=3\r\n") == [0, 12]
    assert redis.databases("# Keyspace\r\n") == []


@pytest.mark.parametrize(
    ("wire", "reply"),
    [
        (b"+OK\r\n", "OK"),
        (b":12\r\n", 12),
        (b"$5\r\na\r\nbc\r\n", "a\r\nbc"),
        (b"$-1\r\n", None),
        (b"*2\r\n$1\r\na\r\n:1\r\n", ["a", 1]),
        (b"*0\r\n", []),
    ],
)
async def test_redis_reads_replies(wire, reply):
    reader = asyncio.StreamReader()
    reader.feed_data(wire)
    assert await redis.read_reply(reader) == reply


@pytest.mark.parametrize(
    ("wire", "error"), [(b"-NOAUTH\r\n", redis.RedisRefused), (b"", ConnectionResetError)]
)
async def test_redis_reports_errors(wire, error):
    reader = asyncio.StreamReader()
    reader.feed_data(wire)
    reader.feed_eof()
    with pytest.raises(error):
        await redis.read_reply(reader)


def test_ports_count_each_socket_once():
    listening = {10: {501: 8000}, 11: {501: 8000, 502: 8001}}
    assert processes.ports(listening, {10: "manager", 11: "manager"}) == {
        "manager: listening port #1": "port 8000, held by pid 10",
        "manager: listening port #2": "port 8001, held by pid 11",
    }


async def test_files_are_named_below_their_owner(tmp_path):
    (tmp_path / "scratch" / "kernel").mkdir(parents=True)
    (tmp_path / "scratch" / "note").write_text("four")
    (tmp_path / "log").write_text("kept")
    probe = files.Files("files of agent", {"agent-1": tmp_path}, ("scratch/*",))
    assert await probe.snapshot() == {
        "agent-1/scratch/kernel": "directory with 0 entries: ",
        "agent-1/scratch/note": "4 bytes",
    }


async def test_files_that_go_during_the_look_are_no_failure(tmp_path, monkeypatch):
    """A directory is removed after it was listed and before it is looked into."""
    going = tmp_path / "going"
    going.mkdir()
    (tmp_path / "staying").write_text("four")
    scan = os.scandir

    def remove_and_scan(directory):
        if os.fspath(directory) == str(going):
            going.rmdir()
        return scan(directory)

    monkeypatch.setattr(os, "scandir", remove_and_scan)
    probe = files.Files("objects", {"s3": tmp_path}, ("**/*",), directories=False)
    assert await probe.snapshot() == {"s3/staying": "4 bytes"}
    assert not going.exists()


def test_redis_keys_that_begin_alike_stay_apart():
    """No leak hides behind a key that was there before. Compare long keys that differ at their end."""
    one, other = (redis.label(0, f"session:{'x' * 300}{end}") for end in "ab")
    assert one != other
    assert max(map(len, (one, other))) < 220
