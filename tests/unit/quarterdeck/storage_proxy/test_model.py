"""Paths, limits and ranges of the storage-proxy."""

import pytest

from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.model import Limits, Span

LIMITS = Limits()

ESCAPES = [
    "..",
    "../secret",
    "a/../../secret",
    "a/..",
    "/etc/passwd",
    "%2e%2e",
    "%2e%2e/secret",
    "%2E%2e/secret",
    "a/%2e%2e/%2e%2e/secret",
    "..%2fsecret",
    "a%2f..%2f..%2fsecret",
    "%2fetc%2fpasswd",
    "%252e%252e/secret",
    "%25252e%25252e/secret",
    "%252fetc",
    "a%00b",
    "a%2500b",
    ".",
    "a/./b",
    "a//b",
    "a/",
    "",
    "a%0ab",
    "%7f",
    "%ff%fe",
    "%" + "25" * 20 + "2e",
]


@pytest.mark.parametrize("raw", ESCAPES)
def test_decode_refuses_what_escapes_however_it_is_encoded(raw):
    with pytest.raises(errors.PathRefused) as refused:
        model.decode(raw, LIMITS)
    assert refused.value.field == "path"


@pytest.mark.parametrize(
    "text", ["..", "/etc", "a/../b", "a\0b", "%2e%2e", "a//b", "a/", "\udcff"]
)
def test_parse_refuses_what_escapes(text):
    with pytest.raises(errors.PathRefused):
        model.parse(text, LIMITS)


def test_decode_reads_percent_encoding_once():
    assert model.decode("data%20set/100%25.csv", LIMITS) == ("data set", "100%.csv")
    assert model.decode("%C3%A9/...", LIMITS) == ("é", "...")


def test_parse_of_nothing_is_the_root():
    assert model.parse("", LIMITS) == ()


@pytest.mark.parametrize(
    "path",
    ["n" * 256, "é" * 128, "/".join("d" * 33), "/".join(["n" * 200] * 5)],
    ids=["name", "name-in-bytes", "depth", "whole"],
)
def test_path_over_a_limit_is_too_long(path):
    with pytest.raises(errors.PathTooLong):
        model.parse(path, LIMITS)


@pytest.mark.parametrize("path", ["n" * 255, "/".join("d" * 32), "/".join(["n" * 224] * 4)])
def test_path_at_a_limit_passes(path):
    assert model.render(model.parse(path, LIMITS)) == path


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-3", Span(0, 4)),
        ("bytes=4-", Span(4, 6)),
        ("bytes=-3", Span(7, 3)),
        ("bytes=-99", Span(0, 10)),
        ("bytes=9-99", Span(9, 1)),
        ("bytes=0-1,3-4", None),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("lines=0-3", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_span_of_ten_bytes(header, expected):
    assert model.span(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_span_behind_the_end_cannot_be_satisfied(header, size):
    with pytest.raises(errors.RangeUnsatisfiable) as refused:
        model.span(header, size)
    assert refused.value.size == size
