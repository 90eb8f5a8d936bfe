"""Behaviour 66: who may do what at each address of the manager. The addresses come from its composition root: a new one must be placed here.

Owners alone see what is theirs, administrators alone administer, and nobody gets anything without a signature.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarterdeck.base.config import Environment
from quarterdeck.base.tasks import Wake
from quarterdeck.manager import app, config
from quarterdeck.testing import manager_fixtures, raw, tenancy

REPETITIONS = Path(__file__).parents[3] / "docs/decisions/0117-a-request-that-comes-again.md"
SECONDS_MAX = 30
"""Of all answers: a stream that should have been refused would not end."""

NOBODY = "0198c0de-0000-7000-8000-00000000dead"
TABLES = (
    *("users", "keypairs", "sessions", "session_mounts", "kernels", "allocations", "folders"),
    *("folder_invitations", "tree_removals", "agents", "registries", "rescans"),
    *("storage_host_permissions", "storage_hosts"),
)
SESSION = {"image": "python:3.11"}
SIZE = {"rows": 24, "columns": 80}
LIMITS = {"bytes": 1, "inodes": 1}
REGISTRY = {"name": "hub", "url": "http://127.0.0.1:1"}

OWN: dict[str, object] = {
    "GET /v1/sessions/{id}": None,
    "GET /v1/sessions/{id}/history": None,
    "GET /v1/sessions/{id}/events": None,
    "GET /v1/sessions/{id}/logs": None,
    "GET /v1/sessions/{id}/runs/{run}": None,
    "GET /v1/sessions/{id}/runs/{run}/stream": None,
    "GET /v1/sessions/{id}/terminals/{name}": None,
    "PUT /v1/sessions/{id}/terminals/{name}": SIZE,
    "DELETE /v1/sessions/{id}/terminals/{name}": None,
    "POST /v1/sessions/{id}/execute": {"code": "1"},
    "POST /v1/sessions/{id}/interrupt": {},
    "POST /v1/sessions/{id}/complete": {"code": "x"},
    "POST /v1/sessions/{id}/runs/{run}/input": {"number": 1, "text": "x"},
    "POST /v1/sessions/{id}/restart": None,
    "DELETE /v1/sessions/{id}": None,
    "GET /v1/folders/{id}": None,
    "GET /v1/folders/{id}/history": None,
    "PATCH /v1/folders/{id}": {"name": "x"},
    "DELETE /v1/folders/{id}": None,
    "POST /v1/folders/{id}/restore": None,
    "POST /v1/folders/{id}/purge": None,
    "POST /v1/folders/{id}/clone": {"name": "x"},
    "POST /v1/folders/{id}/grants": {"right": "read"},
    "POST /v1/folders/{id}/invitations": {"user": "bob"},
    "GET /v1/folders/{id}/invitations": None,
    "POST /v1/folders/{id}/transfer": {"user": "bob"},
    "GET /v1/invitations/{id}": None,
    "DELETE /v1/invitations/{id}": None,
    "POST /v1/invitations/{id}/accept": None,
    "POST /v1/invitations/{id}/reject": None,
}
"""What speaks of something that belongs to somebody, with a body that is well formed."""

ADMINISTRATORS: dict[str, object] = {
    "POST /v1/users": {"name": "x"},
    "GET /v1/users": None,
    "DELETE /v1/users/{id}": None,
    "GET /v1/agents": None,
    "POST /v1/agents/{id}/drain": {},
    "DELETE /v1/agents/{id}/drain": None,
    "POST /v1/registries": REGISTRY,
    "GET /v1/registries": None,
    "DELETE /v1/registries/{id}": None,
    "POST /v1/registries/{id}/rescan": None,
    "GET /v1/registries/{id}/rescan": None,
    "DELETE /v1/registries/{id}/rescan": None,
    "PUT /v1/storage-hosts/{host}/permissions/{role}": {"permissions": []},
    "GET /v1/storage-hosts/{host}/quotas/{user}": None,
    "PUT /v1/storage-hosts/{host}/quotas/{user}": LIMITS,
    "GET /v1/diagnostics": None,
}
"""What only administrators may do; of quotas everybody may see the own."""

EVERYBODY: dict[str, object] = {
    "GET /v1/users/me": None,
    "GET /v1/images": None,
    "GET /v1/images/{name:.+}": None,
    "POST /v1/sessions": SESSION,
    "GET /v1/sessions": None,
    "GET /v1/events": None,
    "POST /v1/folders": {"name": "x"},
    "GET /v1/folders": None,
    "GET /v1/invitations": None,
    "GET /v1/storage-hosts": None,
}
"""What shows or makes only one's own, or what all may see."""

ALL = OWN | ADMINISTRATORS | EVERYBODY


