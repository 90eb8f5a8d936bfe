"""Behaviour 35: no path leads out of its tree, on any address of both APIs, on both kinds of volumes. New addresses must be listed here."""

import json
import uuid
from urllib.parse import quote

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.base.config import Secret
from quarterdeck.storage_proxy.http import addresses
from quarterdeck.storage_proxy.http.gate import Gate
from quarterdeck.storage_proxy.http.manager_api import ManagerApi
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.service import StorageService
from quarterdeck.storage_proxy.transfers.slots import Slots
from quarterdeck.testing import path_aims, path_attacks
from quarterdeck.testing.storage_client import Tree

TREE = "/manager/v1/trees/{host}/{tree}"
SCOPE = "/manager/v1/scopes/{host}/{scope}"
UPLOAD = "/client/v1/uploads/{upload}"
TUS = {"Tus-Resumable": "1.0.0"}
JSON = {"Content-Type": "application/json"}

REFUSED = {"path-refused", "path-too-long", "invalid-field"}
NOT_THERE = {
    *("invalid-field", "route-not-found", "host-not-found", "tree-not-found", "malformed-request"),
    *("upload-not-found", "uploads-unsupported", "quota-unsupported", "method-not-allowed"),
    *("upload-refused", "file-not-found", "unsupported-media-type"),
}


IDS = {
    **{(method, UPLOAD): ("upload",) for method in ("HEAD", "PATCH", "DELETE", "POST")},
    ("PUT", TREE): ("host", "tree"),
    ("DELETE", TREE): ("host", "tree"),
    ("GET", f"{TREE}/mount"): ("host", "tree"),
    ("POST", f"{TREE}/clone"): ("host", "tree"),
    ("PUT", f"{TREE}/scope"): ("host", "tree"),
    ("PUT", SCOPE): ("host", "scope"),
    ("GET", SCOPE): ("host", "scope"),
}
"""Addresses that take ids."""

NOTHING = {
    ("GET", "/client/v1/uploads"),
    ("OPTIONS", "/client/v1/uploads"),
    ("OPTIONS", UPLOAD),
    ("GET", "/manager/v1/hosts"),
}
"""Addresses that take neither, or do nothing with it."""


def all_addresses():
    """The addresses that a storage-proxy has."""
    clock, limits = SystemClock(), Limits()
    storage = StorageService({}, limits)
    gate, slots = Gate(Secret("key"), clock), Slots(limits.transfers_max)
    routes = [
        *addresses.client(storage, gate, slots, clock),
        *ManagerApi(storage, Secret("secret")).routes(),
    ]
    return {(route.method, route.path) for route in routes}


def test_every_address_is_attacked():
    """An address that nobody attacks is a hole. Walk the routes; each must be in one of the tables above."""
    assert all_addresses() == {*path_aims.PATHS, *IDS, *NOTHING}


@pytest.fixture(params=["local", pytest.param("archive", marks=pytest.mark.needs("s3"))])
def target(request, proxy, shakeout_runner):
    """A tree on each kind of host."""
    made = Tree(proxy, request.param, str(uuid.uuid4()))
    shakeout_runner.run(made.create())
    yield made
    shakeout_runner.run(made.delete())


@pytest.fixture
def world(target, platform, disk):
    """All that a host keeps, with a secret beside its trees."""
    place = platform.place("s3").directory / "buckets" if target.host == "archive" else disk
    secret = place / "secret"
    secret.mkdir()
    (secret / "secret").write_text("not yours")

    def seen():
        return {
            path.relative_to(place).as_posix(): path.lstat().st_mtime_ns
            for path in place.rglob("*")
        }

    yield seen
    assert (secret / "secret").read_text() == "not yours"
    (secret / "secret").unlink()
    secret.rmdir()


