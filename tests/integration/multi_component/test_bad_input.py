"""Bad input to every address of every component: a 4xx problem with a stable code and the field, and nothing changes.

`ADDRESSES` lists what the components serve; each kind of mistake is tried on each address that it fits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import raw, system
from quarterdeck.wire import agents, problem

NOBODY = "0198c0de-0000-7000-8000-00000000dead"
OVERSIZED = b'{"name": "' + b"x" * 2 * 1024 * 1024 + b'"}'
WATCHED = (
    "users",
    "keypairs",
    "folders",
    "tree_removals",
    "sessions",
    "session_mounts",
    "kernels",
    "allocations",
)


@dataclass(frozen=True)
class Address:
    """One thing that can be asked, well formed; `id` in its path stands for something that belongs to `user`."""

    component: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    required: tuple[str, ...] = ()
    wrong: Mapping[str, Any] = field(default_factory=dict)
    """Values that are not allowed, by dotted field."""
    admin: bool = False

    def __str__(self) -> str:
        return f"{self.component} {self.method} {self.path}"


SESSION = {"image": "python:3.11", "slots": {"cpu": 1, "memory_mib": 64}, "mounts": []}
KERNEL = {"session": NOBODY, "image": "python:3.11", "slots": {"cpu": 1, "memory_mib": 64}}
SIZE = {"rows": 24, "columns": 80}
REPLY = {"number": 1, "text": "x"}

ADDRESSES = (
    Address(
        "manager",
        "POST",
        "/v1/users",
        {"name": "x"},
        ("name",),
        {"name": "No Capitals", "role": "king"},
        admin=True,
    ),
    Address("manager", "GET", "/v1/users", admin=True),
    Address("manager", "GET", "/v1/users/me"),
    Address("manager", "DELETE", "/v1/users/{user}", admin=True),
    Address("manager", "GET", "/v1/agents", admin=True),
    Address(
        *("manager", "POST", "/v1/agents/nobody/drain", {"deadline_seconds": 1}),
        wrong={"deadline_seconds": -1},
        admin=True,
    ),
    Address("manager", "DELETE", "/v1/agents/nobody/drain", admin=True),
    Address("manager", "GET", "/v1/images"),
    Address(
        *("manager", "POST", "/v1/sessions", SESSION, ("image",)),
        {
            "image": 3,
            "name": "-",
            "slots.cpu": 0,
            "slots.memory_mib": "much",
            "mounts": [{"folder": "x", "path": "y"}],
            "environment": {"1": "x"},
        },
    ),
    Address("manager", "GET", "/v1/sessions"),
    Address("manager", "GET", "/v1/sessions/{session}"),
    Address("manager", "GET", "/v1/sessions/{session}/history"),
    Address("manager", "GET", "/v1/sessions/{session}/logs"),
    Address(
        "manager",
        "POST",
        "/v1/sessions/{session}/execute",
        {"code": "1"},
        ("code",),
        {"code": ["1"]},
    ),
    Address("manager", "GET", "/v1/sessions/{session}/runs/{session}"),
    Address("manager", "GET", "/v1/sessions/{session}/runs/{session}/stream"),
    Address(
        *("manager", "POST", "/v1/sessions/{session}/runs/{session}/input", REPLY, tuple(REPLY)),
        {"number": 0, "text": 1},
    ),
    Address("manager", "POST", "/v1/sessions/{session}/interrupt", {}, (), {"run": "x"}),
    Address(
        *("manager", "POST", "/v1/sessions/{session}/complete", {"code": "x"}, ("code",)),
        {"code": None, "cursor": -1},
    ),
    Address("manager", "PUT", "/v1/sessions/{session}/terminals/t", SIZE, (), {"rows": 0}),
    Address("manager", "GET", "/v1/sessions/{session}/terminals/t"),
    Address("manager", "DELETE", "/v1/sessions/{session}/terminals/t"),
    Address("manager", "DELETE", "/v1/sessions/{session}"),
    Address(
        "manager", "POST", "/v1/folders", {"name": "x"}, ("name",), {"name": "a/b", "host": 7}
    ),
    Address("manager", "GET", "/v1/folders"),
    Address("manager", "GET", "/v1/folders/{folder}"),
    Address("manager", "DELETE", "/v1/folders/{folder}"),
    Address("manager", "GET", "/v1/folders/{folder}/history"),
    Address(
        *("manager", "PATCH", "/v1/folders/{folder}", {"name": "x"}, ("name",)), {"name": "a/b"}
    ),
    Address(
        *("manager", "POST", "/v1/folders/{folder}/clone", {"name": "x"}, ("name",)),
        {"name": "A"},
    ),
    Address(
        *("manager", "POST", "/v1/folders/{folder}/transfer", {"user": "x"}, ("user",)),
        {"user": 1},
    ),
    Address(
        *("manager", "POST", "/v1/folders/{folder}/invitations", {"user": "x"}, ("user",)),
        {"user": "A B", "permission": "own"},
    ),
    Address("manager", "GET", "/v1/folders/{folder}/invitations"),
    Address("manager", "GET", "/v1/invitations"),
    Address("manager", "GET", "/v1/invitations/{folder}"),
    Address("manager", "DELETE", "/v1/invitations/{folder}"),
    Address("manager", "GET", "/v1/storage-hosts"),
    Address(
        *("manager", "PUT", "/v1/storage-hosts/local/permissions/user"),
        {"permissions": []},
        ("permissions",),
        {"permissions": "fly"},
        admin=True,
    ),
    Address(
        *("manager", "PUT", "/v1/storage-hosts/local/quotas/{user}"),
        {"bytes": 1, "inodes": 1},
        ("bytes", "inodes"),
        {"bytes": -1, "inodes": "many"},
        admin=True,
    ),
    Address(
        "manager",
        "POST",
        "/v1/folders/{folder}/grants",
        {"right": "read"},
        ("right",),
        {"right": "all"},
    ),
    Address("agent", "GET", "/v1/kernels"),
    Address("agent", "GET", "/v1/kernels/{kernel}"),
    Address("agent", "GET", "/v1/kernels/{kernel}/logs"),
    Address(
        *("agent", "PUT", "/v1/kernels/{kernel}", KERNEL, ("session", "image", "slots")),
        {"session": "x", "slots.cpu": -1, "mounts": [{"source": "relative", "path": "x"}]},
    ),
    Address(
        *("agent", "PUT", "/v1/kernels/{kernel}/runs/{kernel}", {"code": "1"}, ("code",)),
        {"code": 1, "command": ["x"], "wait": -1},
    ),
    Address("agent", "GET", "/v1/kernels/{kernel}/runs/{kernel}"),
    Address("agent", "GET", "/v1/kernels/{kernel}/runs/{kernel}/stream"),
    Address(
        *("agent", "POST", "/v1/kernels/{kernel}/runs/{kernel}/input", REPLY, tuple(REPLY)),
        {"number": 0, "text": 1},
    ),
    Address("agent", "POST", "/v1/kernels/{kernel}/interrupt", {}, (), {"run": "x"}),
    Address(
        *("agent", "POST", "/v1/kernels/{kernel}/complete", {"code": "x"}, ("code",)),
        {"code": None, "cursor": -1},
    ),
    Address("agent", "PUT", "/v1/kernels/{kernel}/terminals/t", SIZE, (), {"columns": "x"}),
    Address("agent", "GET", "/v1/kernels/{kernel}/terminals/t"),
    Address("agent", "DELETE", "/v1/kernels/{kernel}/terminals/t"),
    Address("agent", "DELETE", "/v1/kernels/{kernel}"),
    Address("storage-proxy", "GET", "/manager/v1/hosts"),
    Address("storage-proxy", "PUT", "/manager/v1/trees/local/{folder}"),
    Address("storage-proxy", "GET", "/manager/v1/trees/local/{folder}/mount"),
    Address("storage-proxy", "DELETE", "/manager/v1/trees/local/{folder}"),
)
SIGNED = tuple(one for one in ADDRESSES if one.component != "storage-proxy")
WITH_BODY = tuple(one for one in ADDRESSES if one.body is not None)
OF_SOMEBODY = tuple(
    one for one in ADDRESSES if one.component == "manager" and "{" in one.path and not one.admin
)


@pytest.fixture
def belongings(user, session, observe, shakeout_runner) -> dict[str, str]:
    """What the paths speak of: all of it belongs to `user`."""
    folder = shakeout_runner.run(user.folders.create("belonging"))
    return {
        "user": user.id,
        "session": session.id,
        "folder": folder.id,
        "kernel": observe.kernel(session.id),
    }


@pytest.fixture
def unchanged(belongings, observe) -> Iterator[None]:
    """Compares all that the platform holds before the test with what it holds after it."""
    before = holdings(observe)
    yield
    assert holdings(observe) == before


@pytest.mark.parametrize("address", WITH_BODY, ids=str)
async def test_wrong_bodies_are_refused_by_field(cluster, user, belongings, unchanged, address):
    """Leave out each required field, give each field a wrong value, add one that nobody knows."""
    async with talk_as_fits(cluster, address, user) as send:
        for body, code, name in mistakes(address):
            answer = await send(address.method, path(address, belongings), body)
            assert (answer.code, answer.field) == (code, name), answer
            assert_problem(answer)


@pytest.mark.parametrize("address", WITH_BODY, ids=str)
async def test_what_is_no_json_object_is_refused(cluster, user, belongings, unchanged, address):
    """Send no JSON, broken text, another type, another media type, and far too much."""
    good = msgspec.json.encode(address.body)
    async with talk_as_fits(cluster, address, user) as send:
        for body, kind, status, code in (
            (b"{", "application/json", 400, "malformed-json"),
            (b'{"\xff": 1}', "application/json", 400, "malformed-json"),
            (b"[]", "application/json", 400, "invalid-field"),
            (good, "text/plain", 415, "unsupported-media-type"),
            (OVERSIZED, "application/json", 413, "body-too-large"),
        ):
            answer = await send(address.method, path(address, belongings), body, content_type=kind)
            assert (answer.status, answer.code) == (status, code), (body[:20], answer)
            assert_problem(answer)


@pytest.mark.parametrize("address", SIGNED, ids=str)
async def test_signatures_that_do_not_hold_are_refused(
    cluster, user, belongings, unchanged, address
):
    """Change the path, the date and the signature after signing; sign with an old date; do not sign."""
    body = msgspec.json.encode(address.body) if address.body is not None else b""
    where, now = path(address, belongings), SystemClock().now()
    later = (now + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    async with talk(cluster, address, user) as send:
        for options, code in (
            ({"changed": {"X-Quarterdeck-Date": later}}, "signature-mismatch"),
            ({"changed": {"Authorization": "Bearer me"}}, "unauthenticated"),
            ({"changed": {"X-Quarterdeck-Date": "yesterday"}}, "unauthenticated"),
            ({"at": now - timedelta(seconds=400)}, "date-skewed"),
            ({"at": now + timedelta(seconds=400)}, "date-skewed"),
        ):
            answer = await send(address.method, where, body, **options)
            assert (answer.status, answer.code) == (401, code), (options, answer)
            assert_problem(answer)
    async with talk(cluster, address, user, secret="wrong") as send:
        assert (await send(address.method, where, body)).code == "signature-mismatch"


@pytest.mark.parametrize("address", SIGNED, ids=str)
async def test_unknown_parameters_methods_and_paths_are_refused(
    cluster, user, belongings, unchanged, address
):
    """Nothing is ignored in silence. Add a parameter, use a method and a path that are not there."""
    where = path(address, belongings)
    async with talk_as_fits(cluster, address, user) as send:
        for method, target, status in (
            (address.method, where + "?surprise=1", 400),
            ("TRACE", where, 405),
            (address.method, "/v1/nothing", 404),
        ):
            answer = await send(method, target)
            assert answer.status == status, (method, target, answer)
            assert_problem(answer)


@pytest.mark.parametrize("address", OF_SOMEBODY, ids=str)
async def test_what_belongs_to_another_user_does_not_exist(
    cluster, other_user, belongings, unchanged, address
):
    """Ask for another user's things, for what never was, and for what is no id: the first two look the same."""
    body = msgspec.json.encode(address.body) if address.body is not None else b""
    async with talk(cluster, address, other_user) as send:
        stolen = await send(address.method, path(address, belongings), body)
        missing = await send(
            address.method, path(address, dict.fromkeys(belongings, NOBODY)), body
        )
        assert stolen.status == missing.status == 404
        assert stolen.code == missing.code
        no_id = await send(address.method, path(address, dict.fromkeys(belongings, "no-id")), body)
        assert (no_id.status, no_id.code, no_id.field) == (400, "invalid-field", "id")


