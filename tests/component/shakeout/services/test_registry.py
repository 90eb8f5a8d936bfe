"""The registry as Shakeout runs it: open, with a password, with tokens; what was stored survives a restart; links break it."""

import base64

import pytest

from shakeout import skips
from shakeout.services import registry
from shakeout.services.registry import Access, Registry
from shakeout.system import loopback
from shakeout.system.model import System


def system(**options):
    service = Registry(**options)
    skips.require(*service.programs)
    return System("pier", services=(service,))


def port(cluster):
    return cluster.place("registry").port("http")


async def ask(cluster, path, headers=None):
    return await loopback.request(port(cluster), "GET", path, headers=headers)


async def test_open_registry_serves_everybody(booted):
    async with booted(system()) as cluster:
        answer = await ask(cluster, "/v2/_catalog")
        assert (answer.status, answer.body) == (200, b'{"repositories":[]}\n')


async def test_registry_with_a_password_asks_for_it(booted):
    async with booted(system(access=Access.PASSWORD)) as cluster:
        assert (await ask(cluster, "/v2/")).status == 401
        for password, status in ((registry.PASSWORD, 200), ("guess", 401)):
            shown = base64.b64encode(f"{registry.USER}:{password}".encode()).decode()
            answer = await ask(cluster, "/v2/", {"Authorization": f"Basic {shown}"})
            assert answer.status == status


async def test_registry_with_tokens_refuses_a_stranger(booted):
    async with booted(system(access=Access.TOKEN)) as cluster:
        assert (
            await ask(cluster, "/v2/", {"Authorization": "Bearer no.such.token"})
        ).status == 401
        assert (cluster.place("registry").directory / "key.pem").exists()


async def test_what_was_stored_survives_a_restart(booted):
    async with booted(system()) as cluster:
        hold = cluster.place("registry").directory / registry.REPOSITORIES / "hold"
        for part in ("_layers", "_manifests"):
            (hold / part).mkdir(parents=True)
        await cluster.restart("registry")
        assert (await ask(cluster, "/v2/_catalog")).body == b'{"repositories":["hold"]}\n'


async def test_registry_is_behind_a_link(booted):
    async with booted(system(), links=True) as cluster:
        front = int(cluster.public_address("registry").rpartition(":")[2])
        assert (await loopback.request(front, "GET", "/v2/")).status == 200
        await cluster.stop("registry")
        with pytest.raises(ConnectionResetError):
            await loopback.request(front, "GET", "/v2/")
