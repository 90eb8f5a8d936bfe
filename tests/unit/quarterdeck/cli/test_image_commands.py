"""`qd image` and `qd registry` ask for the right things and print them within 80 columns; a look that failed is a failure."""

import io
import json
from datetime import UTC, datetime

import pytest

from quarterdeck.cli import arguments, reasons, run
from quarterdeck.cli.console import Console
from quarterdeck.client.errors import NotFound
from quarterdeck.client.request import Credentials
from quarterdeck.client.transport import Transport

ID = "0190a0a0-0000-7000-8000-000000000001"
DIGEST = f"sha256:{'a' * 64}"
VARIANT = {
    "architecture": "amd64",
    "digest": DIGEST,
    "size_bytes": 3 << 20,
    "runtime": "python",
    "cpu_min": 2,
    "memory_mib_min": 512,
    "labels": {"quarterdeck.runtime": "python"},
}
IMAGE = {
    "name": "hub/team/tool:1.2",
    "digest": DIGEST,
    "registry": "hub",
    "updated_at": "2026-01-31T11:00:00Z",
    "missing_since": None,
    "variants": [VARIANT, VARIANT | {"architecture": "arm64"}],
}
NONE: list[object] = []
OWN = {"name": "python:3.11", "variants": NONE, "updated_at": None, "missing_since": None}
REGISTRY = {
    "id": ID,
    "name": "hub",
    "url": "https://registry.example",
    "username": "ada",
    "secret": "word",
    "repositories": [],
    "created_at": "2026-01-31T11:00:00Z",
}
DONE = {
    "registry": "hub",
    "status": "DONE",
    "reason": None,
    "repositories_done": 1,
    "repositories_total": 1,
    "results": [{"repository": "x", "images": 3, "missing": 1, "problems": ["bad: odd"]}],
}
PULL = {"bytes_done": 1 << 20, "bytes_total": 4 << 20, "layer": 1, "layers": 3}
SESSION = {
    "id": ID,
    "name": "fit",
    "image": IMAGE["name"],
    "kernels": [
        {
            "hostname": "main1",
            "agent": "a1",
            "status": "PULLING",
            "pull": PULL,
        },
        {"hostname": "sub1", "agent": "a2", "status": "CREATING", "pull": None},
    ],
}
ANSWERS = {
    "GET /v1/images": {"items": [OWN, IMAGE]},
    "GET /v1/images/hub%2Fteam%2Ftool%3A1.2": IMAGE,
    "GET /v1/registries": {"items": [REGISTRY]},
    "POST /v1/registries": REGISTRY,
    f"DELETE /v1/registries/{ID}": None,
    f"POST /v1/registries/{ID}/rescan": DONE | {"status": "WAITING", "results": []},
    f"GET /v1/registries/{ID}/rescan": DONE,
    f"DELETE /v1/registries/{ID}/rescan": DONE | {"status": "CANCELLED", "results": []},
    f"GET /v1/sessions/{ID}": SESSION,
}


class Noon:
    """A clock that stands."""

    def now(self):
        return datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)

    def monotonic(self):
        return 0.0


class Platform(Transport):
    """Answers from a table; remembers what it was asked."""

    def __init__(self, answers):
        super().__init__(Credentials("http://h:1", "QDAKX", "s"), Noon())
        self.answers = answers
        self.asked = []

    def call(self, wanted):
        self.asked.append(wanted)
        return self.answers[f"{wanted.method} {wanted.path}"]


def qd(*argv, **answers):
    platform = Platform(ANSWERS | answers)
    out, err = io.StringIO(), io.StringIO()
    given = arguments.parse(argv)
    console = Console(out, err, Noon(), as_json=given.json)
    code = run.COMMANDS[given.command](given, platform, console)
    return code, out.getvalue(), err.getvalue(), platform.asked


def test_images_are_listed_with_a_row_an_architecture():
    _, out, _, _ = qd("image", "ls")
    lines = out.splitlines()
    assert lines[0].split() == ["IMAGE", "ARCH", "SIZE", "CPU", "MIB", "UPDATED"]
    assert lines[1].split()[:2] == ["python:3.11", "any"]
    assert [line.split()[1] for line in lines[2:]] == ["amd64", "arm64"]
    assert max(map(len, lines)) <= 80


def test_missing_images_are_told_apart():
    *_, asked = qd("image", "ls", "--all")
    assert asked[0].query == (("all", "true"),)


def test_image_is_shown_with_what_it_needs():
    _, out, _, _ = qd("image", "show", "hub/team/tool:1.2")
    for word in (DIGEST, "2 cpu, 512 MiB", "3.0 MiB", "quarterdeck.runtime=python"):
        assert word in out


def test_rescan_tells_what_was_found_and_what_was_wrong():
    code, out, _, asked = qd("image", "rescan", "hub")
    assert code == 0
    assert "3 images, 1 went missing" in out
    assert "x: bad: odd" in out
    assert [one.method for one in asked] == ["GET", "POST", "GET"]


def test_rescan_that_failed_is_a_failure():
    failed = DONE | {"status": "FAILED", "reason": "it refuses us"}
    code, _, err, _ = qd("image", "rescan", "hub", **{f"GET /v1/registries/{ID}/rescan": failed})
    assert code == 1
    assert "it refuses us" in err


@pytest.mark.parametrize(("flag", "methods"), [("--no-wait", "POST"), ("--cancel", "DELETE")])
def test_rescan_need_not_be_waited_for(flag, methods):
    code, _, _, asked = qd("image", "rescan", "hub", flag)
    assert code == 0
    assert [one.method for one in asked] == ["GET", methods]


def test_pull_is_shown_kernel_by_kernel():
    _, out, _, _ = qd("image", "pull-status", ID)
    assert "25 %, 1.0 MiB of 4.0 MiB, layer 1 of 3" in out
    assert out.splitlines()[-1].split() == ["sub1", "a2", "CREATING", "-"]


def test_session_that_waits_for_its_image_says_how_far_it_is():
    waiting = {"id": ID, "status": "PULLING", "pull": PULL}
    assert reasons.of(waiting).what == "its image is being pulled, 25 %"
    assert reasons.of(waiting | {"pull": None}).what == "its image is being pulled"


def test_registry_is_added_listed_and_removed():
    _, out, _, asked = qd(
        *("registry", "add", "hub", "https://registry.example"),
        *("--username", "ada", "--secret", "word", "--repository", "team/tool"),
    )
    assert out.strip() == ID
    assert asked[0].body["repositories"] == ["team/tool"]
    _, out, _, _ = qd("registry", "ls")
    assert out.splitlines()[1].split()[:5] == [
        *("hub", "https://registry.example", "ada", "word", "all")
    ]
    *_, asked = qd("registry", "rm", "hub")
    assert asked[-1].path == f"/v1/registries/{ID}"


def test_registry_that_is_not_there_is_named():
    with pytest.raises(NotFound, match="'none'"):
        qd("registry", "rm", "none")


@pytest.mark.parametrize(
    "argv", [("image", "ls"), ("registry", "ls"), ("image", "pull-status", ID)]
)
def test_everything_can_be_json(argv):
    _, out, _, _ = qd(*argv, "--json")
    assert json.loads(out)
