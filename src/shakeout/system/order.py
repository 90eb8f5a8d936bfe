"""Who starts before whom: layers of a dependency graph, or the cycle that forbids them. Pure."""

from collections.abc import Mapping

from shakeout.system.errors import OrderHasCycle


def layers(dependencies: Mapping[str, frozenset[str]]) -> tuple[tuple[str, ...], ...]:
    """Names in layers; each depends on earlier layers only. Raises OrderHasCycle."""
    left = dict(dependencies)
    done: set[str] = set()
    found: list[tuple[str, ...]] = []
    while left:
        layer = tuple(name for name, needs in left.items() if needs <= done)
        if not layer:
            raise OrderHasCycle(_cycle(left, done))
        for name in layer:
            del left[name]
        done.update(layer)
        found.append(layer)
    return tuple(found)


def _cycle(left: Mapping[str, frozenset[str]], done: set[str]) -> list[str]:
    """Follow unmet needs until a name comes again."""
    path = [next(iter(left))]
    while True:
        following = min(left[path[-1]] - done)
        if following in path:
            return path[path.index(following) :]
        path.append(following)
