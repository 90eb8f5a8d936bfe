"""Who is told that nothing could be done finds nothing done: each message between manager and database is lost once in requests that write."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from quarterdeck.testing import manager_fixtures, raw, system
from shakeout.explore import everywhere

pytestmark = pytest.mark.links

SECONDS_MAX = 20
MARGIN = 2
"""Messages of loops come in between: a few more than were counted."""


@dataclass(frozen=True)
class Begin:
    """How what a request is about is made by a name, and found."""

    path: str
    body: Callable[[str], object]
    found: str


@dataclass(frozen=True)
class Write:
    """A request of an administrator that changes one thing: what it is about is `name`, or the id of what `begin` has made of it."""

    method: str
    path: str
    done: str
    """SQL that tells of a name or an id whether it was done."""
    body: Callable[[str], object] = lambda _: None
    begin: Begin | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def named(name):
    return {"name": name}


def session(name):
    return {"name": name, "image": "python:3.11"}


USER = Begin("/v1/users", named, "SELECT id::text FROM users WHERE name = %s")
SESSION = Begin("/v1/sessions?wait=5", session, "SELECT id::text FROM sessions WHERE name = %s")
FOLDER = Begin("/v1/folders", named, "SELECT id::text FROM folders WHERE name = %s")
WRITES = [
    Write("POST", "/v1/users", "SELECT count(*) > 0 FROM users WHERE name = %s", named),
    Write(
        *("DELETE", "/v1/users/{}", "SELECT deleted_at IS NOT NULL FROM users WHERE id = %s"),
        begin=USER,
    ),
    Write("POST", "/v1/sessions", "SELECT count(*) > 0 FROM sessions WHERE name = %s", session),
    Write(
        *("POST", "/v1/sessions?wait=5", "SELECT count(*) > 0 FROM sessions WHERE name = %s"),
        body=session,
    ),
    Write(
        *("DELETE", "/v1/sessions/{}", "SELECT status LIKE 'TERM%%' FROM sessions WHERE id = %s"),
        begin=SESSION,
    ),
    Write(
        *("POST", "/v1/sessions/{}/restart"),
        "SELECT count(*) > 0 FROM session_history WHERE session_id = %s AND to_status = 'RESTARTING'",
        begin=SESSION,
    ),
    Write("POST", "/v1/folders", "SELECT count(*) > 0 FROM folders WHERE name = %s", named),
    Write(
        *("DELETE", "/v1/folders/{}", "SELECT status <> 'READY' FROM folders WHERE id = %s"),
        begin=FOLDER,
    ),
    Write(
        *("PATCH", "/v1/folders/{}", "SELECT name LIKE 'new-%%' FROM folders WHERE id = %s"),
        body=lambda id_: {"name": f"new-{id_[-8:]}"},
        begin=FOLDER,
    ),
]


class Asked:
    """Sends requests as an administrator, and knows the last answer."""

    def __init__(self, send, observe):
        self.send = send
        self.observe = observe
        self.answer = None
        self.names = (f"thing-{number}" for number in itertools.count())

    async def prepared(self, write):
        """What a request is to be about."""
        name = next(self.names)
        if write.begin is None:
            return name
        made = await self.send("POST", write.begin.path, encode(write.begin.body(name)))
        assert made.status == 201
        return self.observe.value(write.begin.found, name)

    async def ask(self, write, about):
        body = write.body(about)
        encoded = b"" if body is None else encode(body)
        self.answer = await self.send(write.method, write.path.format(about), encoded)


def encode(value):
    return json.dumps(value).encode()


@pytest.fixture
def asked(private_cluster, observe, shakeout_runner):
    """An administrator's requests, to a manager with an agent and a storage host that only pretend."""
    keys, url = system.keys, private_cluster.address("manager.http")
    kept = [
        shakeout_runner.keep(manager_fixtures.agent(private_cluster, cpu=100)),
        shakeout_runner.keep(manager_fixtures.storage(private_cluster, "local")),
        shakeout_runner.keep(raw.signed(url, keys.admin_access_key, keys.admin_secret_key)),
    ]
    yield Asked(kept[-1].value, observe)
    for each in reversed(kept):
        each.close()


@pytest.mark.parametrize("write", WRITES, ids=str)
async def test_what_was_said_not_to_be_done_was_not_done(private_cluster, asked, observe, write):
    """Behaviour 62: `unavailable` is no guess. Lose each message of a request to and from the database; compare what is told with the rows."""
    link = private_cluster.links.link("manager", "postgres")
    about = await asked.prepared(write)
    sent = await everywhere.sent(link, partial(asked.ask, write, about))
    assert asked.answer.status < 300
    told = []
    for number in range(1, len(sent) + MARGIN + 1):
        about = await asked.prepared(write)
        work = partial(asked.ask, write, about)
        await everywhere.visit(link, number, work, lose, within=SECONDS_MAX)
        done = bool(observe.value(write.done, about))
        told.append((number, asked.answer.status, asked.answer.code, done))
    assert [one for one in told if one[1] == 503 and one[3]] == [], told
    assert [one for one in told if one[1] < 300 and not one[3]] == [], told


async def lose(trap, _message):
    await trap.lose()
    return True
