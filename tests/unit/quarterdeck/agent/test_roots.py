"""Which directories of the host a kernel is shown, as far as it is decided without mounting anything."""

import sys
from pathlib import Path

from quarterdeck.agent.kernels import roots


def test_of_the_import_path_only_packages_are_shown(tmp_path):
    installed, state = tmp_path / "installed", tmp_path / "state"
    (installed / "thing-1.0.dist-info").mkdir(parents=True)
    (state / "scratch").mkdir(parents=True)
    (state / "agent.sock").touch()
    shown = roots.programs([str(state), "", str(installed), str(tmp_path / "missing")])
    assert str(installed) in shown
    assert not any(str(state).startswith(one) for one in shown)


def test_interpreter_and_package_are_shown_once_and_the_root_never():
    shown = roots.programs(["/", *sys.path])
    assert "/" not in shown
    for needed in (sys.prefix, sys.base_prefix, str(Path(roots.__file__).parent)):
        assert sum(f"{needed}/".startswith(f"{one}/") for one in ("/usr", *shown)) == 1


def test_packages_that_are_linked_are_shown_where_they_lie(tmp_path):
    installed = tmp_path / "site"
    (installed / "thing-1.0.dist-info").mkdir(parents=True)
    wheels = [tmp_path / "wheels" / str(number) / "package" for number in range(9)]
    for wheel in wheels:
        wheel.mkdir(parents=True)
    (installed / "one").symlink_to(wheels[0])
    assert str(wheels[0].parent) in roots.programs([str(installed)])
    for number, wheel in enumerate(wheels):
        (installed / f"link-{number}").symlink_to(wheel)
    assert str(tmp_path / "wheels") in roots.programs([str(installed)])
