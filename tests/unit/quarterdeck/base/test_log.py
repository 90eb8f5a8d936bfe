"""A log line is one line of JSON with the bound fields; secrets and odd values do no harm."""

import json
import logging

import pytest

from quarterdeck.base import log
from quarterdeck.base.config import Secret


def line(event, *, level=logging.INFO, exc_info=None, **extra):
    record = logging.LogRecord("a.b", level, "f.py", 1, event, (), exc_info)
    vars(record).update(extra)
    text = log.JsonFormatter("agent").format(record)
    assert "\n" not in text
    return json.loads(text)


def test_line_carries_what_readers_look_for():
    got = line("kernel-started", kernel="k1")
    assert got["event"] == "kernel-started"
    assert (got["level"], got["component"], got["logger"]) == ("info", "agent", "a.b")
    assert got["fields"] == {"kernel": "k1"}
    assert got["time"].endswith("+00:00")
    assert "trace" not in got


def test_bound_fields_are_on_each_line_of_the_block():
    with log.bind(trace="t1", session="s1"):
        assert log.trace() == "t1"
        with log.bind(kernel="k1"):
            inner = line("x")
        outer = line("y", session="s2")
    assert (inner["trace"], inner["fields"]) == ("t1", {"session": "s1", "kernel": "k1"})
    assert outer["fields"] == {"session": "s2"}
    assert log.trace() is None


def test_secret_and_unknown_values_are_plain_text():
    got = line("x", secret=Secret("hush"), many={"b", "a"}, nested={"s": Secret("hush")}, o=object)
    assert got["fields"]["secret"] == "***"
    assert got["fields"]["many"] == ["a", "b"]
    assert "hush" not in json.dumps(got)


def test_exception_brings_its_traceback():
    with pytest.raises(ValueError, match="why") as raised:
        int("why")
    got = line("x", exc_info=(raised.type, raised.value, raised.tb))
    assert "Traceback" in got["traceback"]
    assert got["traceback"].endswith("'why'")
