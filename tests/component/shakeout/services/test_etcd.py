"""etcd as Shakeout runs it: seed, round trip over its gateway, restarts and kills that keep the data."""

import base64
import json

import pytest

from shakeout.services.etcd import Etcd
from shakeout.system import loopback
from shakeout.system.model import System

SYSTEM = System("charts", services=(Etcd(seed=lambda place: {"/chart": place.address("etcd")}),))


async def ask(cluster, path, **body):
    port = cluster.place("etcd").port("client")
    answer = await loopback.request(port, "POST", path, body=json.dumps(body).encode())
    assert answer.status == 200
    return json.loads(answer.body)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


async def value(cluster, key):
    found = await ask(cluster, "/v3/kv/range", key=encoded(key))
    return base64.b64decode(found["kvs"][0]["value"]).decode()


async def test_the_seed_is_there_and_knows_addresses(booted):
    async with booted(SYSTEM) as cluster:
        assert await value(cluster, "/chart") == cluster.address("etcd")


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_changed_keys_survive_and_are_not_seeded_again(booted, end):
    async with booted(SYSTEM) as cluster:
        await ask(cluster, "/v3/kv/put", key=encoded("/chart"), value=encoded("redrawn"))
        await getattr(cluster, end)("etcd")
        await cluster.start("etcd")
        assert await value(cluster, "/chart") == "redrawn"


async def test_leases_of_a_second_are_possible(booted):
    async with booted(SYSTEM) as cluster:
        granted = await ask(cluster, "/v3/lease/grant", TTL=1)
        assert granted["TTL"] == "1"
