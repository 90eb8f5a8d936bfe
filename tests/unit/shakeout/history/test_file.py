"""A saved history is the same when it is loaded; what is no history is told with its line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shakeout.history import file
from shakeout.history.errors import HistoryUnreadable
from shakeout.history.operation import History, Operation, Outcome

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)
OPERATIONS = st.builds(
    Operation,
    number=st.integers(0, 1000),
    process=st.text(),
    action=st.text(),
    key=st.text(),
    arguments=st.lists(VALUES, max_size=3).map(tuple),
    began=st.integers(0, 10**18),
    ended=st.none() | st.integers(0, 10**18),
    outcome=st.sampled_from(Outcome),
    result=VALUES,
    error=st.text(),
)


@settings(max_examples=30)
@given(st.lists(OPERATIONS, max_size=5))
def test_a_history_comes_back_as_it_was_saved(tmp_path_factory, operations):
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    ordered = sorted(operations, key=lambda one: (one.began, one.number))
    history = History(tuple(ordered), {"scenario": "work", "seed": 7})
    file.save(history, path)
    assert file.load(path) == history


HEAD = '{"shakeout_history": 1, "about": {}}\n'
GOOD = '{"number": 0, "process": "p", "action": "read", "began": 1, "outcome": "ok"}\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "1: not a history of format 1"),
        ('{"shakeout_history": 2}\n', "1: not a history of format 1"),
        (HEAD + "nonsense\n", "2: Expecting value"),
        (HEAD + "[]\n", "2: not an object"),
        (HEAD + GOOD + GOOD.replace('"process": "p", ', ""), "3: 'process' is missing"),
        (HEAD + GOOD.replace('"ok"', '"fine"'), "2: 'fine' is not a valid Outcome"),
        (HEAD + GOOD.replace("}", ', "result": {"a": 1}}'), "2: a history holds scalars"),
    ],
)
def test_what_is_no_history_is_told_with_its_line(tmp_path, text, reason):
    path = tmp_path / "history.jsonl"
    path.write_text(text)
    with pytest.raises(HistoryUnreadable, match=reason):
        file.load(path)
