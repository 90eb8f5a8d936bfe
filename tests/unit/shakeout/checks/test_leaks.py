"""The comparison behind the leak check: what came and stayed is a leak, unless it is expected."""

from shakeout.checks import errors, leaks
from shakeout.checks.leaks import Expected, Leak


def test_diff_names_what_came():
    before = {"redis keys": {"old": ""}}
    after = {"redis keys": {"old": "", "new": "database 0"}}
    assert leaks.diff(before, after) == [Leak("redis keys", "new", "database 0")]


def test_diff_minds_nothing_that_went():
    assert leaks.diff({"redis keys": {"old": ""}}, {"redis keys": {}}) == []


def test_diff_takes_a_new_probe_as_empty_before():
    assert leaks.diff({}, {"objects": {"bucket/key": "3 bytes"}})[0].key == "bucket/key"


def test_diff_leaves_out_expected_keys_of_that_probe_only():
    after = {"redis keys": {"nodes/1": ""}, "etcd keys": {"nodes/1": ""}}
    expected = [Expected("etcd keys", ("other", "nodes/*"))]
    assert [leak.probe for leak in leaks.diff({}, after, expected)] == ["redis keys"]


def test_count_numbers_equal_things_so_that_one_may_replace_another():
    before = {"processes": leaks.count([("agent: kernel", "pid 1"), ("agent: kernel", "pid 2")])}
    replaced = {"processes": leaks.count([("agent: kernel", "pid 2"), ("agent: kernel", "pid 3")])}
    grown = {"processes": leaks.count([("agent: kernel", f"pid {pid}") for pid in (2, 3, 4)])}
    assert leaks.diff(before, replaced) == []
    assert leaks.diff(before, grown) == [Leak("processes", "agent: kernel #3", "pid 4")]


def test_error_shows_a_table():
    found = [Leak("redis keys", "a", "database 0"), Leak("objects", "bucket/key", "")]
    lines = str(errors.Leaked(found, 2.04)).splitlines()
    assert lines[0] == "the test left 2 things behind (looked for 2.0 s):"
    assert lines[1].split() == ["kind", "what", "known", "about", "it"]
    assert lines[2] == "  redis keys  a           database 0"
    assert lines[3] == "  objects     bucket/key"
