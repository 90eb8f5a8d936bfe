"""Log lines of components and services, put on the clock: JSON lines, and what PostgreSQL, Redis, etcd and Python print.

Of JSON lines `process.level` says which levels are understood. Of plain text these are: PostgreSQL's and Redis's own;
a time and then a level in capitals (logging and loguru of Python, log4j, tracing of Rust); a level in capitals first;
`level=error`, also behind a time (logfmt); and `E1126 13:04:05.000000` (klog, glog).

A line without a time of its own takes that of the line before; continued text (a traceback) is one line.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from shakeout.process import level as levels
from shakeout.process.logs import LogLine
from shakeout.report.model import Level, Line
from shakeout.timeline import moment

TRACEBACK = "Traceback (most recent call last)"
TRACEBACK_LINES_MAX = 60
CRASH = "Fatal Python error"
MESSAGES = ("msg", "message")
"""Keys of the words of a JSON line, where `event` is none."""
NOISE = ("Extension modules:", "Current thread ", "Thread 0x")
"""What the interpreter prints around the cause of a crash."""
_INDENTED = (" ", "\t")
_REDIS_TROUBLE = ("WARNING", "Error", "Fatal", "Failed", "Can't")
_EXPECTED = (
    "the database system is starting up",
    "the database system is not yet accepting connections",
    "the database system is shutting down",
    "connection to client lost",
    "terminating connection due to administrator command",
    "terminating autovacuum process due to administrator command",
    "terminating connection due to unexpected postmaster exit",
)
"""What PostgreSQL calls fatal for one session, and is not for the server: somebody asked too early, as the harness
does, or one of both ends. Whether it should have ended is judged by whoever watches its process."""

_POSTGRES = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) (?P<zone>\w+) \[\d+\][^:]*? ?"
    r"(?P<level>LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DEBUG\d?|DETAIL|HINT|STATEMENT|CONTEXT|QUERY): +(?P<event>.*)",
    re.DOTALL,
)
_REDIS = re.compile(
    r"\d+:[XCSM] (?P<time>\d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d+) (?P<mark>[.\-*#]) (?P<event>.*)"
)
_PYTHON = re.compile(
    r"\[?(?P<time>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)[.,](?P<fraction>\d{3,6})\d*(?P<zone>Z|[+-]\d\d:\d\d)?\]?"
    r"[ :,-]+(?P<event>.*)",
    re.DOTALL,
)
_CAPITALS = "(TRACE|DEBUG|INFO|WARN|WARNING|ERROR|SEVERE|CRITICAL|FATAL)"
_LEVEL = re.compile(rf"\b{_CAPITALS}\b")
_LEVEL_WITHIN = 40
_LEVEL_FIRST = re.compile(rf"\[?{_CAPITALS}\b")
"""`ERROR:root:lost`, as the logging module of Python writes it where nobody asks for a time; `[ERROR] lost`."""
_LOGFMT = re.compile(
    r'(?:(?:time|ts|t)=(?:"(?P<quoted>[^"]*)"|(?P<time>\S*)) )?(?:level|lvl|severity)="?(?P<level>[\w+-]+)'
)
_KLOG = re.compile(r"(?P<mark>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ \S+:\d+\]")
_KLOG_LEVELS = {
    "I": Level.INFO,
    "W": Level.WARNING,
    "E": Level.ERROR,
    "F": Level.CRITICAL,
}
_REDIS_LEVELS = {
    ".": Level.DEBUG,
    "-": Level.DEBUG,
    "*": Level.INFO,
    "#": Level.WARNING,
}
_REDIS_TIME = "%d %b %Y %H:%M:%S.%f"


def on_the_clock(component: str, lines: Iterable[LogLine], since: float) -> list[Line]:
    """Lines of one log in their order; `since` is the time of those before the first that tells one."""
    found: list[Line] = []
    at = since
    for line in _joined(lines):
        time, level, event = _read(line)
        at = at if time is None else time
        found.append(Line(at, component, level, event, _trace(line), _fields(line)))
    return found


def collapsed(lines: Iterable[Line]) -> list[Line]:
    """Equal neighbours as one line, with their number."""
    found: list[Line] = []
    for line in lines:
        last = found[-1] if found else None
        if last and _same(last, line):
            found[-1] = Line(
                last.at,
                last.component,
                last.level,
                last.event,
                last.trace,
                last.fields,
                last.count + 1,
            )
        else:
            found.append(line)
    return found


def level_of(word: str) -> Level | None:
    """The level that a word names, in any spelling."""
    found = levels.of_word(word)
    return Level(found) if found else None


def level_of_line(line: LogLine) -> Level:
    """How severe a line is that stands by itself."""
    return _read(line)[1]


def _joined(lines: Iterable[LogLine]) -> Iterator[LogLine]:
    """Plain text with the indented lines that follow it as one line; a traceback up to the exception's line."""
    pending: list[str] = []
    time = ""
    for line in lines:
        text = line.raw
        if pending and text.startswith(_INDENTED) and len(pending) < TRACEBACK_LINES_MAX:
            pending.append(text)
            continue
        if pending and pending[0].startswith(TRACEBACK):
            yield _plain([text, *pending], time)  # the exception first: a reader looks for it
            pending = []
            continue
        if pending:
            yield _plain(pending, time)
            pending = []
        if line.raw == line.event:
            pending, time = [text], line.time
        else:
            yield line
    if pending:
        yield _plain(pending, time)


