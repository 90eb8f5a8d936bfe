"""The description of the system under test."""

from pathlib import Path

import pytest

from quarterdeck.base.config import Environment
from quarterdeck.storage_proxy import config
from quarterdeck.testing import layout, system
from quarterdeck.testing.keys import Keys
from shakeout.checks import leaks, processes
from shakeout.system.place import Place

REACH = {
    "etcd": ("http://127.0.0.1:2379",),
    "s3": ("http://127.0.0.1:9000",),
    "registry": ("http://127.0.0.1:5000",),
    "postgres": ("postgresql:///quarterdeck",),
}

RUNC = "/usr/bin/runc"
SCRATCH = "/dev/shm/shakeout-0/shk-450e6dac/c1/agent/scratch"
KERNEL = "01a21963-4ca0-7ef2-9c31-c2569373f8bb"


def environment(name):
    (component,) = (each for each in system.system.components if each.name == name)
    place = Place(
        cluster="c",
        name=name,
        kind=name,
        index=1,
        directory=Path("/run/c"),
        ports={"http": 1},
        reach={**REACH, f"{name}.http": ("http://127.0.0.1:1",)},
    )
    return component.environment(place)


def test_keys_of_a_seed_are_the_same_and_all_different():
    def all_of(keys):
        return [
            keys.master, keys.agent, keys.storage, keys.token, keys.admin_access_key, keys.admin_secret_key
        ]  # fmt: skip

    assert all_of(Keys("a")) == all_of(Keys("a"))
    assert len({*all_of(Keys("a")), *all_of(Keys("b"))}) == 12


def test_storage_proxy_understands_its_environment():
    read = config.load(Environment(environment("storage-proxy")))
    assert read.advertise == "http://127.0.0.1:1"
    local, archive = read.volumes[layout.LOCAL_HOST], read.volumes[layout.ARCHIVE_HOST]
    assert isinstance(local, config.LocalVolumeConfig)
    assert local.path == "/run/c/trees"
    assert isinstance(archive, config.S3VolumeConfig)
    assert archive.secret_key.reveal() not in repr(archive)


@pytest.mark.parametrize("name", ["manager", "agent", "storage-proxy"])
def test_component_gets_only_the_secrets_it_needs(name):
    held = {key for key in environment(name) if "KEY" in key or "SECRET" in key}
    assert (
        held
        == {
            "manager": {
                "QD_MASTER_KEY",
                "QD_AGENT_SECRET",
                "QD_STORAGE_SECRET",
                "QD_STORAGE_TOKEN_KEY",
                "QD_ADMIN_ACCESS_KEY",
                "QD_SECRETS",
            },
            "agent": {"QD_AGENT_SECRET"},
            "storage-proxy": {"QD_STORAGE_SECRET", "QD_STORAGE_TOKEN_KEY"},
        }[name]
    )


def test_part_has_one_component_and_what_it_calls():
    part = system.part(system.system, "storage-proxy")
    assert [each.name for each in part.components] == ["storage-proxy"]
    assert {each.name for each in part.services} == {"etcd", "s3", "redis"}
    assert all("storage_proxy" in module for module in part.preload)


@pytest.mark.parametrize(
    ("command", "left"),
    [
        (
            f"{RUNC} --root {SCRATCH}/{layout.WAITING_DIRECTORY}/{KERNEL}/runc create --bundle b c",
            0,
        ),
        (f"{RUNC} init", 0),
        (f"{RUNC} --root {SCRATCH}/{KERNEL}/runc create --bundle b c", 1),
        ("sleep 1000", 1),
    ],
)
def test_only_what_makes_containers_that_wait_is_no_leak(command, left):
    """The leak check knows runc at work behind a container that was given, not behind a kernel. Judge command lines as the probe tells them."""
    seen = leaks.count([(f"agent: {processes.shortened(command)}", "pid 7")])
    expected = [each for each in system.system.leaks if isinstance(each, leaks.Expected)]
    assert len(leaks.diff({}, {"processes": seen}, expected)) == left
