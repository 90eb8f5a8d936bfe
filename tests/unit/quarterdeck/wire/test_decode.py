"""Whatever a body or a query holds, the answer is a value or `Invalid` with the dotted path of the field."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.wire import decode
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.executions import Execute
from quarterdeck.wire.sessions import (
    HistoryQuery,
    SessionCreate,
    SessionQuery,
    SessionStatus,
    Slots,
)

ID = "0190a0a0-0000-7000-8000-000000000001"


def refusal(body, type_=SessionCreate):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Invalid) as refused:
        decode.decode(type_, data)
    return refused.value.code, refused.value.field


def test_least_request_gets_the_defaults():
    got = decode.decode(SessionCreate, b'{"image":"python:3.11"}')
    assert got == SessionCreate(image="python:3.11", slots=Slots(cpu=1, memory_mib=256))


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"image": 5}, "invalid-field", "image"),
        ({"image": "UPPER"}, "invalid-field", "image"),
        ({"image": "a\n"}, "invalid-field", "image"),
        ({"name": "-a"}, "invalid-field", "name"),
        ({"name": ""}, "invalid-field", "name"),
        ({"name": "a" * 64}, "invalid-field", "name"),
        ({"nmae": "a"}, "unknown-field", "nmae"),
        ({"slots": {"cpu": 0}}, "invalid-field", "slots.cpu"),
        ({"slots": {"cpu": 1025}}, "invalid-field", "slots.cpu"),
        ({"slots": {"cpu": True}}, "invalid-field", "slots.cpu"),
        ({"slots": {"cpu": 1.5}}, "invalid-field", "slots.cpu"),
        ({"slots": {"cpu": 10**30}}, "invalid-field", "slots.cpu"),
        ({"slots": {"memory_mib": 15}}, "invalid-field", "slots.memory_mib"),
        ({"slots": {"gpu": 1}}, "unknown-field", "slots.gpu"),
        ({"slots": []}, "invalid-field", "slots"),
        ({"mounts": [{"folder": ID}]}, "missing-field", "mounts.0.path"),
        ({"mounts": [{"folder": "x", "path": "a"}]}, "invalid-field", "mounts.0.folder"),
        ({"mounts": [{"folder": ID, "path": "a"}] * 33}, "invalid-field", "mounts"),
        ({"mounts": {"folder": ID}}, "invalid-field", "mounts"),
        ({"environment": {"1A": "x"}}, "invalid-field", "environment"),
        ({"environment": {"A": 1}}, "invalid-field", "environment"),
        ({"environment": {"A": "\0"}}, "invalid-field", "environment"),
        ({"environment": {f"A{n}": "" for n in range(65)}}, "invalid-field", "environment"),
    ],
)
def test_misfit_names_its_field(change, code, field):
    assert refusal({"image": "python:3.11"} | change) == (code, field)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/./b", "a\0", "a\nb", "a" * 256],
)
def test_mount_path_stays_inside(path):
    body = {"image": "python:3.11", "mounts": [{"folder": ID, "path": path}]}
    assert refusal(body) == ("invalid-field", "mounts.0.path")


@pytest.mark.parametrize("path", ["a", "a/b", "...", ".a", "a..", "ä b/c", "a" * 255])
def test_ordinary_mount_path_is_fine(path):
    body = {"image": "python:3.11", "mounts": [{"folder": ID, "path": path}]}
    assert decode.decode(SessionCreate, json.dumps(body).encode()).mounts[0].path == path


@pytest.mark.parametrize(("first", "second"), [("a", "a"), ("a", "a/b"), ("a/b/c", "a/b")])
def test_mounts_do_not_cover_each_other(first, second):
    mounts = [{"folder": ID, "path": path} for path in ("x", first, second)]
    assert refusal({"image": "p", "mounts": mounts}) == ("invalid-field", "mounts.2.path")


def test_mounts_side_by_side_are_fine():
    mounts = [{"folder": ID, "path": path} for path in ("a", "ab", "b/a", "b/ab")]
    body = json.dumps({"image": "p", "mounts": mounts}).encode()
    assert len(decode.decode(SessionCreate, body).mounts) == 4


def test_missing_and_whole_misfits():
    assert refusal({}) == ("missing-field", "image")
    assert refusal([]) == ("invalid-field", None)
    assert refusal(b"null") == ("invalid-field", None)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"image":"p"}x', b'{"image":"\xff"}', b'{"image":"\\ud800"}', b'{"image":NaN}'],
)
def test_what_is_no_json_is_told_so(data):
    assert refusal(data)[0] == "malformed-json"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The body is empty"),
        (b'{"image":"\xe4"}', "not text in UTF-8, as JSON is: its byte 10 is 0xe4"),
        ('{"image":"p"}'.encode("utf-16"), "not text in UTF-8, as JSON is: its byte 0 is 0xff"),
        (b'{"image":"p"', "The body is not JSON: "),
    ],
)
def test_what_is_no_json_is_told_in_words(data, words):
    """Whoever sends another encoding knows where. No words of a decoder."""
    with pytest.raises(Invalid, match=words) as refused:
        decode.decode(SessionCreate, data)
    assert "codec" not in str(refused.value)


def test_code_has_a_limit():
    assert refusal({"code": "x" * (256 * 1024 + 1)}, Execute) == ("invalid-field", "code")
    assert decode.decode(Execute, b'{"code":""}').code == ""


def test_details_are_words_not_patterns():
    with pytest.raises(Invalid, match="lower-case letters, digits and hyphens"):
        decode.decode(SessionCreate, b'{"image":"p","name":"A"}')


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
fields = st.sampled_from(["image", "slots", "name", "mounts", "environment", "cpu", "folder", ""])


def outcome(body):
    try:
        decode.decode(SessionCreate, json.dumps(body).encode())
    except Invalid as refused:
        return refused.code, refused.field
    return "ok", None


@settings(deadline=None)
@given(st.dictionaries(fields, json_values))
def test_any_object_is_read_or_refused_with_a_known_code(body):
    code, field = outcome(body)
    assert code in {"ok", "invalid-field", "unknown-field", "missing-field"}
    assert not (field or "").startswith(("$", "."))


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_refused_without_a_crash(data):
    with pytest.raises(Invalid):
        decode.decode(SessionCreate, data)


def query_refusal(type_, *pairs):
    with pytest.raises(Invalid) as refused:
        decode.decode_query(type_, pairs)
    return refused.value.code, refused.value.field


def test_query_reads_its_types():
    got = decode.decode_query(SessionQuery, [("status", "RUNNING"), ("all", "true")])
    assert got == SessionQuery(status=SessionStatus.RUNNING, all=True)
    assert decode.decode_query(HistoryQuery, [("after", "3"), ("wait", "1.5")]).wait == 1.5
    assert decode.decode_query(SessionQuery, []) == SessionQuery()


@pytest.mark.parametrize(
    ("type_", "pairs", "code", "field"),
    [
        (SessionQuery, [("x", "1")], "unknown-field", "x"),
        (SessionQuery, [("all", "true"), ("all", "true")], "invalid-field", "all"),
        (SessionQuery, [("all", "perhaps")], "invalid-field", "all"),
        (SessionQuery, [("status", "running")], "invalid-field", "status"),
        (HistoryQuery, [("after", "-1")], "invalid-field", "after"),
        (HistoryQuery, [("after", "9" * 30)], "invalid-field", "after"),
        (HistoryQuery, [("after", "")], "invalid-field", "after"),
        (HistoryQuery, [("wait", "31")], "invalid-field", "wait"),
        (HistoryQuery, [("wait", "nan")], "invalid-field", "wait"),
        (HistoryQuery, [("wait", "inf")], "invalid-field", "wait"),
    ],
)
def test_query_misfit_names_its_parameter(type_, pairs, code, field):
    assert query_refusal(type_, *pairs) == (code, field)
