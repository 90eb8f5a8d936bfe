"""The tree keeps the house rules of `tidy.py`. A complaint names the file; STYLE.md says why."""

import re
from pathlib import Path

import pytest
import tidy

from shakeout.gate import manifest

ROOT = Path(__file__).parents[3]
MODULES = tidy.read(ROOT, "*.py")
LOCKS = ROOT / "3rdparty" / "python"


@pytest.mark.parametrize("rule", tidy.PYTHON_RULES, ids=lambda rule: rule.__name__)
def test_python(rule):
    keeps([complaint for module in MODULES for complaint in rule(module)])


def test_the_tree_is_there():
    """An empty tree keeps every rule: in a sandbox its files are dependencies that someone must name."""
    assert len(MODULES) > 300
    assert {module.path.split("/")[0] for module in MODULES} == {"src", "tests"}


def test_every_query_is_used():
    queries = tidy.read(ROOT, "queries.sql")
    assert queries
    keeps([complaint for sql in queries for complaint in tidy.unused_queries(sql, MODULES)])


def test_architecture_shows_the_real_tree():
    paths = [source.path for source in [*MODULES, *tidy.read(ROOT, "*.sql")]]
    keeps(tidy.tree_differences((ROOT / "ARCHITECTURE.md").read_text(), paths))


def test_manifest_lists_every_test_file():
    listed = manifest.read(ROOT / manifest.DEFAULT_PATH).files
    keeps(tidy.manifest_differences(listed, [module.path for module in MODULES]))


def test_features_of_the_harness_are_shown_by_what_exists():
    path = "docs/harness-features.md"
    page = tidy.Source(path, (ROOT / path).read_text())
    numbers = [int(line.split()[1]) for line in page.lines if re.match(r"\| \d", line)]
    assert numbers == [*range(1, 74), *range(1, 22)]
    keeps(tidy.broken_references(page, ROOT))


def test_what_may_crash_the_run_comes_after_the_time_out(pytestconfig):
    """The watchdog of faulthandler reads the stacks of running threads, and CPython 3.11 dies of that now and then."""
    watchdog, timeout = (
        float(pytestconfig.getini(f"{name}timeout")) for name in ("faulthandler_", "")
    )
    assert watchdog > timeout > 0


def test_listed_type_ignores_exist():
    assert tidy.TYPE_IGNORES.keys() <= {module.path for module in MODULES}


def test_locks_name_no_download_address():
    texts = {lock.name: lock.read_text() for lock in LOCKS.glob("*.lock")}
    assert texts
    assert [name for name, text in texts.items() if "://" in text] == []


@pytest.mark.parametrize("tool", ["pytest.lock", "tools.lock"])
def test_locks_agree(tool):
    one, other = (tidy.Source(name, (LOCKS / name).read_text()) for name in ("default.lock", tool))
    keeps(tidy.disagreeing_pins(one, other))


def keeps(complaints):
    if found := "\n".join(complaints):
        pytest.fail(found, pytrace=False)