@pytest.mark.parametrize("address", [one for one in ADDRESSES if one.admin], ids=str)
async def test_users_cannot_do_what_administrators_do(
    cluster, user, belongings, unchanged, address
):
    """Each address for administrators refuses a user."""
    body = msgspec.json.encode(address.body) if address.body is not None else b""
    async with talk(cluster, address, user) as send:
        answer = await send(address.method, path(address, belongings), body)
        assert (answer.status, answer.code) == (403, "forbidden")


@pytest.mark.parametrize(
    "address", [one for one in ADDRESSES if one.component == "storage-proxy"], ids=str
)
async def test_storage_proxy_refuses_bad_secrets_hosts_and_trees(
    cluster, observe, belongings, unchanged, address
):
    """Try no secret, a wrong one, a host and a tree that cannot be."""
    trees = set(observe.trees())
    url = cluster.address("storage-proxy.http")
    for secret in ("", "wrong"):
        async with raw.bearer(url, secret) as send:
            answer = await send(address.method, path(address, belongings))
            assert (answer.status, answer.code) == (401, "unauthenticated")
    if "{folder}" in address.path:
        async with raw.bearer(url, system.keys.storage) as send:
            for target in (address.path.replace("local", "moon"), address.path):
                names = {"folder": belongings["folder"] if "moon" in target else "..%2f.."}
                answer = await send(address.method, target.format_map(names))
                assert 400 <= answer.status < 500, answer
                assert_problem(answer)
    assert set(observe.trees()) == trees


