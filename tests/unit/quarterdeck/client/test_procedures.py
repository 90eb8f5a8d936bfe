"""Waiting rides on the history: a state that was passed counts, an end that is not wanted is told at once with its cause."""

import pytest

from quarterdeck.client import procedures, request
from quarterdeck.client.errors import Ambiguous, NotFound, SessionEnded, Unreachable

ID = "0190a0a0-0000-7000-8000-000000000001"


def rows(*states, start=1, cause="user", kernel=None):
    return [
        {"seq": start + n, "to_status": state, "cause": cause, "kernel": kernel}
        for n, state in enumerate(states)
    ]


def run(procedure, *answers):
    """Send prepared answers into a procedure; return its result and the requests it made."""
    requests, unsent = [], iter([None, *answers])
    try:
        while True:
            requests += [procedure.send(next(unsent, None))]
    except StopIteration as done:
        return done.value, requests


def items(*found):
    return {"items": list(found)}


def test_reach_asks_on_from_the_last_row_until_it_is_there():
    progress = procedures.Progress(ID)
    row, requests = run(
        procedures.reach(progress, "RUNNING"),
        items(*rows("PENDING", "SCHEDULED")),
        items(),
        items(
            *rows("CREATING", start=3),
            *rows("CREATING", start=4, kernel="k"),
            *rows("RUNNING", start=5),
        ),
    )
    assert row["seq"] == 5
    assert [dict(each.query)["after"] for each in requests] == ["0", "2", "2"]
    assert {dict(each.query)["until"] for each in requests} == {"RUNNING"}
    assert all(each.path == f"/v1/sessions/{ID}/history" for each in requests)


def test_state_that_was_passed_counts():
    progress = procedures.Progress(ID)
    progress.rows = rows(
        "PENDING", "SCHEDULED", "CREATING", "RUNNING", "TERMINATING", "TERMINATED"
    )
    row, requests = run(procedures.reach(progress, "CREATING"))
    assert (row["seq"], requests) == (3, [])


def test_state_of_the_kernel_does_not_count():
    progress = procedures.Progress(ID)
    progress.rows = rows("PENDING") + rows("RUNNING", start=2, kernel="k")
    assert progress.reached("RUNNING") is None


def test_end_that_is_not_wanted_is_told_with_its_cause():
    progress = procedures.Progress(ID)
    progress.rows = [
        *rows("PENDING", "SCHEDULED", "CREATING"),
        *rows("TERMINATING", start=4, cause="kernel-failed"),
        *rows("TERMINATED", start=5, cause="destroyed"),
    ]
    with pytest.raises(
        SessionEnded, match="became TERMINATED and will not be RUNNING: kernel-failed"
    ):
        run(procedures.reach(progress, "RUNNING"))


def test_cancelled_is_an_end_too():
    progress = procedures.Progress(ID)
    progress.rows = rows("PENDING", "CANCELLED", cause="user asked")
    with pytest.raises(SessionEnded) as ended:
        progress.reached("RUNNING")
    assert (ended.value.status, ended.value.cause) == ("CANCELLED", "user asked")
    assert (progress.reached("CANCELLED") or {}).get("seq") == 2
    assert str(progress) == "PENDING -> CANCELLED"


def test_terminating_is_not_yet_an_end():
    progress = procedures.Progress(ID)
    progress.rows = rows("PENDING", "TERMINATING")
    assert progress.reached("RUNNING") is None


@pytest.mark.parametrize("last", ["TERMINATED", "CANCELLED"])
def test_end_waits_for_any_terminal_state(last):
    row, _ = run(
        procedures.end(procedures.Progress(ID)),
        items(*rows("PENDING")),
        items(*rows(last, start=2)),
    )
    assert row["to_status"] == last


def session(name, created_at="2026-01-01T00:00:00Z", id_="x"):
    return {"id": id_, "name": name, "created_at": created_at}


def test_find_session_by_id_asks_for_it():
    found, requests = run(procedures.find_session(ID), session("fit"))
    assert found["name"] == "fit"
    assert requests[0].path == f"/v1/sessions/{ID}"


def test_find_session_prefers_the_live_one():
    found, requests = run(procedures.find_session("fit"), items(session("other"), session("fit")))
    assert (found["name"], len(requests)) == ("fit", 1)


def test_find_session_falls_back_to_the_last_that_ended():
    ended = [session("fit", f"2026-01-0{day}T00:00:00Z", str(day)) for day in (1, 3, 2)]
    found, requests = run(procedures.find_session("fit"), items(), items(*ended))
    assert found["id"] == "3"
    assert requests[1].query == (("all", "true"),)


