"""Each command asks for the right things and prints them; exit codes tell how it went."""

import io
import json
from datetime import UTC, datetime

import pytest

from quarterdeck.cli import arguments, run
from quarterdeck.cli.console import Console
from quarterdeck.client.errors import Refused, SessionEnded
from quarterdeck.client.request import Credentials
from quarterdeck.client.transport import Transport

ID = "0190a0a0-0000-7000-8000-000000000001"
FOLDER = "0190a0a0-0000-7000-8000-00000000000f"
SESSION = {
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
}
ROWS = [
    {"seq": n, "at": f"2026-01-31T11:00:00.{n}00Z", "to_status": status, "kernel": None}
    | {"cause": "created", "actor": "ada"}
    for n, status in enumerate(("PENDING", "SCHEDULED", "CREATING", "RUNNING"), 1)
]
OK = {"status": "ok", "stdout": "42\n", "stderr": "careful\n", "result": "7", "error": None}


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
        answer = self.answers[f"{wanted.method} {wanted.path}"]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def send(self, prepared, body=None):
        assert body is None
        self.asked.append(prepared)
        return json.dumps(self.answers[f"{prepared.method} {prepared.target}"]).encode()

    def upload(self, grant, copy):
        self.asked.append((grant, copy))
        return {"path": copy.remote, "kind": "file", "size": copy.local.stat().st_size}

    def download(self, grant, copy):
        self.asked.append((grant, copy))
        return 2048


ANSWERS = {
    "GET /v1/sessions": {"items": [SESSION, SESSION | {"name": None}]},
    "POST /v1/sessions": SESSION | {"status": "PENDING"},
    f"GET /v1/sessions/{ID}": SESSION,
    f"GET /v1/sessions/{ID}/history": {"items": ROWS},
    f"POST /v1/sessions/{ID}/execute": OK,
    f"GET /v1/sessions/{ID}/logs": {"text": "hello\n"},
    f"DELETE /v1/sessions/{ID}": SESSION,
    "GET /v1/folders": {
        "items": [{"id": FOLDER, "name": "data", "host": "local", "created_at": ROWS[0]["at"]}]
    },
    "POST /v1/folders": {"id": FOLDER},
    f"DELETE /v1/folders/{FOLDER}": None,
    f"POST /v1/folders/{FOLDER}/grants": {"url": "http://p:2", "token": "tok"},
    "GET /client/v1/files": {
        "items": [
            {"path": "d", "kind": "directory", "size": 0, "modified_at": ROWS[0]["at"]},
            {"path": "x.csv", "kind": "file", "size": 2048, "modified_at": ROWS[0]["at"]},
        ]
    },
    "GET /client/v1/files?path=x.csv&recursive=true": {
        "items": [{"path": "x.csv", "kind": "file"}]
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
            {"id": "a1", "status": "ALIVE", "address": "http://h:2"}
            | {"slots": {"cpu": 8, "memory_mib": 8192}, "used": {"cpu": 1, "memory_mib": 256}}
        ]
    },
}


class Ran:
    """What came of a command."""

    def __init__(self, line, *more, answers=None):
        out, err = io.StringIO(), io.StringIO()
        given = arguments.parser().parse_args([*line.split(), *more])
        self.platform = Platform(ANSWERS | (answers or {}))
        console = Console(out, err, Noon(), as_json=given.json)
        self.code = run.COMMANDS[given.command](given, self.platform, console)
        self.out, self.err = out.getvalue(), err.getvalue()
        self.asked = self.platform.asked


def test_create_prints_the_id():
    ran = Ran("session create python:3.11 --mount data:input --env A=1")
    assert (ran.code, ran.out) == (0, ID + "\n")
    assert ran.asked[-1].body == {
        "image": "python:3.11",
        "slots": {"cpu": 1, "memory_mib": 256},
        "mounts": [{"folder": FOLDER, "path": "input"}],
        "environment": {"A": "1"},
    }


def test_create_waits_until_it_runs():
    ran = Ran("session create python:3.11 --wait --json")
    assert json.loads(ran.out)["status"] == "RUNNING"
    assert [each.path.rsplit("/", 1)[-1] for each in ran.asked] == ["sessions", "history", ID]


def test_create_tells_at_once_that_it_ended():
    ended = [ROWS[0], ROWS[0] | {"seq": 2, "to_status": "CANCELLED", "cause": "no such image"}]
    with pytest.raises(SessionEnded, match="no such image"):
        Ran(
            "session create p --wait", answers={f"GET /v1/sessions/{ID}/history": {"items": ended}}
        )


def test_ls_is_a_table():
    lines = Ran("session ls").out.splitlines()
    assert lines[0].split() == ["ID", "NAME", "STATUS", "CPU", "MIB", "AGE"]
    assert lines[1].split() == [ID, "fit", "RUNNING", "2", "512", "1h"]
    assert lines[2].split()[1] == "-"
    assert Ran("session ls --all --status running").asked[0].query == (
        ("status", "RUNNING"),
        ("all", "true"),
    )


def test_show_has_facts_and_history():
    out = Ran("session show fit").out
    assert f"session   {ID}" in out
    assert f"mounts    {FOLDER} at input" in out
    assert "reason" not in out
    assert out.splitlines()[-1].split()[2:] == ["RUNNING", "created", "ada"]


