"""The house rules that no linter knows, one function each: takes sources, yields complaints.

`test_tidy.py` applies them to the whole tree; `test_tidy_rules.py` shows that each of them bites.
"""

import ast
import dataclasses
import functools
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

SOURCE_LINES_MAX = 300
TEST_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
CONFTEST_LINES_MAX = 60
TREE_DEPTH_MAX = 3

# How many places mypy may be told to look away from, by file. It may only shrink.
TYPE_IGNORES = {
    "src/quarterdeck/agent/kernels/errors.py": 1,
    "src/quarterdeck/agent/kernels/streams.py": 4,
    "src/quarterdeck/client/errors.py": 1,
    "src/quarterdeck/manager/sessions/errors.py": 1,
    "src/quarterdeck/wire/errors.py": 1,
    "src/shakeout/process/child.py": 2,
}
# Who may sleep: everybody else waits for a condition.
SLEEPERS = {
    "src/quarterdeck/base/clock.py": "a blocking client's pause before it comes back",
    "src/quarterdeck/base/tasks.py": "a loop's pause between two rounds",
    "src/shakeout/runner.py": "gives the loop one turn",
    "src/shakeout/system/readiness.py": "a starting server signals nothing",
    "src/shakeout/waiting/until.py": "the one poll",
}
SLEEPS = {"time.sleep", "asyncio.sleep"}
MOCKS = {"unittest.mock", "mock", "pytest_mock"}
SKIPS = {"pytest.skip", "pytest.xfail", "pytest.importorskip"}
SKIP_MARKS = {"pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"}
SKIPPERS = {"src/shakeout/skips.py": "turns a typed reason into pytest's skip"}

