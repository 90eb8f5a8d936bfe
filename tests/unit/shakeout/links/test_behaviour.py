"""What a link can be told to do, as data."""

import json
import math

import pytest

from shakeout.links import behaviour
from shakeout.links.behaviour import Behaviour, Flow

ALL = (
    Behaviour(),
    Behaviour.severed(),
    Behaviour.black_hole(),
    Behaviour.deaf_target(),
    Behaviour.deaf_source(),
    Behaviour.delayed(0.05, 0.01),
    Behaviour.slowed(1000),
    Behaviour.dropping_after(0),
)


@pytest.mark.parametrize("each", ALL, ids=behaviour.describe)
def test_behaviour_survives_a_message(each):
    told = json.dumps(behaviour.encode(each), allow_nan=False)
    assert behaviour.decode(json.loads(told)) == each


@pytest.mark.parametrize(
    "wrong",
    [
        {"delay_seconds": -0.1},
        {"delay_seconds": math.inf},
        {"jitter_seconds": 0.1},
        {"bytes_per_second": 0},
        {"bytes_per_second": math.nan},
        {"reset_after_bytes": -1},
    ],
)
def test_impossible_flow_is_refused(wrong):
    with pytest.raises(ValueError, match=r"delay|bytes"):
        Flow(**wrong)


def test_behaviours_are_told_in_words():
    assert [behaviour.describe(each) for each in ALL] == [
        "plain",
        "cut",
        "forth: held; back: held",
        "forth: held",
        "back: held",
        "forth: delay_seconds 0.05, jitter_seconds 0.01; back: delay_seconds 0.05, jitter_seconds 0.01",
        "forth: bytes_per_second 1000; back: bytes_per_second 1000",
        "forth: reset_after_bytes 0; back: reset_after_bytes 0",
    ]
