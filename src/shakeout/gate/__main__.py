"""`python -m shakeout.gate`: judge the reports of the last run by the manifest, or update that.

Exit code 0: every listed test ran and none failed. 1: red. 2: the gate cannot judge. Its last line
is `N passed, N failed, N skipped`.
"""

import argparse
import json
import sys
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from shakeout.gate import errors, reports, verdict
from shakeout.gate import manifest as manifests
from shakeout.gate.manifest import Manifest
from shakeout.gate.tally import Outcome, Tally

GREEN, RED, UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        return _update(options.manifest) if options.update else _judge(options)
    except errors.GateError as error:
        print(f"gate: cannot judge: {error}", file=sys.stderr)
        unjudged = json.dumps({"verdict": "unknown", "error": str(error)})
        print(unjudged if options.json else Tally().summary())
        return UNUSABLE


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m shakeout.gate",
        description="Judge test reports by the manifest: red when fewer tests ran than it lists.",
        epilog="example: ./pants test :: ; python -m shakeout.gate",
    )
    parser.add_argument(
        "reports",
        nargs="*",
        type=Path,
        default=[reports.DEFAULT_DIRECTORY],
        help=f"JUnit XML files or directories of them (default: {reports.DEFAULT_DIRECTORY})",
    )
    parser.add_argument("--manifest", type=Path, default=manifests.DEFAULT_PATH)
    parser.add_argument(
        "--under",
        action="append",
        default=[],
        metavar="DIRECTORY",
        help="judge only tests below this directory, for a run of a part; may be repeated",
    )
    parser.add_argument(
        "--update", action="store_true", help="write the manifest anew from what pytest collects"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


def _judge(options: argparse.Namespace) -> int:
    listed = manifests.read(options.manifest)
    found = reports.find(options.reports)
    tally = Tally(ran for path in found.fresh for ran in reports.read(path))
    scope = _scope(options.under, {*listed.files, *tally.by_file()})
    differences = verdict.differences(listed, tally, scope)
    red = bool(differences or tally.count(Outcome.FAILED))
    if options.json:
        print(json.dumps(_as_json(tally, differences, found, red=red)))
        return RED if red else GREEN
    for path in found.stale:
        print(f"ignored, from an earlier run: {path}")
    for ran in tally.skips():
        print(f"skipped: {ran.nodeid}: {ran.reason}")
    for nodeid, ran in sorted(tally.tests.items()):
        if ran.outcome is Outcome.FAILED:
            print(f"failed: {nodeid} {ran.reason}".rstrip())
    for line in verdict.explain(differences):
        print(line)
    print(f"gate: {'red' if red else 'green'}, {len(found.fresh)} reports")
    print(tally.summary())
    return RED if red else GREEN


def _scope(directories: Sequence[str], known: Collection[str]) -> verdict.Scope:
    """Whether a file is below one of them. Raises NothingUnder when one has none of the known files."""
    if not directories:
        return verdict.everything
    below = tuple(f"{PurePosixPath(directory)}/" for directory in directories)
    for directory in below:
        if not any(file.startswith(directory) for file in known):
            raise errors.NothingUnder(directory)
    return lambda file: file.startswith(below)


def _as_json(
    tally: Tally, differences: list[verdict.Difference], found: reports.Found, *, red: bool
) -> dict[str, object]:
    return {
        "verdict": "red" if red else "green",
        "passed": tally.count(Outcome.PASSED),
        "failed": tally.count(Outcome.FAILED),
        "skipped": {ran.nodeid: ran.reason for ran in tally.skips()},
        "differences": [
            {"path": each.path, "listed": each.listed, "ran": each.ran} for each in differences
        ],
        "reports": len(found.fresh),
        "ignored": [str(path) for path in found.stale],
    }


def _update(path: Path) -> int:
    from shakeout.gate import collected  # noqa: PLC0415 - needs pytest, judging does not

    fresh = collected.manifest(path.parent)
    for line in _changes(path, fresh):
        print(line)
    path.write_text(fresh.render())
    print(f"{sum(fresh.files.values())} tests in {len(fresh.files)} files: {path}")
    return GREEN


def _changes(path: Path, fresh: Manifest) -> list[str]:
    try:
        before = manifests.read(path).files
    except errors.GateError as error:
        return [str(error)]
    lines = []
    for file in sorted({*before, *fresh.files}):
        old, new = before.get(file, 0), fresh.files.get(file, 0)
        if old != new:
            lines.append(f"{'FEWER ' if new < old else ''}{file}: {old} -> {new}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
