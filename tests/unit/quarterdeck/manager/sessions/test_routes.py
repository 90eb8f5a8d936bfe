"""Where kernels run, remembered: until something is heard of their session, and never what was out of date when it was learnt."""

from functools import partial

from quarterdeck.manager.sessions import model, routes
from quarterdeck.manager.sessions.routes import Routes
from quarterdeck.wire.states import SessionStatus

RUNS = model.Route("ada", SessionStatus.RUNNING, "k", "http://a")
WAITS = model.Route("ada", SessionStatus.PENDING, None, None)


class Lookups:
    """The database: an answer, and what happens while it is on its way."""

    def __init__(self, route, meanwhile=lambda: None):
        self.answer, self.meanwhile = route, meanwhile

    async def route(self, _session, _hostname):
        self.meanwhile()
        return self.answer


async def test_a_kernel_that_runs_is_asked_for_once():
    """A call to a kernel that is known asks nobody. Ask, look twice."""
    known = Routes(Lookups(RUNS))
    assert known.remembered("s", "main1") is None
    assert await known.ask("s", "main1") == RUNS
    assert known.remembered("s", "main1") == RUNS
    assert known.remembered("s", "sub1") is None


async def test_what_does_not_run_is_not_remembered():
    """A session that waits will run soon. Ask for one, and for one that is not there."""
    for answer in (WAITS, None):
        known = Routes(Lookups(answer))
        assert await known.ask("s", "main1") == answer
        assert known.remembered("s", "main1") is None


async def test_news_of_a_session_end_what_is_remembered_of_it():
    """What changed is asked for again. Tell of one session, then that anything may have changed."""
    known = Routes(Lookups(RUNS))
    for session in ("one", "other"):
        await known.ask(session, "main1")
    known.forget("one")
    assert known.remembered("one", "main1") is None
    assert known.remembered("other", "main1") == RUNS
    known.forget(None)
    assert known.remembered("other", "main1") is None


async def test_an_answer_that_is_overtaken_by_news_is_not_remembered():
    """The answer was true when it was read. Tell of the session while the answer is on its way; it is given, and not kept."""
    for news in ("s", None):
        lookups = Lookups(RUNS)
        known = Routes(lookups)
        lookups.meanwhile = partial(known.forget, news)
        assert await known.ask("s", "main1") == RUNS
        assert known.remembered("s", "main1") is None
        lookups.meanwhile = partial(known.forget, "other")
        assert await known.ask("s", "main1") == known.remembered("s", "main1")


async def test_the_memory_is_bounded(monkeypatch):
    """The oldest go first. Remember three where two have room."""
    monkeypatch.setattr(routes, "SESSIONS_MAX", 2)
    known = Routes(Lookups(RUNS))
    for session in ("a", "b", "c"):
        await known.ask(session, "main1")
    assert [known.remembered(one, "main1") is not None for one in "abc"] == [False, True, True]
