"""Leases of ports, between processes."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from shakeout.process import errors, ports

HOLD = """
import sys
from pathlib import Path
from shakeout.process import ports
leases = ports.lease_many(Path(sys.argv[1]), 20)
print(*(lease.port for lease in leases), flush=True)
sys.stdin.read()
"""


def test_leases_of_two_processes_differ_and_end_with_them(
    home: Path, inherited: None, monkeypatch
):
    monkeypatch.setattr(ports, "PORT_MAX", ports.PORT_MIN + 39)
    script = HOLD.replace("leases =", f"ports.PORT_MAX = {ports.PORT_MAX}; leases =")
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        theirs = {int(port) for port in other.stdout.readline().split()}
        ours = [ports.lease(home) for _ in range(10)]
        assert len(theirs) == 20
        assert theirs.isdisjoint(lease.port for lease in ours)
        other.kill()
        other.wait()
    again = ports.lease_many(home, 20)
    assert theirs & {lease.port for lease in again}
    ports.release_all([*ours, *again])


def test_port_that_somebody_listens_on_is_not_leased(home: Path, monkeypatch):
    with ports.lease(home) as lease, lease.listen() as listening:
        monkeypatch.setattr(ports, "PORT_MIN", lease.port)
        monkeypatch.setattr(ports, "PORT_MAX", lease.port)
        assert listening.getsockname() == ("127.0.0.1", lease.port)
        with pytest.raises(errors.NoFreePort):
            ports.lease(home / "another")


def test_exhausted_range_leases_all_or_none(home: Path, monkeypatch):
    monkeypatch.setattr(ports, "PORT_MAX", ports.PORT_MIN + 9)
    with pytest.raises(errors.NoFreePort):
        ports.lease_many(home, 11)
    leases = ports.lease_many(home, 5)
    ports.release_all(leases)
    ports.release_all(leases)


def test_released_port_can_be_had_again(home: Path, monkeypatch):
    with ports.lease(home) as lease:
        port = lease.port
    monkeypatch.setattr(ports, "PORT_MIN", port)
    monkeypatch.setattr(ports, "PORT_MAX", port)
    with ports.lease(home) as again, again.listen():
        socket.create_connection((ports.LOOPBACK, port)).close()


def test_forgotten_lease_warns(home: Path):
    lease = ports.lease(home)
    with pytest.warns(ResourceWarning, match=str(lease.port)):
        del lease