_IGNORE = re.compile(r"#\s*type:\s*ignore")
_NOQA = re.compile(r"#\s*noqa\b(?P<rest>.*)")
_NOQA_WITH_REASON = re.compile(r":\s*[A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*(\s+-\s+\S|\s+\(\S)")
_QUERY = re.compile(r"^-- name: (\w+)", re.MULTILINE)
_TEST_FILE = re.compile(r"tests/(.+/)?test_[^/]*\.py")
_REFERENCE = re.compile(r"`((?:src|tests|docs|benchmarks|examples|wheels)/[\w./-]+)(?:::(\w+))?`")
_TREE = re.compile(r"^```tree\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Source:
    """A text file of the tree."""

    path: str
    """From the root of the repository, with slashes."""
    text: str

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def lines(self) -> Sequence[str]:
        return self.text.splitlines()

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @functools.cached_property
    def nodes(self) -> Sequence[ast.AST]:
        return list(ast.walk(self.tree))

    def comments(self, pattern: re.Pattern[str]) -> Iterator[tuple[int, re.Match[str]]]:
        """Line numbers and matches of the comments, not the strings, that fit a pattern."""
        if not pattern.search(self.text):
            return
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            match = pattern.search(token.string) if token.type == tokenize.COMMENT else None
            if match:
                yield token.start[0], match


Rule = Callable[[Source], Iterator[str]]


def files_are_short(source: Source) -> Iterator[str]:
    most = TEST_LINES_MAX if source.is_test else SOURCE_LINES_MAX
    if source.name == "conftest.py" and source.path.startswith("tests/integration/"):
        most = CONFTEST_LINES_MAX
    if len(source.lines) > most:
        yield f"{source.path}: {len(source.lines)} lines, at most {most}"


def functions_are_short(source: Source) -> Iterator[str]:
    for each in source.nodes:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (each.end_lineno or each.lineno) - each.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{source.path}:{each.lineno}: {each.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"


def modules_begin_with_a_docstring(source: Source) -> Iterator[str]:
    if source.name == "__init__.py":
        if source.text.strip():
            yield f"{source.path}: is not empty"
        return
    first = source.tree.body[0] if source.tree.body else None
    if ast.get_docstring(source.tree) is None or first is None or first.lineno != 1:
        yield f"{source.path}:1: no docstring on the first line"


def integration_tests_say_goal_and_method(source: Source) -> Iterator[str]:
    if not source.path.startswith("tests/integration/"):
        return
    for each in source.nodes:
        if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if each.name.startswith("test_") and ast.get_docstring(each) is None:
            yield f"{source.path}:{each.lineno}: {each.name} has no docstring with goal and method"


def type_ignores_are_listed(source: Source) -> Iterator[str]:
    found = len(list(source.comments(_IGNORE)))
    listed = TYPE_IGNORES.get(source.path, 0)
    if found != listed:
        yield f"{source.path}: {found} type ignores, {listed} are listed"


def lint_ignores_give_a_reason(source: Source) -> Iterator[str]:
    for line, ignore in source.comments(_NOQA):
        if not _NOQA_WITH_REASON.match(ignore["rest"]):
            yield f"{source.path}:{line}: lint ignore without rule or reason: ABC123 - why"


def nobody_sleeps(source: Source) -> Iterator[str]:
    return _uses(
        source, SLEEPS, SLEEPERS, "sleeps: wait for a condition with shakeout.waiting.until"
    )


def nothing_is_mocked(source: Source) -> Iterator[str]:
    return _uses(source, MOCKS, {}, "mocks: write a fake in quarterdeck.testing")


def skips_are_typed(source: Source) -> Iterator[str]:
    return _uses(
        source, SKIPS | SKIP_MARKS, SKIPPERS, "skips without a typed reason: shakeout.skips"
    )


def _uses(
    source: Source, names: set[str], allowed: dict[str, str], complaint: str
) -> Iterator[str]:
    if source.path in allowed:
        return
    for each in source.nodes:
        if names & set(_named(each)):
            yield f"{source.path}:{getattr(each, 'lineno', 0)}: {complaint}"


def _named(node: ast.AST) -> Iterator[str]:
    """The full names that a node stands for: of an import, or of a dotted expression."""
    if isinstance(node, ast.Import):
        yield from (each.name for each in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""
        yield from (f"{node.module}.{each.name}" for each in node.names)
    elif isinstance(node, ast.Attribute):
        yield ast.unparse(node)


def unused_queries(sql: Source, modules: Sequence[Source]) -> Iterator[str]:
    """Named blocks of a queries.sql that no module beside or below it mentions."""
    directory = str(PurePosixPath(sql.path).parent) + "/"
    code = "\n".join(module.text for module in modules if module.path.startswith(directory))
    for name in _QUERY.findall(sql.text):
        if f'"{name}"' not in code:
            yield f"{sql.path}: nobody uses query {name!r}"


def tree_differences(architecture: str, paths: Sequence[str]) -> Iterator[str]:
    """How ARCHITECTURE.md's tree differs from the tree that the paths of files span.

    The tree is the block fenced as ```tree. Each line is a directory of src or tests with a slash at
    its end, two or three names deep, and after blanks what lives there. Directories of data are no rooms.
    """
    block = _TREE.search(architecture)
    if block is None:
        yield "ARCHITECTURE.md: no block fenced as ```tree"
        return
    told: set[str] = set()
    for line in filter(str.strip, block[1].splitlines()):
        directory, _, remark = line.strip().partition(" ")
        told.add(directory)
        if not remark.strip():
            yield f"ARCHITECTURE.md: {directory} without a word on what lives there"
    real = set(_directories(paths))
    yield from (f"ARCHITECTURE.md: {each} is missing" for each in sorted(real - told))
    yield from (f"ARCHITECTURE.md: {each} does not exist" for each in sorted(told - real))


def _directories(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        names = PurePosixPath(path).parts[:-1]
        if "data" in names:
            names = names[: names.index("data")]
        for depth in range(2, min(len(names), TREE_DEPTH_MAX) + 1):
            yield "/".join(names[:depth]) + "/"


def broken_references(page: Source, root: Path) -> Iterator[str]:
    """What a page names in backquotes, a file or `file::test`, and what is not there."""
    for path, name in _REFERENCE.findall(page.text):
        found = root / path
        if not found.exists():
            yield f"{page.path}: {path} does not exist"
        elif name and not re.search(rf"^(async )?def {name}\(", found.read_text(), re.MULTILINE):
            yield f"{page.path}: {path} has no {name}"


def manifest_differences(listed: Iterable[str], paths: Iterable[str]) -> Iterator[str]:
    """Test files that the manifest does not list, and listed ones that do not exist."""
    known, there = set(listed), {path for path in paths if _TEST_FILE.fullmatch(path)}
    for path in sorted(known - there):
        yield f"{path}: in the manifest, but deleted"
    for path in sorted(there - known):
        yield f"{path}: not in the manifest (`python -m shakeout.gate --update`)"


def disagreeing_pins(one: Source, other: Source) -> Iterator[str]:
    """Packages that two lock files pin to different versions."""
    first, second = _pins(one), _pins(other)
    for name in sorted(first.keys() & second.keys()):
        if first[name] != second[name]:
            yield f"{name}: {first[name]} in {one.path}, {second[name]} in {other.path}"


def _pins(lock: Source) -> dict[str, str]:
    found = (re.match(r"([\w.-]+)==(\S+)", line) for line in lock.lines)
    return {match[1]: match[2] for match in found if match}


PYTHON_RULES: tuple[Rule, ...] = (
    files_are_short,
    functions_are_short,
    modules_begin_with_a_docstring,
    integration_tests_say_goal_and_method,
    type_ignores_are_listed,
    lint_ignores_give_a_reason,
    nobody_sleeps,
    nothing_is_mocked,
    skips_are_typed,
)


def read(root: Path, pattern: str) -> list[Source]:
    """Every file of src and tests whose name fits the pattern."""
    return [
        Source(path.relative_to(root).as_posix(), path.read_text())
        for top in ("src", "tests")
        for path in sorted((root / top).rglob(pattern))
        if path.is_file() and "__pycache__" not in path.parts
    ]
