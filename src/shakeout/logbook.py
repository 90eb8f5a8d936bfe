"""What the components of a test's clusters logged: the witness of `shakeout.waiting`, and report sections."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from shakeout.process import logs
from shakeout.system.cluster import Cluster

LINES_MAX = 60


class Logbook:
    """Reads the logs of some clusters; a mark is the length of each log."""

    def __init__(self) -> None:
        self._clusters: list[Cluster] = []
        self._began: dict[str, int] = {}

    def add(self, cluster: Cluster) -> None:
        """From now on the test uses this cluster, too."""
        self._clusters.append(cluster)
        self._began = {**self.mark(), **self._began}

    def mark(self) -> Mapping[str, int]:
        return {name: logs.position(path) for name, path in self._logs()}

    def since(self, mark: Mapping[str, int]) -> Mapping[str, Sequence[str]]:
        """The last lines after the mark of each component that wrote any."""
        found = {name: self._lines(name, path, mark) for name, path in self._logs()}
        return {name: lines for name, lines in found.items() if lines}

    def of_test(self) -> Mapping[str, Sequence[str]]:
        """The last lines of each component since the test began to use it."""
        return self.since(self._began)

    def _lines(self, name: str, path: Path, mark: Mapping[str, int]) -> list[str]:
        lines = [str(line) for line in logs.since(path, mark.get(name, 0), name)]
        left_out = len(lines) - LINES_MAX
        return (
            [f"… {left_out} earlier lines in {path}", *lines[-LINES_MAX:]]
            if left_out > 0
            else lines
        )

    def _logs(self) -> Iterator[tuple[str, Path]]:
        for cluster in self._clusters:
            prefix = f"{cluster.name}." if len(self._clusters) > 1 else ""
            for name in cluster.names:
                yield prefix + name, cluster.log(name)
