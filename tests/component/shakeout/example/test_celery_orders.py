"""The example does what its README says, with nothing but the wheel and its own lock."""

import pytest

HONEST = "test_faults"
ON_PURPOSE = "fails_on_purpose.test_order_survives_the_death_of_its_worker"


@pytest.fixture(scope="module")
def ran(newcomer):
    """One run of all its tests; the plugin is named although the wheel brings it, which must not clash."""
    return newcomer.run(
        "pytest",
        "-p",
        "shakeout.plugin",
        "--junitxml=report.xml",
        f"{HONEST}.py",
        "fails_on_purpose.py",
    )


def test_true_claims_pass_and_the_false_one_fails(newcomer, ran):
    outcomes = newcomer.outcomes()
    assert outcomes.pop(ON_PURPOSE) == ["failure"], ran.output
    assert len(outcomes) == 5
    assert all(not told for told in outcomes.values()), ran.output


def test_broker_finds_the_modules_that_are_named_in_words_only(ran):
    assert "not from the broker" not in ran.output


def test_report_of_the_failure_reads_as_the_readme_says(newcomer, ran):
    assert (
        "cause: Waited 4.0 s in vain until orders (1,) to be booked; last seen: []." in ran.output
    )
    assert "Task tasks.book_early[" in ran.output
    [page] = newcomer.example.glob("dist/shakeout/*/*/index.html")
    assert "tasks.book_early[" in page.read_text()


def test_declaration_is_short(newcomer):
    lines = (newcomer.example / "system.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) < 60


def test_readme_names_every_file(newcomer):
    readme = (newcomer.example / "README.md").read_text()
    files = [path.name for path in newcomer.example.glob("*.py")]
    assert [name for name in files if f"`{name}`" not in readme] == []
