"""The commands of `shakeout` and their arguments, for argparse; nothing else is imported here."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

LEVELS = ("debug", "info", "warning", "error", "critical")


def _up(command: argparse.ArgumentParser) -> None:
    command.add_argument("target", help="package.module:attribute of the System")
    command.add_argument("--name", default="", help="name to refer to it (default: the system's)")
    command.add_argument(
        "--replicas",
        action="append",
        default=[],
        metavar="COMPONENT=N",
        type=_replicas,
        help="how many of a component; may be repeated",
    )
    command.add_argument(
        "--with",
        action="append",
        default=[],
        metavar="SERVICE",
        dest="wanted",
        help="start an optional service, too; may be repeated",
    )
    command.add_argument(
        "--durable", action="store_true", help="services survive a power cut (slower)"
    )
    command.add_argument(
        "--links", action="store_true", help="a proxy on each edge, for `shakeout links`"
    )
    command.add_argument(
        "--disks", action="store_true", help="disks of members' own, for faults of disks"
    )


def _ps(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", nargs="?", default="", help="system (default: all)")


def _logs(command: argparse.ArgumentParser) -> None:
    command.add_argument("component", help="component or service, see `shakeout ps`")
    _name(command)
    command.add_argument("-f", "--follow", action="store_true", help="wait for more lines")
    command.add_argument("-n", "--lines", type=_count, default=100, help="how many (default: 100)")
    _level(command)


def _named(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", nargs="?", default="", help="system (default: the only one)")


def _member(command: argparse.ArgumentParser) -> None:
    command.add_argument("member", help="component or service, see `shakeout ps`")
    _name(command)


def _fault(command: argparse.ArgumentParser) -> None:
    command.add_argument("fault", nargs="?", default="", help="name; without one, all are listed")
    command.add_argument(
        "targets", nargs="*", metavar="MEMBER", help="whom; two for a link: source, target"
    )
    command.add_argument(
        "--for",
        dest="seconds",
        type=_positive,
        metavar="SECONDS",
        help="undo it after so long, and wait for that (Ctrl-C: at once)",
    )
    command.add_argument(
        "--undo",
        nargs="?",
        const=None,
        default=False,
        type=int,
        action=_Undo,
        metavar="NUMBER",
        help="undo the fault of this number, or all that stand",
    )
    _name(command)


def _links(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", nargs="?", default="", help="who connects")
    command.add_argument("target", nargs="?", default="", help="who listens")
    kinds = command.add_argument_group("change the link of source and target")
    kinds.add_argument("--delay", type=float, metavar="MS", help="either direction is late")
    kinds.add_argument("--jitter", type=float, metavar="MS", help="more or less late by this")
    kinds.add_argument("--bandwidth", type=_positive, metavar="KIB", help="KiB a second")
    kinds.add_argument("--drop-after", type=int, metavar="BYTES", help="then reset connections")
    kinds.add_argument("--cut", action="store_true", help="reset all connections, also new ones")
    kinds.add_argument("--black-hole", action="store_true", help="nothing passes, nobody is told")
    kinds.add_argument("--deaf", choices=("source", "target"), help="who hears nothing any more")
    kinds.add_argument("--reset", action="store_true", help="reset what is open, once")
    kinds.add_argument("--half-open", metavar="BELIEVER", help="whose connections only seem open")
    kinds.add_argument("--restore", action="store_true", help="let everything pass again")
    _name(command)


def _timeline(command: argparse.ArgumentParser) -> None:
    command.add_argument("only", nargs="*", metavar="MEMBER", help="whose log (default: all)")
    command.add_argument("-f", "--follow", action="store_true", help="wait for more")
    command.add_argument("-n", "--lines", type=_count, default=40, help="how many (default: 40)")
    _level(command)
    _name(command)


def _shell(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "client", nargs="?", default="", help="a PostgreSQL, Redis or etcd: start its client"
    )
    command.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="for the client")
    command.add_argument("-c", dest="line", default="", help="a command for the shell to run")
    _name(command)


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument("scenario", help="package.module:attribute of the Scenario")
    command.add_argument(
        "--system",
        default="",
        metavar="TARGET",
        help="package.module:attribute of the System (default: `system` beside the scenario)",
    )
    command.add_argument("--seed", type=int, help="seed of the plan (default: a new one)")
    command.add_argument(
        "--tries", type=int, default=1, metavar="N", help="so many seeds, until one fails"
    )
    command.add_argument("--plan", metavar="FILE", help="carry out this plan, as JSON")
    command.add_argument(
        "--no-shrink", action="store_true", help="leave a plan that fails as it is"
    )
    command.add_argument("--links", action="store_true", help="boot with a proxy on each edge")


def _report(command: argparse.ArgumentParser) -> None:
    command.add_argument("directory", nargs="?", default="dist/shakeout", help="where evidence is")


def _name(command: argparse.ArgumentParser) -> None:
    command.add_argument("--name", default="", help="system (default: the only one)")


def _level(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--level",
        choices=LEVELS,
        default="debug",
        help="leave out what is less severe; lines without a level stay",
    )


class _Undo(argparse.Action):
    """`--undo` alone means all; `--undo 2` the second."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        _option: str | None = None,
    ) -> None:
        namespace.undo, namespace.number = True, values


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return value


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of lines")
    return int(text)