def mistakes(address: Address) -> Iterator[tuple[bytes, str, str]]:
    """Bodies that are wrong in one way each, with the code and the field that must come back."""
    good = dict(address.body or {})
    for name in address.required:
        yield (
            encode({key: value for key, value in good.items() if key != name}),
            "missing-field",
            name,
        )
    for name, value in address.wrong.items():
        top, _, inner = name.partition(".")
        changed = {**good[top], inner: value} if inner else value
        yield encode({**good, top: changed}), "invalid-field", first_field(name, value)
    yield encode({**good, "surprise": 1}), "unknown-field", "surprise"


def first_field(name: str, value: object) -> str:
    """The dotted path that names the mistake, which may lie inside of the value."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        inner = next(key for key in ("folder", "source") if key in value[0])
        return f"{name}.0.{inner}"
    return name


def talk(cluster, address: Address, user, *, secret: str | None = None):
    """Sends to a component with the key pair that fits: the user's, or the manager's own for an agent."""
    if address.component == "agent":
        url = agents.url("agent", cluster.address("agent.http"))
        return raw.signed(url, "manager", secret or system.keys.agent)
    return raw.signed(user.url, user.keypair.access_key, secret or user.keypair.secret_key)


def talk_as_fits(cluster, address: Address, user):
    """As `talk`, but as the administrator where a user would be refused for not being one."""
    if address.admin:
        keys = system.keys
        return raw.signed(user.url, keys.admin_access_key, keys.admin_secret_key)
    return talk(cluster, address, user)


def path(address: Address, belongings: Mapping[str, str]) -> str:
    return address.path.format_map(belongings)


def encode(value: object) -> bytes:
    return msgspec.json.encode(value)


def assert_problem(answer: raw.Answer) -> None:
    """A problem of the catalogue, with the status that belongs to its code."""
    assert answer.content_type == problem.CONTENT_TYPE
    assert 400 <= answer.status < 500, answer
    assert problem.CATALOGUE[str(answer.code)][0] == answer.status


def holdings(observe) -> dict[str, list[dict[str, Any]]]:
    """All rows that users' requests can change, and what stands on disk and in /proc for them."""
    rows = {table: observe.rows(f"SELECT * FROM {table} ORDER BY 1") for table in WATCHED}
    world = {"trees": sorted(observe.trees()), "kernels": observe.live_kernels()}
    return {**rows, **world}
