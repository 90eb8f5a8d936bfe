"""The matrix of members and faults: what was tested, what does not apply, and that a hole is never silent."""

import json

from shakeout.faults.coverage import Cell, Coverage, holes, render, render_messages


def expected():
    counted = Coverage()
    counted.expect(
        "sea",
        [
            Cell("boat", "storm"),
            Cell("boat", "fog"),
            Cell("lighthouse", "storm", "it stands on land"),
            Cell("lighthouse", "fog"),
        ],
    )
    counted.add("sea", ["boat"], "storm", "load")
    counted.add("sea", ["boat"], "storm", "idle")
    counted.add("sea", ["lighthouse"], "fog", "boot")
    return counted


def test_cell_is_tested_or_has_a_reason_or_is_a_hole():
    cells = expected().matrices()["sea"]
    assert {(cell.member, cell.fault): cell.mark for cell in cells} == {
        ("boat", "storm"): "x",
        ("boat", "fog"): "!",
        ("lighthouse", "storm"): "-",
        ("lighthouse", "fog"): "x",
    }
    assert [(cell.member, cell.fault) for cell in holes(cells)] == [("boat", "fog")]


def test_matrix_is_rendered_with_reasons_and_holes():
    assert render(expected().matrices()["sea"]) == [
        "x tested, - not applicable, ! hole",
        "fault  boat  lighthouse  phases",
        "storm   x        -       idle, load",
        "fog     !        x       boot",
        "not applicable: storm lighthouse: it stands on land",
        "hole: fog boat",
    ]


def test_what_nobody_expects_makes_no_matrix_but_is_known():
    counted = Coverage()
    counted.add("sea", ["boat"], "storm", "idle")
    assert counted.matrices() == {}
    assert counted.injected() == (("sea", Cell("boat", "storm", phases=("idle",))),)


def test_another_process_learns_all_of_it():
    there = Coverage()
    there.add("sea", ["boat"], "fog", "idle")
    there.learn(json.loads(json.dumps(expected().told())))
    assert holes(there.matrices()["sea"]) == ()
    assert there.injected()[1][1].phases == ("idle", "load")


def test_messages_of_all_processes_are_counted_together():
    here, there = Coverage(), Coverage()
    here.add_messages("sea", "boat -> lighthouse", "lose", reached=3, sent=4)
    there.add_messages("sea", "boat -> lighthouse", "lose", reached=2, sent=2)
    there.add_messages("sea", "boat -> redis", "kill boat", reached=1, sent=1)
    here.learn(json.loads(json.dumps(there.told())))
    assert render_messages(here.messages()["sea"]) == [
        "boat -> lighthouse  lose         5 of 6 messages",
        "boat -> redis       kill boat    1 of 1 messages",
    ]
