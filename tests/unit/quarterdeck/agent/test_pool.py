"""Which containers are to wait, and which kernels they may become: decisions on a clock and a memory that the test sets."""

import dataclasses
from pathlib import Path

import pytest

from quarterdeck.agent.kernels.oci import pool as pools
from quarterdeck.agent.kernels.oci.waiting import Waiting
from quarterdeck.agent.kernels.spec import Image, KernelSpec, container_environment
from quarterdeck.base.clock import SystemClock


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.at = 0.0

    def now(self):
        """The time of day, which is no matter here."""
        return SystemClock().now()

    def monotonic(self):
        """The time."""
        return self.at


class One(Waiting):
    """One that waits, of which nothing is real."""

    def __init__(self):
        self.living = True

    @property
    def alive(self):
        """Whether it can become a kernel."""
        return self.living


@pytest.fixture
def clock():
    """The time."""
    return Clock()


@pytest.fixture
def pool(clock):
    """A pool on a machine with memory."""
    return pools.Pool(Path("/nowhere"), clock, marks={"MARKED": "yes"}, available=lambda: 1.0)


@pytest.fixture
def spec_of(tmp_path):
    """Return the spec of a kernel of an image, with changes; `environment` besides the image's."""

    def make(name="one", runtime="shell", environment=None, **changes):
        (tmp_path / name).mkdir(exist_ok=True)
        image = Image(str(tmp_path / name), runtime)
        variables = container_environment(image) | {"QD_KERNEL_ID": "k"} | (environment or {})
        return KernelSpec("k", "/k", variables, (), (0,), 2**28, image=image, **changes)

    return make


def fill(pool):
    """Make all that is missing; return how much that was."""
    made = 0
    while (missing := pool.missing()) is not None:
        if missing.compiles:
            pool.compiled(missing.pattern, "")
        else:
            made += 1
            pool.add(missing.pattern, One())
    return made


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({}, True),
        ({"environment": {"GREETING": "hello"}}, True),
        ({"environment": {"HOME": "/elsewhere"}}, True),
        ({"environment": {"PATH": "/elsewhere"}}, False),
        ({"environment": {"PYTHONHASHSEED": "1"}}, False),
        ({"environment": {"LD_PRELOAD": "/x.so"}}, False),
        ({"environment": {"TZ": "UTC"}}, False),
        ({"environment": {"a.b": "1"}}, False),
        ({"environment": {"a.b": "1"}, "runtime": "python"}, True),
        ({"environment": {"UID": "1"}}, False),
        ({"command": ("true",)}, False),
        ({"again": True}, False),
        ({"runtime": "command"}, False),
    ],
)
def test_what_a_container_that_waits_may_become(spec_of, changes, may):
    assert (pools.pattern_of(spec_of(**changes)) is not None) is may


def test_a_kernel_without_an_image_or_whose_image_is_gone_has_none(spec_of, tmp_path):
    spec = spec_of()
    assert pools.pattern_of(dataclasses.replace(spec, image=None)) is None
    (tmp_path / "one").rmdir()
    assert pools.pattern_of(spec) is None


def test_a_few_of_each_of_the_images_used_last(pool, spec_of, clock):
    for number in range(pools.IMAGES_MAX + 2):
        clock.at += 1
        pool.note(spec_of(str(number)))
        fill(pool)
    assert len(pool.surplus()) == 2 * pools.EACH_MAX
    assert pool.take(spec_of("0")) is None
    assert pool.take(spec_of("5")) is not None
    assert fill(pool) == 1


def test_one_is_taken_once_and_never_by_another_image(pool, spec_of):
    pool.note(spec_of("one"))
    fill(pool)
    taken = [pool.take(spec_of("one")) for _ in range(pools.EACH_MAX + 1)]
    assert len({id(one) for one in taken}) == pools.EACH_MAX + 1
    assert taken[-1] is None
    fill(pool)
    assert pool.take(spec_of("two")) is None
    assert pool.take(spec_of("one", runtime="python")) is None


def test_one_that_died_is_not_taken(pool, spec_of):
    pool.note(spec_of())
    fill(pool)
    dead = pool.take(spec_of())
    dead.living = False
    pool.add(pools.pattern_of(spec_of()), dead)
    assert pool.take(spec_of()) not in {None, dead}
    assert pool.take(spec_of()) is None


def test_what_is_made_knows_nothing_of_the_kernel_that_made_it_come(pool, spec_of):
    pool.note(spec_of(environment={"SECRET": "s3cret"}, hostname="main7"))
    spec = pool.missing().spec
    assert "SECRET" not in spec.environment
    assert spec.environment["MARKED"] == "yes"
    assert (spec.environment["QD_KERNEL_ID"].strip(), spec.hostname) == ("", "kernel")


def test_an_image_with_python_compiles_first_and_once(pool, spec_of):
    pool.note(spec_of(runtime="python"))
    first = pool.missing()
    assert first.compiles
    assert first.spec.image.bytecode == f"{first.spec.directory}/bytecode"
    pool.compiled(first.pattern, "/kept")
    second = pool.missing()
    assert (second.compiles, second.spec.image.bytecode) == (False, "/kept")
    assert pool.bytecode(spec_of(runtime="python", command=("true",))) == "/kept"