@pytest.mark.parametrize("address", path_aims.PATHS, ids=lambda address: " ".join(address))
async def test_path_that_leaves_the_tree_is_refused(target, world, address):
    """Behaviour 35: refused with a code, nothing touched. Try every attack on this address; compare the volume before and after."""
    method, _ = address
    bearer = target.proxy.token(target.host, target.id, "write")
    before = world()
    for attack in path_attacks.PATHS:
        for where, headers, content in path_aims.PATHS[address](attack):
            sent = {**headers, **({"Content-Length": "4"} if method == "PUT" else {})}
            given = b"mine" if method == "PUT" else content
            answer = await target.proxy.call(
                method, where, bearer=bearer, headers=sent, body=given
            )
            status, code = answer.problem
            assert 400 <= status < 500, (attack.name, where, answer)
            assert code in REFUSED or (target.host, code) == ("archive", "uploads-unsupported")
            assert b"not yours" not in answer.body
            assert "x-injected" not in answer.headers
    assert world() == before


@pytest.mark.parametrize("address", IDS, ids=lambda address: " ".join(address))
async def test_id_that_is_none_is_refused(target, world, address):
    """Behaviour 35: an id is no path. Try every wrong one in each place of this address; compare the volume before and after."""
    method, template = address
    client = template.startswith("/client")
    secret = target.proxy.token(target.host, target.id, "write") if client else target.proxy.secret
    before = world()
    good = {"host": target.host, "tree": target.id, "scope": "somebody", "upload": "x"}
    content = {
        "clone": {"tree": str(uuid.uuid4())},
        "scope": {"scope": "somebody", "turn": 1},
        "{scope}": {"bytes": 1, "inodes": 1},
    }.get(template.rpartition("/")[2], {})
    for name in IDS[address]:
        for wrong in path_attacks.IDS:
            where = template.format(**{**good, name: quote(wrong, safe="%./")})
            answer = await target.proxy.call(
                method,
                where,
                bearer=secret,
                headers={**JSON, **(TUS if client else {})},
                body=json.dumps(content).encode() if method in {"PUT", "POST", "PATCH"} else b"",
            )
            if method == "HEAD":
                assert 400 <= answer.status < 500, (where, answer)
                continue
            status, code = answer.problem
            assert 400 <= status < 500, (where, answer)
            assert code in NOT_THERE, (where, answer)
    assert world() == before


async def test_id_in_a_body_or_query_that_is_none_is_refused(target, world):
    """Behaviour 35: what is named beside the URL is judged, too. Clone into wrong trees and scopes, make a tree in a wrong scope."""
    before = world()
    new = str(uuid.uuid4())
    for wrong in path_attacks.IDS:
        attempts = [
            ("POST", "/clone", {"tree": wrong}),
            ("POST", "/clone", {"tree": new, "scope": f"../{wrong}"}),
            ("PUT", f"?scope=..%2f{quote(wrong)}", {}),
            ("PUT", "/scope", {"scope": f"../{wrong}", "turn": 1}),
        ]
        for method, rest, content in attempts:
            answer = await target.proxy.call(
                method,
                f"/manager/v1/trees/{target.host}/{target.id}{rest}",
                bearer=target.proxy.secret,
                headers=JSON,
                body=json.dumps(content).encode(),
            )
            assert answer.problem == (400, "invalid-field"), (rest, content, answer)
    assert world() == before


async def test_names_that_only_look_odd_are_names(target):
    """Refusing must not be lazy. Names with dots, percent signs, look-alikes and other scripts are kept as they are."""
    names = [
        "..a",
        "a..",
        "...",
        "…",
        "100%",
        "a%20b",
        "2024\N{FULLWIDTH SOLIDUS}01",
        "½",
        "日本",
        "\N{LATIN SMALL LETTER E WITH ACUTE}",
        "e\N{COMBINING ACUTE ACCENT}",
        "A",
        "a",
    ]
    for name in names:
        answer = await target.call("PUT", "/" + quote(name), body=name.encode())
        assert answer.status == 200, (name, answer)
    assert sorted(await target.names()) == sorted(names)
    for name in names:
        assert (await target.call("GET", "/" + quote(name))).body == name.encode()
