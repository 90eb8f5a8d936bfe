"""The record of a wait: equal samples are one line, the middle of a long record is left out."""

from shakeout.waiting import samples


def record(*values: object) -> list[str]:
    seen = samples.Samples()
    for second, value in enumerate(values):
        seen.value(float(second), value)
    return seen.lines()


def test_samples_say_when_there_are_none():
    assert record() == ["no sample was taken"]


def test_samples_join_equal_neighbours():
    assert record("A", "A", "B", "A") == [
        "4 samples:",
        "      0.000 s  'A'  (x2, until 1.000 s)",
        "      2.000 s  'B'",
        "      3.000 s  'A'",
    ]


def test_samples_keep_first_and_last_of_many():
    lines = record(*range(100))
    assert lines[0] == "100 samples:"
    assert [line.split()[-1] for line in lines[1:6]] == ["0", "1", "2", "3", "4"]
    assert "80 more changes" in lines[6]
    assert lines[-1].endswith(" 99")
    assert len(lines) == 1 + samples.FIRST_RUNS_KEPT + 1 + samples.LAST_RUNS_KEPT


def test_samples_shorten_long_values():
    assert len(samples.render("x" * 10_000)) <= samples.TEXT_LENGTH_MAX


def test_samples_stay_on_one_line():
    assert "\n" not in samples.render("a\nb") + samples.describe_exception(ValueError("a\nb"))


def test_samples_name_a_callable_object():
    class Ready:
        def __call__(self) -> bool:
            return True

    assert samples.name_of(Ready()).endswith("Ready")
