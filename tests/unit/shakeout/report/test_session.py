"""Parts that several processes write become one session; the ledger remembers."""

import json
from dataclasses import asdict

import pytest

from shakeout.cli import __main__ as command
from shakeout.report import build, ledger, rerun, session, session_page, whole
from shakeout.report.errors import NothingReadable, NothingRecorded
from shakeout.report.injections import Injected
from shakeout.report.ledger import Odds, Outcome
from shakeout.report.session import Entry, Session


def part(name, *entries, began=0.0):
    return Session(name, 7, began, began + 1, entries, (0.5,), {"system": "fleet"})


def test_parts_of_several_processes_are_merged(tmp_path):
    kill = Injected("kill", ("boat",), "load", "recovered")
    session.write_part(part("one", Entry("a.py::test_a", "passed", faults=(kill,))), tmp_path)
    failed = Entry("b.py::test_b", "product failed", page="test_b/index.html")
    session.write_part(part("two", failed, began=5.0), tmp_path)
    merged = session.merge(tmp_path)
    assert [entry.nodeid for entry in merged.entries] == ["a.py::test_a", "b.py::test_b"]
    assert merged.entries[0].faults == (kill,)
    assert merged.entries[1].page == "two/test_b/index.html"
    assert (merged.began, merged.ended, merged.boots) == (0.0, 6.0, (0.5, 0.5))


def test_a_part_alone_is_its_session(tmp_path):
    entry = Entry("b.py::test_b", "flaky", page="test_b/index.html")
    own = session.write_part(part("one", entry), tmp_path)
    assert session.merge(own).entries == (entry,)


def test_a_test_that_ran_again_counts_once_as_it_ended_last(tmp_path):
    session.write_part(part("1", Entry("a.py::test_a", "product failed")), tmp_path)
    session.write_part(part("2", Entry("a.py::test_a", "passed")), tmp_path)
    assert [entry.verdict for entry in session.merge(tmp_path).entries] == ["passed"]


def test_nothing_to_merge_is_said(tmp_path):
    with pytest.raises(NothingRecorded):
        session.merge(tmp_path)
    with pytest.raises(NothingRecorded):
        build.write_session(tmp_path)


def test_the_page_of_all_parts_stands_beside_them(tmp_path):
    session.write_part(part("one", Entry("a.py::test_a", "passed")), tmp_path)
    assert build.write_session(tmp_path) == tmp_path / "index.html"
    assert "all passed" in (tmp_path / "index.html").read_text()


