"""Each rule of `tidy.py` bites: a source that breaks it, and one that just keeps it."""

import pytest
import tidy

LONG = '"""."""\n' + "x = 1\n" * 300


def function(lines):
    return '"""."""\n\n\ndef f():\n' + "    x = 1\n" * (lines - 1)


BROKEN = [
    (tidy.files_are_short, "src/a.py", LONG),
    (tidy.files_are_short, "tests/unit/test_a.py", LONG + "x = 1\n" * 200),
    (tidy.files_are_short, "tests/integration/conftest.py", "x = 1\n" * 61),
    (tidy.functions_are_short, "src/a.py", function(61)),
    (tidy.modules_begin_with_a_docstring, "src/a.py", "x = 1\n"),
    (tidy.modules_begin_with_a_docstring, "src/a.py", '# x\n"""."""\n'),
    (tidy.modules_begin_with_a_docstring, "src/a.py", ""),
    (tidy.modules_begin_with_a_docstring, "src/__init__.py", '"""."""\n'),
    (tidy.integration_tests_say_goal_and_method, "tests/integration/a.py", "def test_a(): pass"),
    (tidy.type_ignores_are_listed, "src/a.py", "x = 1  # type: ignore[misc]  # why\n"),
    (tidy.type_ignores_are_listed, "src/quarterdeck/wire/errors.py", "x = 1\n"),
    (tidy.lint_ignores_give_a_reason, "src/a.py", "x = 1  # noqa"),
    (tidy.lint_ignores_give_a_reason, "src/a.py", "x = 1  # noqa: E501"),
    (tidy.lint_ignores_give_a_reason, "src/a.py", "x = 1  # noqa: E501, F401"),
    (tidy.nobody_sleeps, "src/a.py", "import time\ntime.sleep(1)\n"),
    (tidy.nobody_sleeps, "src/a.py", "from asyncio import sleep\n"),
    (tidy.nothing_is_mocked, "tests/a.py", "from unittest import mock\n"),
    (tidy.nothing_is_mocked, "tests/a.py", "from unittest.mock import Mock\n"),
    (
        tidy.skips_are_typed,
        "tests/a.py",
        "@pytest.mark.skipif(True, reason='x')\ndef test_a(): pass\n",
    ),
    (tidy.skips_are_typed, "tests/a.py", "def test_a():\n    pytest.skip('later')\n"),
]
KEPT = [
    (tidy.files_are_short, "src/a.py", LONG.removesuffix("x = 1\n")),
    (tidy.files_are_short, "tests/unit/test_a.py", LONG),
    (tidy.functions_are_short, "src/a.py", function(60)),
    (tidy.modules_begin_with_a_docstring, "src/a.py", '"""."""\n'),
    (tidy.modules_begin_with_a_docstring, "src/__init__.py", ""),
    (
        tidy.integration_tests_say_goal_and_method,
        "tests/integration/a.py",
        'def test_a(): """Goal."""',
    ),
    (tidy.integration_tests_say_goal_and_method, "tests/unit/a.py", "def test_a(): pass"),
    (tidy.type_ignores_are_listed, "src/a.py", "x = 1\n"),
    (tidy.lint_ignores_give_a_reason, "src/a.py", "x = 1  # noqa: E501, F401 - why\n"),
    (tidy.lint_ignores_give_a_reason, "src/a.py", "x = 1  # noqa: E501 (why)\n"),
    (tidy.nobody_sleeps, "src/quarterdeck/base/tasks.py", "import asyncio\nasyncio.sleep(1)\n"),
    (tidy.nobody_sleeps, "src/a.py", "PROGRAM = 'time.sleep(1)'\n"),
    (tidy.skips_are_typed, "src/shakeout/skips.py", "pytest.skip('typed')\n"),
]


def names(case):
    return case.__name__ if callable(case) else None


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN, ids=names)
def test_rule_bites(rule, path, text):
    complaints = list(rule(tidy.Source(path, text)))
    assert complaints
    assert all(complaint.startswith(path) for complaint in complaints)


@pytest.mark.parametrize(("rule", "path", "text"), KEPT, ids=names)
def test_rule_lets_pass(rule, path, text):
    assert list(rule(tidy.Source(path, text))) == []


def test_every_rule_is_shown_to_bite():
    assert {rule for rule, *_ in BROKEN} == set(tidy.PYTHON_RULES)


def test_unused_query_is_named():
    sql = tidy.Source("src/a/queries.sql", "-- name: used\nSELECT 1\n-- name: unused\nSELECT 2\n")
    modules = [
        tidy.Source("src/a/store.py", '_SQL["used"]'),
        tidy.Source("src/b.py", '_SQL["unused"]'),
    ]
    assert list(tidy.unused_queries(sql, modules)) == [
        "src/a/queries.sql: nobody uses query 'unused'"
    ]


PATHS = ["src/a/x.py", "src/a/b/y.py", "src/a/b/c/z.py", "tests/unit/a/data/d/e.py"]
TREE = "# A\n```tree\nsrc/a/         first\nsrc/a/b/       second\ntests/unit/    third\ntests/unit/a/  fourth\n```\n"


def test_true_tree_passes():
    assert list(tidy.tree_differences(TREE, PATHS)) == []


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("src/a/b/       second\n", "", "src/a/b/ is missing"),
        ("src/a/b/ ", "src/a/c/ ", "src/a/c/ does not exist"),
        ("src/a/b/       second\n", "src/a/b/\n", "src/a/b/ without a word"),
        ("```tree", "```", "no block fenced"),
    ],
)
def test_wrong_tree_is_told(before, after, complaint):
    assert complaint in "\n".join(tidy.tree_differences(TREE.replace(before, after), PATHS))


def test_disagreeing_pins_are_told():
    one = tidy.Source("one.lock", "a==1 \\\n    --hash=x\nb==2 \\\n")
    other = tidy.Source("other.lock", "a==1 \\\nb==3 \\\nc==4 \\\n")
    assert list(tidy.disagreeing_pins(one, other)) == ["b: 2 in one.lock, 3 in other.lock"]


def test_deleted_and_unlisted_test_files_are_told():
    listed = ["tests/unit/test_a.py", "tests/unit/test_gone.py"]
    paths = [
        "tests/unit/test_a.py",
        "tests/unit/test_new.py",
        "tests/unit/helper.py",
        "src/test_x.py",
    ]
    assert list(tidy.manifest_differences(listed, paths)) == [
        "tests/unit/test_gone.py: in the manifest, but deleted",
        "tests/unit/test_new.py: not in the manifest (`python -m shakeout.gate --update`)",
    ]


PAGE = "`tests/test_a.py::test_one` `tests/test_a.py::test_two` `src/gone.py` `pytest -x` `src/a/`"


def test_references_to_nothing_are_told(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "src" / "a").mkdir(parents=True)
    (tmp_path / "tests" / "test_a.py").write_text("async def test_one():\n    pass\n")
    assert list(tidy.broken_references(tidy.Source("docs/x.md", PAGE), tmp_path)) == [
        "docs/x.md: tests/test_a.py has no test_two",
        "docs/x.md: src/gone.py does not exist",
    ]
