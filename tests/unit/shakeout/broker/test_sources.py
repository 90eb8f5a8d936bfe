"""Which code belongs to a system, and when two processes would run the same."""

import dataclasses
import importlib
import os
import sys

import pytest

from shakeout.broker import sources
from shakeout.broker.errors import NotLeasable


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Write modules, by their paths; afterwards they are forgotten."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        importlib.invalidate_caches()

    return write


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("import boats", ["boats"]),
        ("import boats.oars, ropes as lines", ["boats", "ropes"]),
        ("from boats.oars import blade", ["boats"]),
        ("    import boats", ["boats"]),
        ("from . import blade", []),
        ("# import boats", []),
        ("important = boats", []),
    ],
)
def test_imports_are_found(line, names):
    assert list(sources.imports(f"x = 1\n{line}\n".encode())) == names


def test_code_behind_a_module_is_read_as_far_as_it_imports(project):
    project(
        harbour_a="import harbour_b.quay\nimport json\nimport pytest\n",
        harbour_b__quay="",
        harbour_b__other="",
        harbour_c="",
    )
    files = sources.read(["harbour_a"]).files
    assert sorted(files) == ["harbour_a.py", "harbour_b/other.py", "harbour_b/quay.py"]


def test_modules_are_found_in_the_words_of_a_declaration(project):
    words = ("harbour_f:main", "--app=harbour_g", "harbour_h.quay", "not a name", "--harbour_i")
    project(harbour_e=f"ARGS = {words!r}")
    assert sources.named("harbour_e") == {"harbour_f", "harbour_g", "harbour_h"}


def test_unknown_module_is_nothing_to_read():
    assert sources.read(["no_such_module"]).files == {}


def test_code_that_is_too_much_is_refused(project, monkeypatch):
    monkeypatch.setattr(sources, "BYTES_MAX", 3)
    project(harbour_d="x = 1")
    with pytest.raises(NotLeasable, match="too large"):
        sources.read(["harbour_d"])


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"a.py": b"y = 1"}},
        {"files": {"b.py": b"x = 1"}},
        {"files": {"a.py": b"x = 1", "b.py": b""}},
        {"installed": ("/elsewhere",)},
    ],
)
def test_key_tells_code_apart(change):
    code = sources.Sources({"a.py": b"x = 1"}, ("/usr/lib",))
    assert code.key({}) == dataclasses.replace(code).key({})
    assert code.key({}) != dataclasses.replace(code, **change).key({})
    assert code.key({}) != code.key({"LANG": "tlh"})


def test_copy_holds_the_files_and_is_made_once(tmp_path):
    code = sources.Sources({"a.py": b"x = 1", "b/c.sql": b"SELECT 1"}, ())
    copy = sources.provide(tmp_path, "key", code)
    assert (copy / "b/c.sql").read_bytes() == b"SELECT 1"
    assert sources.provide(tmp_path, "key", sources.Sources({}, ())) == copy
    assert (copy / "a.py").read_bytes() == b"x = 1"


def test_old_copies_go_unless_somebody_holds_them(tmp_path):
    code = sources.Sources({"a.py": b""}, ())
    held = sources.provide(tmp_path, "held", code)
    with os.fdopen(sources.hold(held)):
        for number in range(sources.COPIES_KEPT + 2):
            sources.provide(tmp_path, f"key{number}", code)
    left = sorted(path.name for path in (tmp_path / "code").iterdir())
    assert "held" in left
    assert len(left) <= sources.COPIES_KEPT + 1


def test_standard_library_and_packages_stay_where_they_are():
    assert sources.is_installed(sys.modules["json"].__file__ or "")
    assert sources.is_installed(pytest.__file__)
