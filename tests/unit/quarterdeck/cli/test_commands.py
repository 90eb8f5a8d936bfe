"""Each command asks for the right things and prints them; exit codes tell how it went."""

import json

import pytest

from quarterdeck.cli import arguments, run, words
from quarterdeck.client.errors import NotFound, Refused, SessionEnded, TooLate
from quarterdeck.testing.fakes.platform import (
    FAILED,
    FOLDER,
    ID,
    ROWS,
    SESSION,
    WAITS,
    Ran,
)


def test_create_prints_the_id():
    ran = Ran("session create python:3.11 --mount data:input --env A=1")
    assert (ran.code, ran.out) == (0, ID + "\n")
    assert ran.asked[-1].body == {
        "image": "python:3.11",
        "slots": {"cpu": 1, "memory_mib": 256},
        "mounts": [{"folder": FOLDER, "path": "input"}],
        "environment": {"A": "1"},
    }


def test_empty_name_is_not_no_name():
    """A variable that is not set makes no session without a name. It goes to the platform, which refuses it."""
    assert Ran("session create p --name", "").asked[-1].body["name"] == ""
    assert Ran("folder create", "", "--host", "").asked[-1].body == {"name": "", "host": ""}
    assert "name" not in Ran("session create p").asked[-1].body


def test_create_waits_until_it_runs():
    ran = Ran("session create python:3.11 --wait --json")
    assert json.loads(ran.out)["status"] == "RUNNING"
    assert [each.path.rsplit("/", 1)[-1] for each in ran.asked] == ["sessions", "history", ID]


def test_create_with_a_command_is_a_batch_session():
    ran = Ran("session create p --after fit --reuse --name x --", "sh", "-c", "exit 3")
    assert ran.asked[-1].body == {
        "image": "p",
        "slots": {"cpu": 1, "memory_mib": 256},
        "name": "x",
        "reuse": True,
        "type": "batch",
        "command": ["sh", "-c", "exit 3"],
        "depends_on": [ID],
    }
    ran = Ran("session create p --type inference --", "serve")
    assert ran.asked[-1].body["type"] == "inference"


def test_create_tells_at_once_that_it_ended():
    ended = [ROWS[0], ROWS[0] | {"seq": 2, "to_status": "CANCELLED", "cause": "no such image"}]
    with pytest.raises(SessionEnded, match="no such image"):
        Ran(
            "session create p --wait", answers={f"GET /v1/sessions/{ID}/history": {"items": ended}}
        )


def test_ls_is_a_table():
    lines = Ran("session ls").out.splitlines()
    assert lines[0].split() == ["ID", "NAME", "STATUS", "IMAGE", "CPU", "MIB", "AGE", "WHY"]
    assert lines[1].split() == ["00000001", "fit", "RUNNING", "python:3.11", "2", "512", "1h"]
    assert lines[2].split()[:3] == ["0000abcd", "-", "PENDING"]
    assert "waits" in lines[2]
    assert max(map(len, lines)) <= 80
    assert Ran("session ls --all --status running").asked[0].query == (
        ("status", "RUNNING"),
        ("all", "true"),
    )


def test_ls_tells_results_and_leaves_out_empty_reasons():
    ended = {"GET /v1/sessions": {"items": [FAILED]}}
    (_, line) = Ran("session ls --all", answers=ended).out.splitlines()
    assert "FAILURE 3" in line
    assert "exited with" in line
    runs = {"GET /v1/sessions": {"items": [SESSION]}}
    assert "WHY" not in Ran("session ls", answers=runs).out
    assert "a1" in Ran("session ls --wide", answers=runs).out


def test_ls_of_several_states_chooses_here():
    ran = Ran("session ls --status pending,scheduled -q")
    assert ran.out == WAITS["id"] + "\n"
    assert ran.asked[0].query == ()
    assert Ran("session ls --status cancelled,running").asked[0].query == (("all", "true"),)
    assert Ran("session ls -q").out.splitlines() == [ID, WAITS["id"]]


