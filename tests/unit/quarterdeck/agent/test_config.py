"""The agent's configuration out of variables."""

import pytest

from quarterdeck.agent import config
from quarterdeck.agent.kernels.dummy import Plan
from quarterdeck.base.config import Environment
from quarterdeck.base.errors import ConfigInvalid
from quarterdeck.wire.sessions import Slots

VARIABLES = {
    "QD_ID": "a1",
    "QD_LISTEN": "127.0.0.1:0",
    "QD_ADVERTISE": "http://127.0.0.1:1/",
    "QD_ETCD_URL": "http://127.0.0.1:2",
    "QD_AGENT_SECRET": "secret",
    "QD_SCRATCH": "/scratch",
    "QD_CPU": "3",
    "QD_MEMORY_MIB": "512",
}


def load(**changes):
    variables = {name: value for name, value in (VARIABLES | changes).items() if value is not None}
    return config.load(Environment(variables))


def test_all_is_read_and_the_secret_does_not_show():
    loaded = load()
    assert (loaded.id, loaded.slots, loaded.marks) == ("a1", Slots(3, 512), {})
    assert "secret" not in repr(loaded).replace("agent_secret", "")


def test_slots_default_to_what_the_machine_has():
    assert load(QD_CPU=None, QD_MEMORY_MIB=None).slots.cpu >= 1


def test_marks_are_variables_of_the_agent():
    assert load(QD_KERNEL_MARKS="RUN,", RUN="r1").marks == {"RUN": "r1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QD_ID", None),
        ("QD_AGENT_SECRET", ""),
        ("QD_SCRATCH", "relative"),
        ("QD_CPU", "0"),
        ("QD_MEMORY_MIB", "little"),
        ("QD_ETCD_URL", "host"),
    ],
)
def test_what_is_wrong_is_named(name, value):
    with pytest.raises(ConfigInvalid) as refusal:
        load(**{name: value})
    assert refusal.value.field == name


def test_a_mark_that_is_not_set_is_named():
    with pytest.raises(ConfigInvalid) as refusal:
        load(QD_KERNEL_MARKS="RUN")
    assert refusal.value.field == "RUN"


def test_dummies_are_ordered_with_all_that_they_do():
    assert load().dummy is None
    assert load(QD_KERNELS="dummy").dummy == Plan()
    ordered = load(QD_KERNELS="dummy", QD_DUMMY='{"behaviours": {"slow": {"create_ms": 5}}}')
    assert ordered.dummy.behaviours["slow"].create_ms == 5


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"QD_KERNELS": "docker"}, "QD_KERNELS"),
        ({"QD_KERNELS": "dummy", "QD_DUMMY": "{"}, "QD_DUMMY"),
        ({"QD_KERNELS": "dummy", "QD_DUMMY": '{"x": 1}'}, "QD_DUMMY"),
        (
            {
                "QD_KERNELS": "dummy",
                "QD_DUMMY": '{"behaviours": {"a": {"share": 0.6}, "b": {"share": 0.6}}}',
            },
            "QD_DUMMY",
        ),
    ],
)
def test_dummies_that_cannot_be_are_refused(changes, variable):
    with pytest.raises(ConfigInvalid) as refused:
        load(**changes)
    assert refused.value.field == variable