@pytest.fixture
def belongings(cluster, user, admin, observe, shakeout_runner) -> Iterator[dict[str, str]]:
    """What the paths speak of: a running session, a folder and an invitation to it of `user`'s, and all that administrators look after."""
    with contextlib.ExitStack() as stack:
        for manager in (
            manager_fixtures.agent(cluster),
            manager_fixtures.storage(cluster, "local"),
        ):
            kept = shakeout_runner.keep(manager)
            stack.callback(kept.close)
        kept = shakeout_runner.keep(tenancy.tenant(cluster, "carol"))
        stack.callback(kept.close)
        yield shakeout_runner.run(_belongings(user, admin, kept.value))


async def _belongings(user, admin, carol):
    session = await user.sessions.create(wait=10)
    assert session.view.status == "RUNNING"
    folder = await user.folders.create("belonging")
    invitation = await folder.invite(carol.view.name, "read")
    return {
        "session": session.id,
        "folder": folder.id,
        "invitation": invitation.id,
        "user": user.id,
    }


@pytest.fixture
def unchanged(belongings, observe):
    """Fail the test if a row changes."""
    before = dump(observe)
    yield
    assert dump(observe) == before


async def test_each_address_is_placed_here(cluster):
    """Nobody forgets one. Put a manager together as it is started, and compare its addresses with those here."""
    environment = Environment(manager_fixtures.beside(cluster))
    async with contextlib.AsyncExitStack() as stack:
        world = await app._open(config.load(environment), stack)
        found = app._routes(app._build(world, Wake()), world)
    assert {f"{one.method} {one.path}" for one in found} == ALL.keys()
    assert len(found) == len(ALL)


def test_each_address_that_changes_something_says_what_it_does_again():
    """What a repeated request does is written down. Compare the addresses that are no looks with the table of decision 0117."""
    written = re.findall(r"^\| `([A-Z]+ /v1/[^`]+)` \|", REPETITIONS.read_text(), re.MULTILINE)
    assert set(written) == {address for address in ALL if not address.startswith("GET ")}


async def test_nobody_gets_anything_without_a_signature(cluster, belongings, unchanged):
    """No address is open. Ask each without a signature, and with one of a key that nobody has."""
    url, told = cluster.address("manager.http"), {}
    async with raw.bearer(url, "me") as plainly, raw.signed(url, "nobody", "guess") as guessing:
        for address in ALL:
            method, path, body = asked(address, belongings)
            answers = await plainly(method, path, data=body), await guessing(method, path, body)
            told[address] = [(one.status, one.code) for one in answers]
    refused = [(401, "unauthenticated"), (401, "signature-mismatch")]
    assert {address: found for address, found in told.items() if found != refused} == {}


async def test_what_belongs_to_somebody_else_does_not_exist(
    cluster, other_user, belongings, unchanged
):
    """404 for the things of others. Ask for another's and for what never was: no word of the answers differs."""
    told = {}
    async with raw.as_user(other_user) as send, asyncio.timeout(SECONDS_MAX):
        for address in OWN:
            stolen = await send(*asked(address, belongings))
            missing = await send(*asked(address, dict.fromkeys(belongings, NOBODY)))
            told[address] = (stolen.status, said(stolen), said(missing))
    assert {status for status, *_ in told.values()} == {404}, told
    assert {address: one for address, one in told.items() if one[1] != one[2]} == {}


async def test_administration_is_for_administrators(cluster, other_user, belongings, unchanged):
    """403 for everybody else. Ask about what is there and about what is not: no word of the answers differs."""
    told = {}
    async with raw.as_user(other_user) as send:
        for address in ADMINISTRATORS:
            answer = await send(*asked(address, belongings))
            missing = await send(*asked(address, dict.fromkeys(belongings, NOBODY)))
            told[address] = (answer.status, answer.code, said(answer) == said(missing))
    assert {address: one for address, one in told.items() if one != (403, "forbidden", True)} == {}


def asked(address, belongings):
    """Return method, path and body of a well-formed request to an address."""
    method, path = address.split(" ")
    kind = path.split("/")[2].removesuffix("s")
    names = {
        "id": "stub" if kind == "agent" else belongings.get(kind, belongings["user"]),
        "run": NOBODY,
        "name": "t",
        "host": "local",
        "role": "user",
        "user": belongings["user"],
    }
    target = path.replace("{name:.+}", "python:3.11").format_map(names)
    body = ALL[address]
    return method, target, b"" if body is None else json.dumps(body).encode()


def said(answer):
    """Return a problem without what differs for each request."""
    return {key: value for key, value in json.loads(answer.body).items() if key != "trace"}


def dump(observe):
    return {table: observe.rows(f"SELECT * FROM {table} ORDER BY 1") for table in TABLES}