def test_show_has_facts_and_history():
    out = Ran("session show fit").out
    assert out.startswith("fit  RUNNING for 59m 59s\n\n")
    assert f"id         {ID}" in out
    assert f"mounts     {FOLDER} at input" in out
    steps = [line.split() for line in out.splitlines()[-4:]]
    assert [step[0] for step in steps] == ["PENDING", "SCHEDULED", "CREATING", "RUNNING"]
    assert steps[0][2:] == ["100", "ms", "created", "owner"]


def test_show_says_why_and_what_next():
    answers = {f"GET /v1/sessions/{ID}": FAILED, "GET /v1/sessions": {"items": [FAILED]}}
    lines = Ran("session show b", answers=answers).out.splitlines()
    assert lines[0].startswith("b  FAILURE 3, ")
    assert lines[1:3] == [
        "  its command has failed: exited with code 3",
        "  -> its last words: qd session logs b",
    ]
    assert "command    sh -c 'exit 3'" in lines


def test_show_has_the_history_of_kernels_when_asked():
    rows = [*ROWS, ROWS[0] | {"seq": 5, "kernel": "0190abcd", "to_status": "RUNNING"}]
    answers = {f"GET /v1/sessions/{ID}/history": {"items": rows}}
    assert "kernel" not in Ran("session show fit", answers=answers).out.split("requested")[0]
    assert "  abcd RUNNING" in Ran("session show fit -v", answers=answers).out


def test_logs_and_rm():
    assert Ran("session logs fit").out == "hello\n"
    many = {f"GET /v1/sessions/{ID}/logs": {"text": "a\nb\nc"}}
    assert Ran("session logs fit --tail 2", answers=many).out == "b\nc"
    assert Ran("session logs fit --tail 0", answers=many).out == ""
    assert json.loads(Ran("session logs fit --tail 2 --json", answers=many).out)["text"] == "b\nc"
    ran = Ran("session rm fit")
    assert (ran.code, ran.out) == (0, "fit  RUNNING\n")
    assert ran.asked[-1].method == "DELETE"


def test_rm_of_several_goes_on_after_one_that_is_not_there():
    ran = Ran("session rm nothing fit")
    assert (ran.code, ran.out) == (1, "fit  RUNNING\n")
    assert "'nothing'" in ran.err
    with pytest.raises(NotFound):
        Ran("session rm nothing")


def test_rm_by_force_says_so():
    assert Ran("session rm fit").asked[-1].query == ()
    assert Ran("session rm fit --force").asked[-1].query == (("force", "true"),)


def test_cancel_ends_what_waits_only():
    with pytest.raises(TooLate, match="fit is RUNNING already"):
        Ran("session cancel fit")
    ran = Ran("session cancel 0000abcd", answers={f"DELETE /v1/sessions/{WAITS['id']}": WAITS})
    assert ran.out == "0000abcd  PENDING\n"


def test_cluster_is_shown_kernel_by_kernel():
    kernels = [
        {"hostname": name, "status": "RUNNING", "agent": "a1", "id": f"0190{name}"}
        for name in ("main1", "sub1")
    ]
    view = SESSION | {"cluster_size": 2, "kernels": kernels}
    answers = {
        "GET /v1/sessions": {"items": [view]},
        f"GET /v1/sessions/{ID}/history": {"items": [*ROWS, ROWS[3] | {"kernel": "0190sub1"}]},
    }
    out = Ran("session show fit -v", answers=answers).out
    assert "slots      2 cpu, 512 MiB, for each of 2 kernels" in out
    assert "sub1    RUNNING  a1     0190sub1" in out
    assert "  sub1 RUNNING" in out
    assert "python:3.11 x2" in Ran("session ls", answers=answers).out
    assert Ran("session create p --kernels 2").asked[-1].body["cluster_size"] == 2
    asked = Ran("session create p --kernels 2 --port 8000 --port 8001").asked[-1].body
    assert asked["ports"] == [8000, 8001]
    assert Ran("session logs fit -k sub1").asked[-1].query == (("kernel", "sub1"),)
    assert Ran("session exec fit -k sub1 -c", "1").asked[-1].query == (("kernel", "sub1"),)