def _replicas(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    if not name or not count.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form component=2")
    return name, int(count)


def _nothing(_command: argparse.ArgumentParser) -> None:
    return


@dataclass(frozen=True)
class Command:
    """One command; its module has its name unless it says another."""

    name: str
    summary: str
    add: Callable[[argparse.ArgumentParser], None]
    examples: str = ""
    module: str = ""


COMMANDS = (
    Command(
        "up",
        "boot a system and keep it running until Ctrl-C or `down`",
        _up,
        "  shakeout up my.system:system\n"
        "  shakeout up my.system:system --name blue --replicas agent=2 --with s3",
    ),
    Command("ps", "components that run: process, CPU, memory, uptime", _ps),
    Command("logs", "log of one component", _logs, "  shakeout logs agent-1 -f --level warning"),
    Command(
        "timeline",
        "what was done, and all logs, on one clock",
        _timeline,
        "  shakeout timeline -f --level warning\n  shakeout timeline manager agent-1 -n 100",
    ),
    Command(
        "fault",
        "list faults, inject one, undo it",
        _fault,
        "  shakeout fault                      what applies to whom, and what stands\n"
        "  shakeout fault kill manager --for 5\n"
        "  shakeout fault pause agent-1        stands until it is undone\n"
        "  shakeout fault --undo               all that stand",
    ),
    Command(
        "links",
        "who talks to whom, how much, and how well",
        _links,
        "  shakeout links                            needs `shakeout up --links`\n"
        "  shakeout links manager postgres --delay 50 --jitter 10\n"
        "  shakeout links manager agent-1 --deaf target\n"
        "  shakeout links manager agent-1 --restore",
    ),
    *(
        Command(verb, f"{verb} one component or service{more}", _member, module="members")
        for verb, more in (
            ("start", ""),
            ("stop", ", and leave it stopped"),
            ("restart", ""),
            ("kill", " (SIGKILL), and leave it dead"),
        )
    ),
    Command("env", "environment for talking to a running system by hand", _named),
    Command(
        "shell",
        "a shell, or the client of a service, that talks to it",
        _shell,
        "  shakeout shell\n  shakeout shell -c 'curl $MANAGER_URL/health'\n  shakeout shell postgres\n  shakeout shell redis -- info memory",
    ),
    Command("down", "stop a running system", _named),
    Command(
        "run",
        "carry out a random scenario; what fails is shrunk",
        _run,
        "  shakeout run my.scenarios:COUNTER --seed 7\n"
        "  shakeout run my.scenarios:COUNTER --system my.system:system --tries 20",
    ),
    Command("report", "the page of the sessions whose evidence was kept", _report),
    Command("doctor", "check what this machine needs, with remedies", _nothing),
)


def module(name: str) -> str:
    """The module of a command."""
    return next(one.module or one.name for one in COMMANDS if one.name == name)
