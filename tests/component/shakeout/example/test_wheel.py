"""The wheel of Shakeout: its commands, its plugin and its data, in an environment that never saw this repository."""

import zipfile


def test_command_tells_its_version(newcomer):
    ended = newcomer.run("shakeout", "--version")
    assert ended.output == f"shakeout {newcomer.wheel.name.split('-')[1]}\n"


def test_everything_that_a_boot_needs_is_installed(newcomer):
    ended = newcomer.run("shakeout", "doctor")
    assert ended.code == 0, ended.output


def test_plugin_is_found_without_being_named(newcomer):
    assert "whole systems under test:" in newcomer.run("pytest", "--help").output


def test_modules_stand_outside_of_the_tree(newcomer):
    ended = newcomer.run("python", "-c", "import shakeout; print(shakeout.__file__)")
    assert ended.output.startswith(str(newcomer.environment))


def test_types_come_along(newcomer):
    assert "shakeout/py.typed" in zipfile.ZipFile(newcomer.wheel).namelist()