def test_limits_are_asked_for_and_shown():
    ran = Ran("session create p --pids 9 --disk 2G --cpu-time 1m --isolation oci")
    assert ran.asked[-1].body["limits"] == {"pids": 9, "disk_mib": 2048, "cpu_seconds": 60}
    assert ran.asked[-1].body["isolation"] == "oci"
    ran = Ran("session create p --timeout 90 --lifetime 1d --idle 0.2s --", "true")
    times = [ran.asked[-1].body[f"{each}_seconds"] for each in ("batch", "lifetime", "idle")]
    assert times == [90, 86400, 1]
    limits = {"pids": 9, "disk_mib": 2048, "cpu_seconds": None}
    more = {"limits": limits, "isolation": "namespaced", "lifetime_seconds": 86400}
    view = {"items": [SESSION | more | {"idle_seconds": 90}]}
    out = Ran("session show fit", answers={"GET /v1/sessions": view}).out
    assert "limits     9 processes, 2048 MiB of disk\n" in out
    assert "isolation  namespaced\n" in out
    assert "ends after 1d 0h of running, 1m 30s idle\n" in out


def test_watch_tells_changes_and_ends_as_the_session_did():
    rows = [*ROWS, ROWS[0] | {"kernel": "0190abcd"}]
    ran = Ran("session watch fit", answers={"follow": rows})
    *changes, last = ran.out.splitlines()
    assert [line.split()[1] for line in changes] == [row["to_status"] for row in ROWS]
    assert last.startswith("RUNNING")
    assert ran.code == 0
    failed = {"follow": rows, f"GET /v1/sessions/{ID}": FAILED}
    ran = Ran("session watch fit -v", answers=failed)
    assert (ran.code, ran.out.count("\n")) == (1, 6)
    assert ran.out.endswith("FAILURE 3: its command has failed: exited with code 3\n")
    lines = Ran("session watch fit --json", answers=failed).out.splitlines()
    assert [json.loads(line)["to_status"] for line in lines] == [r["to_status"] for r in ROWS]


def test_watch_of_all_names_the_sessions():
    rows = [row | {"session": ID} for row in ROWS[:2]]
    ran = Ran("session watch", answers={"follow": rows})
    assert all(line.endswith("created  00000001 (fit)") for line in ran.out.splitlines())
    assert len([each for each in ran.asked if each.path.endswith(ID)]) == 1


def test_rm_waits_for_the_end():
    gone = {"items": [*ROWS, ROWS[0] | {"seq": 5, "to_status": "TERMINATED"}]}
    ran = Ran("session rm fit --wait --json", answers={f"GET /v1/sessions/{ID}/history": gone})
    assert [each["id"] for each in json.loads(ran.out)] == [ID]


def test_folder_ls_of_folders_and_of_files():
    row = [FOLDER[-8:], "data", "ada", "own", "READY", "local", "59m"]
    assert Ran("folder ls").out.splitlines()[1].split() == row
    assert [line.split() for line in Ran("folder ls data").out.splitlines()[1:]] == [
        ["d/", "-", "59m"],
        ["x.csv", "2.0", "KiB", "59m"],
    ]


def test_folder_upload_and_download(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"123")
    ran = Ran("folder upload data", str(tmp_path / "x.csv"))
    assert ran.out == "x.csv  3 B\n"
    assert ran.asked[-1][0][:2] == ("http://p:2", "tok")
    ran = Ran("folder download data x.csv", str(tmp_path))
    assert ran.out == f"{tmp_path / 'x.csv'}  2.0 KiB\n"


