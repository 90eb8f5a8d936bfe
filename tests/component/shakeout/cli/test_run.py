"""`shakeout run` and `shakeout report`, as commands."""

import json

import pytest

RUN = ("run", "turnstile:SCENARIO", "--system", "turnstile:fenced")


async def test_scenario_is_carried_out_by_its_seed(shakeout):
    ended = await shakeout(*RUN, "--seed", "3", "--json")
    assert ended.code == 0, ended.error
    assert ended.record["conclusion"] == "valid"
    assert ended.record["plan"]["seed"] == 3
    assert ended.record["again"].endswith(" --system turnstile:fenced --seed 3")


async def test_plan_is_told_before_it_is_carried_out(shakeout):
    ended = await shakeout(*RUN, "--seed", "3")
    first, *_, last = ended.out.splitlines()
    assert first.startswith("plan of visitors, seed 3: ")
    assert last == "again: shakeout run turnstile:SCENARIO --system turnstile:fenced --seed 3"


async def test_plan_comes_from_a_file(shakeout, tmp_path):
    told = (await shakeout(*RUN, "--seed", "3", "--json")).record
    (tmp_path / "plan.json").write_text(json.dumps(told["plan"]))
    again = await shakeout(*RUN, "--plan", str(tmp_path / "plan.json"), "--json")
    assert again.record["plan"] == told["plan"]
    assert told["not_done"] == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "turnstile:racy"), "turnstile:racy is a System, not a shakeout Scenario"),
        (("run", "turnstile:SCENARIO"), "turnstile has no 'system'"),
        ((*RUN, "--plan", "/nowhere"), "no plan in /nowhere"),
        (("report", "/nowhere"), "no evidence in /nowhere"),
    ],
)
async def test_wrong_use_is_told_in_words(shakeout, arguments, words):
    ended = await shakeout(*arguments)
    assert words in ended.error
    assert (ended.code, ended.out) == (2, "")
