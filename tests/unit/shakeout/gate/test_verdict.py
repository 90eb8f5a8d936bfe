"""The gate's judgement: tests that are missing are told by file and directory, and so are new ones."""

import pytest

from shakeout.gate import errors, in_process, manifest, verdict
from shakeout.gate.manifest import Manifest
from shakeout.gate.tally import Outcome, Ran, Tally
from shakeout.gate.verdict import Difference

LISTED = Manifest({"tests/unit/test_a.py": 2, "tests/unit/test_b.py": 1, "tests/it/test_c.py": 1})


def tally(*nodeids: str) -> Tally:
    return Tally(Ran(nodeid, Outcome.PASSED) for nodeid in nodeids)


ALL = (
    "tests/unit/test_a.py::a",
    "tests/unit/test_a.py::b",
    "tests/unit/test_b.py::c[1]",
    "tests/it/test_c.py::T::d",
)


def test_all_listed_tests_ran():
    assert verdict.differences(LISTED, tally(*ALL)) == []


def test_order_does_not_matter():
    assert verdict.differences(LISTED, tally(*reversed(ALL))) == []


def test_missing_test_is_told_of_directory_and_file():
    assert verdict.differences(LISTED, tally(*ALL[1:])) == [
        Difference("tests/unit", 3, 2),
        Difference("tests/unit/test_a.py", 2, 1),
    ]


def test_missing_directory_is_told():
    assert Difference("tests/it", 1, 0) in verdict.differences(LISTED, tally(*ALL[:3]))


def test_one_test_more_does_not_make_up_for_one_less():
    found = verdict.differences(LISTED, tally(*ALL[1:], "tests/unit/test_b.py::new"))
    assert [each.path for each in found] == ["tests/unit/test_a.py", "tests/unit/test_b.py"]
    assert [each.fewer for each in found] == [True, False]


def test_unlisted_file_is_told():
    found = verdict.differences(LISTED, tally(*ALL, "tests/new/test_d.py::e"))
    assert found == [Difference("tests/new", 0, 1), Difference("tests/new/test_d.py", 0, 1)]
    assert verdict.UPDATE in verdict.explain(found)[-1]


def test_scope_leaves_the_rest_unjudged():
    assert verdict.differences(LISTED, tally(), lambda file: file.startswith("tests/it/")) == [
        Difference("tests/it", 1, 0),
        Difference("tests/it/test_c.py", 1, 0),
    ]


def test_same_test_told_twice_counts_once_with_its_worst_outcome():
    ran = Tally(
        [Ran("t::a", Outcome.FAILED), Ran("t::a", Outcome.PASSED), Ran("t::b", Outcome.SKIPPED)]
    )
    assert ran.summary() == "0 passed, 1 failed, 1 skipped"
    assert ran.by_file() == {"t": 2}


def test_typed_skips_count_as_run():
    ran = Tally(Ran(nodeid, Outcome.SKIPPED, "why") for nodeid in ALL)
    assert verdict.differences(LISTED, ran) == []
    assert len(ran.skips()) == 4


def test_manifest_reads_what_it_writes(tmp_path):
    path = tmp_path / "manifest.toml"
    path.write_text(LISTED.render())
    assert manifest.read(path).files == LISTED.files


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "Invalid"),
        ('["tests"]\n"test_a.py" = 1\n', "total is not the sum"),
        ('["tests"]\ntotal = 2\n"test_a.py" = 1\n', "total is not the sum"),
        ('["tests"]\ntotal = 1\n"test_a.py" = "1"\n', "no table of numbers"),
        ("total = 3\n", "no table of numbers"),
    ],
)
def test_manifest_that_contradicts_itself_is_refused(tmp_path, text, reason):
    path = tmp_path / "manifest.toml"
    path.write_text(text)
    with pytest.raises(errors.ManifestBroken, match=reason):
        manifest.read(path)


def test_manifest_must_be_there(tmp_path):
    with pytest.raises(errors.ManifestMissing):
        manifest.read(tmp_path / "manifest.toml")


@pytest.mark.parametrize(
    ("paths", "covered"),
    [
        ((), True),
        ((".",), True),
        (("tests",), True),
        (("tests/unit/test_a.py",), True),
        (("tests/unit/test_b.py", "tests/unit/test_a.py"), True),
        (("tests/un",), False),
        (("tests/it",), False),
        (("tests/unit/test_a.py::a",), False),
        (("tests", "tests/unit/test_a.py::a"), False),
    ],
)
def test_file_is_judged_when_all_of_it_was_asked_for(paths, covered):
    assert in_process.Asked(paths=paths).covers("tests/unit/test_a.py") is covered
