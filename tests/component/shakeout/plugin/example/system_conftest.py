"""The conftest of the project that a test runs pytest in: which system, and how to ask its parts."""

import json
import urllib.request

import parts
import pytest

from shakeout.system import loopback


@pytest.fixture(scope="session")
def system():
    return parts.healthy


@pytest.fixture
def ask():
    """Ask a part by a GET, as a coroutine; an answer is JSON."""

    async def ask(cluster, name, path):
        port = cluster.place(name).port("http")
        return json.loads((await loopback.request(port, "GET", path)).body)

    return ask


@pytest.fixture
def ask_now():
    """The same without asyncio."""

    def ask_now(cluster, name, path):
        url = f"{cluster.address(f'{name}.http')}{path}"
        with urllib.request.urlopen(url) as answer:
            return json.loads(answer.read())

    return ask_now
