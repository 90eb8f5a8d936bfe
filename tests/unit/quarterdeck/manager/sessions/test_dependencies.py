"""Cancelling what waits in vain: level by level, until nothing is left."""

from quarterdeck.manager.sessions.dependencies import Dependencies


class Dependents:
    """The port `Dependents`: levels of sessions, each doomed by the one before."""

    def __init__(self, *levels):
        self.levels = list(levels)

    async def cancel_doomed(self):
        return self.levels.pop(0) if self.levels else []


async def test_all_levels_are_cancelled_in_one_run():
    dependents = Dependents(["b"], ["c", "d"])
    await Dependencies(dependents).run()
    assert dependents.levels == []


async def test_nothing_doomed_is_fine():
    await Dependencies(Dependents()).run()