def test_what_is_not_found_is_named():
    with pytest.raises(NotFound, match="'nope'"):
        run(procedures.find_session("nope"), items(), items(session("x")))
    with pytest.raises(NotFound, match="'nope'"):
        run(procedures.find_folder("nope"), items())
    with pytest.raises(NotFound, match="'nope'"):
        run(procedures.find_user("nope"), items())


def folder(id_, permission="own", owner="ada"):
    return {"id": id_, "name": "data", "permission": permission, "owner_name": owner}


def test_own_folder_comes_before_a_shared_one_and_owners_tell_shared_ones_apart():
    shared = [folder("b", "read", "bob"), folder("c", "read", "cy")]
    assert run(procedures.find_folder("data"), items(*shared, folder(ID)))[0]["id"] == ID
    assert run(procedures.find_folder("cy/data"), items(*shared))[0]["id"] == "c"
    with pytest.raises(Ambiguous, match="'data' fits 2 folders: bob/data, cy/data"):
        run(procedures.find_folder("data"), items(*shared))


def test_folder_that_somebody_named_like_the_id_of_ones_own_is_not_taken_for_it():
    """Files go to nobody by a trick. Share a folder whose name is the end of the id of one's own; only who says whose it is gets it."""
    own = folder(LIVE["id"])
    trick = folder(ID, "write", "bob") | {"name": LIVE["id"][-8:]}
    with pytest.raises(Ambiguous):
        run(procedures.find_folder(trick["name"]), items(own, trick))
    assert run(procedures.find_folder(f"bob/{trick['name']}"), items(own, trick))[0] is trick
    assert run(procedures.find_folder(trick["name"]), items(trick))[0] is trick
    assert run(procedures.find_folder(own["id"][-9:]), items(own, trick))[0] is own


def test_find_folder_and_user_by_name_or_id():
    assert run(procedures.find_folder(ID), {"id": ID})[0]["id"] == ID
    assert run(procedures.find_folder("data"), items(folder(ID)))[0]["id"] == ID
    for given in ("ada", ID):
        assert run(procedures.find_user(given), items({"id": ID, "name": "ada"}))[0]["id"] == ID


LIVE = {"id": "01a216bb-a2af-70d6-919c-03f863c99677", "name": "fit", "created_at": "2"}
OTHER = {"id": "01a216bb-a6ec-733a-b7c2-ba63034cff2c", "name": None, "created_at": "3"}
PAST = {"id": "01a20000-a6ec-733a-b7c2-ba63034c9677", "name": "old", "created_at": "1"}


@pytest.mark.parametrize("part", ["63c99677", "9677", "01a216bb-a2", "01A216BBA2AF", "fit"])
def test_session_is_found_by_a_part_of_its_id(part):
    found, requests = run(procedures.find_session(part), items(LIVE, OTHER))
    assert found is LIVE
    assert len(requests) == 1


def test_session_that_has_ended_is_found_after_live_ones():
    found, requests = run(procedures.find_session("34c9677"), items(LIVE), items(LIVE, PAST))
    assert found is PAST
    assert len(requests) == 2


def test_part_that_fits_several_names_them():
    with pytest.raises(Ambiguous, match=r"2 sessions: 63c99677 \(fit\), 034cff2c"):
        run(procedures.find_session("01a216bb"), items(LIVE, OTHER))


@pytest.mark.parametrize("part", ["677", "", "zzzz", "a2af"])
def test_too_little_is_nothing(part):
    with pytest.raises(NotFound):
        run(procedures.find_session(part), items(LIVE), items(LIVE))


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"items": [{}]}', b'{"items": null}'])
@pytest.mark.parametrize(
    "procedure",
    [
        lambda: procedures.find_session("fit"),
        lambda: procedures.find_any_folder("data"),
        lambda: procedures.find_invitation("data"),
        lambda: procedures.find_invitee(ID, "ada"),
        lambda: procedures.find_registry("hub"),
        lambda: procedures.find_user("ada"),
        lambda: procedures.restarted(ID),
        lambda: procedures.reach(procedures.Progress(ID), "RUNNING"),
        lambda: procedures.end(procedures.Progress(ID)),
    ],
)
def test_answer_of_another_server_is_none(procedure, body):
    """A wrong address may lead to somebody who speaks JSON. Whatever is asked, that is no answer."""
    with pytest.raises(Unreachable):
        run(procedure(), *[request.answer("GET", body)] * 3)