def test_exec_passes_the_streams_on():
    ran = Ran("session exec fit -c", "print(42)")
    assert (ran.code, ran.out, ran.err) == (0, "42\n7\n", "careful\n")
    assert ran.asked[-1].body == {"code": "print(42)"}


def test_exec_shows_the_traceback_and_fails():
    error = {"type": "ValueError", "message": "x", "traceback": "Traceback …\nValueError: x"}
    failed = OK | {"status": "error", "result": None, "error": error, "truncated": True}
    answers = {f"POST /v1/sessions/{ID}/execute": failed}
    ran = Ran("session exec fit -c", "x", answers=answers)
    assert (ran.code, ran.out) == (1, "42\n")
    assert ran.err.endswith("has been cut\nTraceback …\nValueError: x\n")
    assert Ran("session exec fit --json -c", "x", answers=answers).code == 1


def test_exec_reads_a_file_or_standard_input(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("file()", encoding="utf-8")
    assert Ran("session exec fit", str(tmp_path / "a.py")).asked[-1].body == {"code": "file()"}
    monkeypatch.setattr("sys.stdin", io.StringIO("stdin()"))
    assert Ran("session exec fit").asked[-1].body == {"code": "stdin()"}


def test_logs_and_rm():
    assert Ran("session logs fit").out == "hello\n"
    ran = Ran("session rm fit")
    assert (ran.code, ran.out) == (0, "")
    assert ran.asked[-1].method == "DELETE"


def test_rm_waits_for_the_end():
    gone = {"items": [*ROWS, ROWS[0] | {"seq": 5, "to_status": "TERMINATED"}]}
    ran = Ran("session rm fit --wait --json", answers={f"GET /v1/sessions/{ID}/history": gone})
    assert json.loads(ran.out) == [ID]


def test_folder_ls_of_folders_and_of_files():
    assert Ran("folder ls").out.splitlines()[1].split() == [FOLDER, "data", "local", "59m"]
    assert [line.split() for line in Ran("folder ls data").out.splitlines()[1:]] == [
        ["d/", "-", "59m"],
        ["x.csv", "2.0", "KiB", "59m"],
    ]


def test_folder_upload_and_download(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"123")
    ran = Ran("folder upload data", str(tmp_path / "x.csv"))
    assert ran.out == "x.csv  3 B\n"
    assert ran.asked[-1][0] == ("http://p:2", "tok")
    ran = Ran("folder download data x.csv", str(tmp_path))
    assert ran.out == f"{tmp_path / 'x.csv'}  2.0 KiB\n"


def test_folder_create_and_rm():
    assert Ran("folder create data").out == FOLDER + "\n"
    assert Ran("folder rm data").asked[-1].path == f"/v1/folders/{FOLDER}"
    assert Ran("folder rm data x.csv").asked[-1].target == "/client/v1/files/x.csv"


def test_user_commands():
    assert Ran("user create ada").out == "export QD_ACCESS_KEY=QDAKA\nexport QD_SECRET_KEY=hush\n"
    assert Ran("user create ada --admin").asked[0].body == {"name": "ada", "role": "admin"}
    assert Ran("user ls").out.splitlines()[1].split() == [ID, "ada", "user", "59m"]
    assert Ran("user me").out == f"ada (user)  {ID}\n"
    assert Ran("user rm ada").asked[-1].path == f"/v1/users/{ID}"


def test_agent_ls():
    assert Ran("agent ls").out.splitlines()[1].split() == [
        "a1",
        "ALIVE",
        "1/8",
        "256/8192",
        "http://h:2",
    ]


@pytest.mark.parametrize(
    "line",
    [
        *("session ls", "session show fit", "session logs fit", "session rm fit"),
        *("session create p", "folder create data", "folder ls", "folder ls data"),
        *("folder rm data", "user create ada", "user ls", "user me", "user rm ada", "agent ls"),
    ],
)
def test_json_is_json(line):
    ran = Ran(f"{line} --json")
    assert ran.code == 0
    assert json.loads(ran.out) is not None


@pytest.fixture
def _environment(monkeypatch):
    for name in ("QD_URL", "QD_ACCESS_KEY", "QD_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_environment")
def test_missing_configuration_is_a_usage_error(capsys, monkeypatch):
    given = arguments.parser().parse_args(["session", "ls"])
    assert run.run(given) == 2
    assert capsys.readouterr().err == "qd: QD_URL is not set\n"
    monkeypatch.setenv("QD_URL", "nowhere")
    monkeypatch.setenv("QD_ACCESS_KEY", "QDAKX")
    monkeypatch.setenv("QD_SECRET_KEY", "s")
    assert run.run(given) == 2
    assert "not the URL of a manager" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(Refused(403, "forbidden", "no"), 1), (KeyboardInterrupt(), 130)]
)
def test_failures_have_their_exit_code(error, code, capsys, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setenv("QD_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("QD_ACCESS_KEY", "QDAKX")
    monkeypatch.setenv("QD_SECRET_KEY", "s")
    monkeypatch.setattr(run, "COMMANDS", {"user-ls": fail})
    assert run.run(arguments.parser().parse_args(["user", "ls"])) == code
    assert ("administrator" in capsys.readouterr().err) == (code == 1)