def _plain(texts: list[str], time: str) -> LogLine:
    whole = "\n".join(texts)
    return LogLine(raw=whole, event=whole, time=time)


def _read(line: LogLine) -> tuple[float | None, Level, str]:
    if line.raw != line.event:
        return _read_json(line)
    if found := _POSTGRES.match(line.raw):
        level = level_of(found["level"].rstrip("12345")) or Level.INFO
        if found["event"] in _EXPECTED:
            level = Level.INFO
        return moment.parse(found["time"]), level, f"{found['level']}: {found['event']}"
    if found := _REDIS.match(line.raw):
        told = found["time"]
        at = _time(lambda: datetime.strptime(told, _REDIS_TIME).replace(tzinfo=UTC))
        harmless = found["mark"] == "#" and not found["event"].startswith(_REDIS_TROUBLE)
        return at, Level.INFO if harmless else _REDIS_LEVELS[found["mark"]], found["event"]
    if found := _PYTHON.match(line.raw):
        return _read_python(found)
    return _read_text(line)


def _read_text(line: LogLine) -> tuple[float | None, Level, str]:
    told, level = line.time, _level_of_text(line.raw)
    if found := _LOGFMT.match(line.raw):
        told, level = found["quoted"] or found["time"] or told, level_of(found["level"]) or level
    return moment.parse(told) if told else None, level, line.raw


def _level_of_text(text: str) -> Level:
    if text.startswith(CRASH):
        return Level.CRITICAL
    if TRACEBACK in text:
        return Level.ERROR
    if mark := _KLOG.match(text):
        return _KLOG_LEVELS[mark["mark"]]
    return _named(_LEVEL_FIRST.match(text))


def _named(found: re.Match[str] | None) -> Level:
    return (level_of(found[1]) if found else None) or Level.INFO


def _time(parse: Callable[[], datetime]) -> float | None:
    """Seconds since the epoch; None for what only looks like a time, such as year 0."""
    try:
        return parse().timestamp()
    except (ValueError, OverflowError):
        return None


def _read_python(found: re.Match[str]) -> tuple[float | None, Level, str]:
    """As the logging module of Python writes it, in local time unless it names a zone."""
    told = f"{found['time']}.{found['fraction']}{found['zone'] or ''}"
    at = _time(lambda: datetime.fromisoformat(told).astimezone())
    return at, _named(_LEVEL.search(found["event"][:_LEVEL_WITHIN])), found["event"]


def _read_json(line: LogLine) -> tuple[float | None, Level, str]:
    told = line.time or str(line.fields.get("ts", ""))
    level = level_of(line.level) or Level.INFO
    return moment.parse(told) if told else None, level, line.event or _message(line) or line.raw


def _message(line: LogLine) -> str:
    return next((str(line.fields[key]) for key in MESSAGES if line.fields.get(key)), "")


def _trace(line: LogLine) -> str:
    return str(line.fields.get("trace", "") or "")


def _fields(line: LogLine) -> Mapping[str, Any]:
    left_out = ("trace", "ts", "msg", "caller", "logger", *(() if line.event else MESSAGES))
    found = {key: value for key, value in line.fields.items() if key not in left_out}
    inner = found.pop("fields", None)
    return {**found, **inner} if isinstance(inner, dict) else found


def _same(one: Line, other: Line) -> bool:
    """Services print the same message again and again; lines with a trace are worth being seen."""
    return (one.component, one.level, one.event) == (
        other.component,
        other.level,
        other.event,
    ) and not (one.trace or other.trace or one.fields or other.fields)
