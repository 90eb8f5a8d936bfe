"""A platform that answers `qd` from a table, and what came of a command there; for unit tests of the command line."""

import copy
import io
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from quarterdeck.cli import arguments, run
from quarterdeck.cli.console import Console
from quarterdeck.client import files, request
from quarterdeck.client.events import Following
from quarterdeck.client.local_files import nobody
from quarterdeck.client.request import Credentials, Prepared, Request
from quarterdeck.client.transport import Transport

ID = "0190a0a0-0000-7000-8000-000000000001"
FOLDER = "0190a0a0-0000-7000-8000-00000000000f"
SESSION: dict[str, Any] = {
    "id": ID,
    "name": "fit",
    "status": "RUNNING",
    "image": "python:3.11",
    "slots": {"cpu": 2, "memory_mib": 512},
    "created_at": "2026-01-31T11:00:00Z",
    "agent": "a1",
    "reason": None,
    "mounts": [{"folder": FOLDER, "path": "input"}],
    "terminated_at": None,
    "owner": "ada",
    "type": "interactive",
}
WAITS = SESSION | {
    "name": None,
    "status": "PENDING",
    "agent": None,
    "id": f"{ID[:-4]}abcd",
}
FAILED = SESSION | {
    "name": "b",
    "status": "TERMINATED",
    "type": "batch",
    "result": "FAILURE",
    "exit_code": 3,
    "reason": "task-failed",
    "detail": "exited with code 3",
    "command": ["sh", "-c", "exit 3"],
    "terminated_at": "2026-01-31T11:00:05Z",
}
ROWS: list[dict[str, Any]] = [
    {"seq": n, "at": f"2026-01-31T11:00:00.{n}00Z", "to_status": status, "kernel": None}
    | {"cause": "created", "actor": "ada"}
    for n, status in enumerate(("PENDING", "SCHEDULED", "CREATING", "RUNNING"), 1)
]
OK: dict[str, Any] = {
    "status": "ok",
    "stdout": "42\n",
    "stderr": "careful\n",
    "result": "7",
    "error": None,
    "offset": 11,
    "written": 11,
    "run": ID,
}


class Noon:
    """A clock that stands."""

    def now(self) -> datetime:
        """Return noon."""
        return datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)

    def monotonic(self) -> float:
        """Return the beginning."""
        return 0.0


class Platform(Transport):
    """Answers from a table; remembers what it was asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__(Credentials("http://h:1", "QDAKX", "s"), Noon())
        self.answers = answers
        self.asked: list[Any] = []

    def another(self) -> "Platform":
        """It has no connections: one is as good as several."""
        return self

    def call(self, wanted: Request) -> Any:
        """Answer from the table; a run from its pieces, one each."""
        self.asked.append(wanted)
        if "/runs/" in wanted.path or wanted.path.endswith("/interrupt"):
            answer = self.answers["run"].pop(0) if wanted.method == "GET" else None
        else:
            answer = self.answers[f"{wanted.method} {wanted.path}"]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def send(self, prepared: Prepared, body: Iterator[bytes] | None = None) -> bytes:
        """Answer from the table."""
        assert body is None
        self.asked.append(prepared)
        return json.dumps(self.answers[f"{prepared.method} {prepared.target}"]).encode()

    def follow(self, following: Following) -> Iterator[dict[str, Any]]:
        """Give the rows of the table."""
        self.asked.append(following.request())
        yield from self.answers["follow"]

    def upload(self, grant: request.Grant, copy: files.Copy, report: files.Report = nobody) -> Any:
        """Note it."""
        self.asked.append((grant, copy))
        report(copy.local.stat().st_size)
        return {"path": copy.remote, "kind": "file", "size": copy.local.stat().st_size}

    def download(
        self, grant: request.Grant, copy: files.Copy, report: files.Report = nobody
    ) -> int:
        """Note it."""
        self.asked.append((grant, copy))
        report(2048)
        return 2048


FOLDER_VIEW = {
    "id": FOLDER,
    "name": "data",
    "host": "local",
    "owner": ID,
    "owner_name": "ada",
    "permission": "own",
    "status": "READY",
    "created_at": ROWS[0]["at"],
}

ANSWERS: dict[str, Any] = {
    "GET /v1/sessions": {"items": [SESSION, WAITS]},
    "POST /v1/sessions": SESSION | {"status": "PENDING"},
    f"GET /v1/sessions/{ID}": SESSION,
    f"GET /v1/sessions/{ID}/history": {"items": ROWS},
    f"POST /v1/sessions/{ID}/execute": OK,
    f"GET /v1/sessions/{ID}/logs": {"text": "hello\n"},
    f"DELETE /v1/sessions/{ID}": SESSION,
    "GET /v1/folders": {
        "items": [FOLDER_VIEW],
    },
    "POST /v1/folders": FOLDER_VIEW,
    f"DELETE /v1/folders/{FOLDER}": {**FOLDER_VIEW, "status": "TRASHED"},
    f"POST /v1/folders/{FOLDER}/grants": {"url": "http://p:2", "token": "tok", "seconds": 900},
    "GET /client/v1/files": {
        "items": [
            {"path": "d", "kind": "directory", "size": 0, "modified_at": ROWS[0]["at"]},
            {"path": "x.csv", "kind": "file", "size": 2048, "modified_at": ROWS[0]["at"]},
        ]
    },
    "GET /client/v1/files?path=x.csv&recursive=true": {
        "items": [{"path": "x.csv", "kind": "file", "size": 2048}]
    },
    "DELETE /client/v1/files/x.csv": None,
    "POST /v1/users": {"user": {}, "keypair": {"access_key": "QDAKA", "secret_key": "hush"}},
    "GET /v1/users": {
        "items": [{"id": ID, "name": "ada", "role": "user", "created_at": ROWS[0]["at"]}]
    },
    "GET /v1/users/me": {"id": ID, "name": "ada", "role": "user"},
    f"DELETE /v1/users/{ID}": None,
    "GET /v1/agents": {
        "items": [
            {"id": "a1", "status": "ALIVE", "address": "http://h:2", "kernels": 1}
            | {"seen_at": ROWS[0]["at"], "schedulable": True}
            | {"slots": {"cpu": 8, "memory_mib": 8192}, "used": {"cpu": 1, "memory_mib": 256}}
        ]
    },
}


class Ran:
    """What came of a command."""

    def __init__(self, line: str, *more: str, answers: Mapping[str, Any] | None = None) -> None:
        out, err = io.StringIO(), io.StringIO()
        given = arguments.parse([*line.split(), *more])
        self.platform = Platform(copy.deepcopy({**ANSWERS, **(answers or {})}))
        console = Console(out, err, Noon(), as_json=given.json)
        self.code = run.COMMANDS[given.command](given, self.platform, console)
        self.out, self.err = out.getvalue(), err.getvalue()
        self.asked = self.platform.asked
