"""Log lines: parsing, and reading the end of a file."""

import json
from pathlib import Path

from shakeout.process import logs

RECORD = {
    "time": "2026-01-31T12:00:00.123Z",
    "level": "info",
    "component": "manager",
    "event": "session-created",
    "trace": "4f1c",
    "session": "s 1",
}


def test_json_line_is_taken_apart():
    line = logs.parse(json.dumps(RECORD))
    assert (line.time, line.level, line.component, line.event) == (
        "2026-01-31T12:00:00.123Z",
        "info",
        "manager",
        "session-created",
    )
    assert line.fields == {"trace": "4f1c", "session": "s 1"}
    assert str(line) == '2026-01-31T12:00:00.123Z info session-created trace=4f1c session="s 1"'


def test_plain_text_is_an_event_of_the_writer():
    line = logs.parse("Traceback (most recent call last):", "agent")
    assert (line.event, line.component, line.time) == (
        "Traceback (most recent call last):",
        "agent",
        "",
    )
    assert str(line) == line.raw


def test_json_that_is_no_record_is_plain_text():
    for raw in ("[1, 2]", "{broken", "{'a': 1}", "{}x", '"text"'):
        assert logs.parse(raw).event == raw


def test_json_without_end_is_plain_text():
    raw = '{"a":' * 100_000
    assert logs.parse(raw).event == raw


def test_log_that_cannot_be_read_has_no_lines(tmp_path: Path):
    assert logs.tail(tmp_path, 5) == []


def test_record_without_the_usual_names_is_kept_in_fields():
    line = logs.parse('{"msg": "etcd started", "port": 2379}', "etcd")
    assert (line.event, line.component) == ("", "etcd")
    assert line.fields == {"msg": "etcd started", "port": 2379}


def test_blank_lines_are_left_out():
    assert [line.raw for line in logs.parse_all("a\n\n  \nb")] == ["a", "b"]


def test_tail_reads_the_last_lines_of_a_long_file(tmp_path: Path):
    path = tmp_path / "log"
    path.write_text("".join(f"line {number} {'x' * 90}\n" for number in range(5000)))
    assert [line.raw.split()[1] for line in logs.tail(path, 3)] == ["4997", "4998", "4999"]


def test_tail_of_no_lines_is_none(tmp_path: Path):
    path = tmp_path / "log"
    path.write_text("one\ntwo\n")
    assert logs.tail(path, 0) == []


def test_tail_of_a_short_or_missing_file_is_what_there_is(tmp_path: Path):
    path = tmp_path / "log"
    assert logs.tail(path, 5) == []
    path.write_text("one\nunfinished")
    assert [line.raw for line in logs.tail(path, 5)] == ["one", "unfinished"]


def test_tail_survives_bytes_that_are_no_text(tmp_path: Path):
    path = tmp_path / "log"
    path.write_bytes(b"\xff\xfe broken\n")
    assert logs.tail(path, 1)[0].raw.endswith("broken")


def test_since_reads_only_what_came_after_the_position(tmp_path: Path):
    path = tmp_path / "log"
    assert logs.position(path) == 0
    assert logs.since(path, 0) == []
    path.write_text("before\n")
    mark = logs.position(path)
    with path.open("a") as file:
        file.write("after\n")
    assert [line.raw for line in logs.since(path, mark)] == ["after"]