def test_copies_tell_what_they_leave_out(tmp_path):
    """Nothing of a tree is passed over in silence. Copy one with a link there, and one with something else here."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x.csv").write_bytes(b"123")
    for number in range(22):
        (tmp_path / "d" / f"link{number:02}").symlink_to("x.csv")
    ran = Ran("cp -r", str(tmp_path / "d"), "data:")
    assert (ran.code, ran.out) == (0, "d/x.csv  3 B\n")
    first, *_, last = ran.err.splitlines()
    assert first == f"qd: left out: {tmp_path}/d/link00, a symbolic link"
    assert last == "qd: left out: 2 more; --json names all"
    ran = Ran("folder upload data", str(tmp_path / "d"), "--json")
    assert ran.err == ""
    copied, *left_out = json.loads(ran.out)
    assert copied["path"] == "d/x.csv"
    assert left_out[0] == {"path": f"{tmp_path}/d/link00", "left_out": "a symbolic link"}
    assert len(left_out) == 22
    other = {"path": "latest", "kind": "other", "size": 0}
    listed = {"items": [{"path": "x.csv", "kind": "file", "size": 2048}, other]}
    answers = {"GET /client/v1/files?recursive=true": listed}
    ran = Ran("folder download data", "", str(tmp_path), answers=answers)
    assert ran.err == "qd: left out: latest, a link, or what else is no file\n"


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
        "1",
        "59m",
        "http://h:2",
    ]
    assert Ran("agent ls -q").out == "a1\n"


AGENT = {"id": "a1", "kernels": 1, "drain_deadline": "2026-01-31T13:00:00Z"}


def test_agent_drain_says_what_is_left():
    answers = {"POST /v1/agents/a1/drain": AGENT, "DELETE /v1/agents/a1/drain": AGENT}
    ran = Ran("agent drain a1 --deadline 10m", answers=answers)
    assert ran.asked[0].body == {"deadline_seconds": 600.0}
    assert ran.out.startswith("a1  drained; 1 kernel is still there, until ")
    assert Ran("agent drain a1", answers=answers).asked[0].body == {}
    assert Ran("agent undrain a1", answers=answers).out == "a1  takes sessions again\n"


def test_agent_drain_waits_until_it_is_empty():
    empty = {"GET /v1/agents": {"items": [AGENT | {"kernels": 0}]}}
    ran = Ran("agent drain a1 --wait", answers=empty | {"POST /v1/agents/a1/drain": AGENT})
    assert ran.out == "a1  drained; nothing is left there\n"


def test_agent_that_vanishes_while_it_is_drained_is_told():
    """A manager with another database may answer. Drain an agent that is not listed afterwards."""
    gone = {"POST /v1/agents/a2/drain": AGENT | {"id": "a2"}}
    with pytest.raises(NotFound, match="no agent 'a2' any more") as missing:
        Ran("agent drain a2 --wait", answers=gone)
    assert words.of(missing.value).endswith("qd agent ls")


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
    given = arguments.parse(["session", "ls"])
    assert run.run(given) == 2
    assert capsys.readouterr().err.startswith("qd: QD_URL is not set\n    which variables")
    monkeypatch.setenv("QD_URL", "nowhere")
    monkeypatch.setenv("QD_ACCESS_KEY", "QDAKX")
    monkeypatch.setenv("QD_SECRET_KEY", "s")
    assert run.run(given) == 2
    assert "not the URL of a manager" in capsys.readouterr().err


@pytest.fixture
def failing(monkeypatch):
    """Run a command that meets an error; give the exit code."""

    def run_into(error):
        def fail(*_):
            raise error

        monkeypatch.setenv("QD_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("QD_ACCESS_KEY", "QDAKX")
        monkeypatch.setenv("QD_SECRET_KEY", "s")
        monkeypatch.setattr(run, "COMMANDS", {"user-ls": fail})
        return run.run(arguments.parse(["user", "ls"]))

    return run_into


FULL = OSError(28, "No space left on device")
NO_TEXT = UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "surrogates not allowed")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (FULL, 1, "qd: standard output: No space left on device\n"),
        (NO_TEXT, 1, "qd: 'a\\udcff' is not text in UTF-8\n"),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_what_the_machine_refuses_is_told_in_words(error, code, said, capfd, failing):
    """A full disk, a name that is no text, and a reader that went away are no crashes. Let a command meet them."""
    assert failing(error) == code
    assert capfd.readouterr().err == said


@pytest.mark.parametrize(
    ("error", "code"), [(Refused(403, "forbidden", "no"), 1), (KeyboardInterrupt(), 130)]
)
def test_failures_have_their_exit_code(error, code, capsys, failing):
    assert failing(error) == code
    assert ("administrator" in capsys.readouterr().err) == (code == 1)