def test_very_old_sessions_go_and_foreign_directories_stay(tmp_path):
    (tmp_path / "0-mine").mkdir()
    for number in range(session.SESSIONS_KEPT + 3):
        session.write_part(part(f"s{number:03}"), tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left[:2] == ["0-mine", "s003"]
    assert len(left) == session.SESSIONS_KEPT + 1


@pytest.mark.parametrize("nodeid", ["a.py::test_x[../../etc]", "a.py::test_y[" + "z" * 500 + "]"])
def test_directories_of_tests_have_harmless_names(nodeid):
    name = session.directory_of(nodeid)
    assert "/" not in name
    assert len(name) < 100


def test_directories_of_different_tests_differ():
    assert session.directory_of("a.py::test_x") != session.directory_of("b.py::test_x")


def test_the_story_of_a_test_leaves_page_and_trace(story, tmp_path):
    path = build.write_story(story(), tmp_path / "here")
    assert path.read_text().startswith("<!doctype html>")
    assert sorted(each.name for each in path.parent.iterdir()) == ["index.html", "trace.json"]


def outcome(verdict, nodeid="a.py::test_a"):
    return Outcome(nodeid, "fleet", verdict, 7, 1.0)


def test_the_ledger_gives_back_what_was_appended(tmp_path):
    path = tmp_path / "deep" / "outcomes.jsonl"
    ledger.append(path, [outcome("passed")])
    ledger.append(path, [outcome("flaky")])
    assert ledger.read(path) == [outcome("passed"), outcome("flaky")]


def test_the_ledger_leaves_out_lines_that_are_none(tmp_path):
    path = tmp_path / "outcomes.jsonl"
    path.write_text('nonsense\n{"nodeid": "only"}\n')
    ledger.append(path, [outcome("passed")])
    assert ledger.read(path) == [outcome("passed")]


def test_the_ledger_forgets_its_older_half_when_it_is_full(tmp_path):
    path = tmp_path / "outcomes.jsonl"
    line = b'{"nodeid": "old", "system": "fleet", "verdict": "passed", "seed": 7, "at": 1.0}\n'
    path.write_bytes(line * (ledger.BYTES_MAX // len(line) + 2))
    ledger.append(path, [outcome("flaky", "new")])
    assert path.stat().st_size < ledger.BYTES_MAX * 0.6
    found = ledger.read(path)
    assert (found[0].nodeid, found[-1].nodeid) == ("old", "new")


def test_odds_count_what_tells_something():
    verdicts = ("passed", "product failed", "infrastructure failed", "unknown", "passed", "flaky")
    found = ledger.odds(map(outcome, verdicts))["a.py::test_a"]
    assert found == Odds(2, 4, 3)
    assert found.flaky


def test_odds_of_a_test_that_broke_once_are_not_flaky():
    assert not ledger.odds(map(outcome, ("passed", "passed", "product failed")))[
        "a.py::test_a"
    ].flaky


@pytest.mark.parametrize(
    ("odds", "low", "high"),
    [(Odds(0, 0), 0.0, 1.0), (Odds(10, 10), 0.7, 1.0), (Odds(5, 10), 0.2, 0.8)],
)
def test_odds_say_how_sure_they_are(odds, low, high):
    found = odds.interval
    assert low <= found[0] <= odds.probability <= found[1] + 1e-9 or not odds.runs
    assert found[1] <= high


@pytest.mark.parametrize(
    ("nodeid", "by_pytest", "by_pants"),
    [
        (
            "tests/test_a.py::test_b",
            "pytest tests/test_a.py::test_b --shakeout-seed=7",
            "./pants test --force tests/test_a.py -- -k test_b --shakeout-seed=7",
        ),
        (
            "tests/test_a.py::Test::test_b[x y]",
            "pytest 'tests/test_a.py::Test::test_b[x y]' --shakeout-seed=7",
            "./pants test --force tests/test_a.py -- -k test_b --shakeout-seed=7",
        ),
    ],
)
def test_rerun_commands_can_be_typed(nodeid, by_pytest, by_pants):
    found = rerun.commands(nodeid, rerun.Circumstances(7, pants=True))
    assert (found.pytest, found.pants) == (by_pytest, by_pants)


def test_rerun_commands_repeat_what_mattered():
    found = rerun.commands("a.py::test_b", rerun.Circumstances(7, randomly=True, durable=True))
    assert found.pytest == "pytest a.py::test_b --shakeout-seed=7 --randomly-seed=7 --durable"
    assert not found.pants


def broken(directory, text, name="broken"):
    (directory / name).mkdir()
    (directory / name / session.PART).write_text(text)


WHOLE = json.dumps(asdict(part("z", Entry("a.py::test_a", "passed"))))


@pytest.mark.parametrize(
    "text",
    ["", WHOLE[:-30], WHOLE.replace("passed", "well"), "[]", "7", '{"entries": [], "boots": []}'],
)
def test_a_part_that_cannot_be_read_is_told_and_the_others_are_merged(tmp_path, text):
    """Who was killed while it wrote hides nobody. Merge a part that is cut off with a whole one."""
    session.write_part(part("whole", Entry("b.py::test_b", "product failed")), tmp_path)
    broken(tmp_path, text)
    merged = session.merge(tmp_path)
    assert [entry.nodeid for entry in merged.entries] == ["b.py::test_b"]
    (told,) = merged.unreadable
    assert told.startswith(f"{tmp_path / 'broken' / session.PART}: ")
    page = build.write_session(tmp_path).read_text()
    assert "1 of 1 failed of what can be read" in page
    assert "broken/part.json" in page
    assert session_page.summary(merged) == f"1 product failed\nleft out: {told}"


def test_parts_none_of_which_can_be_read_are_told(tmp_path):
    broken(tmp_path, "")
    with pytest.raises(
        NothingReadable, match=r"(?s)can be read:.*broken/part.json: JSONDecodeError"
    ):
        session.merge(tmp_path)


def test_the_command_tells_what_it_leaves_out(tmp_path, capsys):
    broken(tmp_path, WHOLE[:-30])
    assert command.main(("report", str(tmp_path))) == 2
    assert "broken/part.json" in capsys.readouterr().err
    session.write_part(part("whole", Entry("b.py::test_b", "passed")), tmp_path)
    assert command.main(("report", str(tmp_path))) == 0
    assert "left out: " in capsys.readouterr().out


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    """Whoever is killed while writing leaves what was there. Let the disk be full in the middle."""
    path = tmp_path / "page"
    whole.write(path, "before")

    def full(new, text, **_how):
        with new.open("w") as file:
            file.write(text[:3])
        raise OSError("no space")

    monkeypatch.setattr(type(path), "write_text", full)
    with pytest.raises(OSError, match="no space"):
        whole.write(path, "after")
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["page"]
