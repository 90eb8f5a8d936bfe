"""The arguments of `qd session create`, and their help."""

import argparse

from quarterdeck.cli import arguments_kit as kit
from quarterdeck.cli.arguments_kit import Actions
from quarterdeck.wire.states import SessionType

_CREATE = """\
Standard output has the id and nothing else (with --json: the session);
how far it has come (--wait) goes to the terminal. Ctrl-C leaves; the session
goes on."""
_ISOLATION = ("process", "namespaced", "oci")


def create(sessions: Actions) -> None:
    """Add `qd session create`."""
    create = sessions.add(
        "create",
        "ask for a session and print its id",
        "qd session create python:3.11 --wait",
        "qd session create python:3.11 --name fit --cpu 2 --memory 2G",
        "qd session create python:3.11 --mount data:input --env SEED=7",
        "qd session create python:3.11 --mount data:raw:ro,subpath=2026/raw",
        "qd session create python:3.11 --name fit -- python input/fit.py",
        "qd session create python:3.11 --after fit -- python input/report.py",
        "qd session create python:3.11 --kernels 3 --wait",
        more=_CREATE,
        command=True,
    )
    create.add_argument("image", metavar="IMAGE", help="what it runs, such as python:3.11")
    create.add_argument("--name", help="a name to address it by")
    create.add_argument(
        "--reuse", action="store_true", help="a live one with this name will do if it is alike"
    )
    create.add_argument(
        "--type",
        choices=[each.value for each in SessionType],
        metavar="TYPE",
        help="interactive, batch (the command runs to its end), inference (it stays up); "
        "default: batch with a command after --, else interactive",
    )
    _resources(create)
    create.add_argument(
        "--after",
        action="append",
        default=[],
        metavar="SESSION",
        help="start when this one has succeeded; may be repeated",
    )
    _limits(create)
    create.add_argument("--wait", action="store_true", help="until it is running")
    kit.within(create)


def _resources(create: argparse.ArgumentParser) -> None:
    create.add_argument(
        "--kernels",
        type=int,
        metavar="N",
        help="so many kernels, which find each other as main1, sub1, sub2 (default: 1)",
    )
    create.add_argument(
        "--port",
        type=int,
        action="append",
        default=[],
        metavar="N",
        help="a port of each kernel at which the others reach it by its name; may be repeated",
    )
    create.add_argument("--cpu", type=int, default=1, metavar="N", help="cores (default: 1)")
    create.add_argument(
        "--memory",
        type=kit.mebibytes,
        default=256,
        metavar="SIZE",
        help="memory, in MiB or as 2G (default: 256M)",
    )
    for flag, type_, metavar, help_ in (
        (
            "--mount",
            kit.mount,
            "FOLDER:PATH[:ro]",
            "show a folder below the working directory; with :ro to read only, with :subpath=DIRECTORY a part",
        ),
        ("--env", kit.variable, "NAME=VALUE", "set an environment variable"),
    ):
        create.add_argument(
            flag,
            action="append",
            default=[],
            type=type_,
            metavar=metavar,
            help=help_ + "; may be repeated",
        )


def _limits(create: argparse.ArgumentParser) -> None:
    limits = create.add_argument_group("limits", "who goes further is ended, and told why")
    limits.add_argument("--pids", type=int, metavar="N", help="processes and threads at a time")
    limits.add_argument(
        "--disk",
        type=kit.mebibytes,
        metavar="SIZE",
        help="in its own directories, in MiB or as 2G",
    )
    limits.add_argument(
        "--cpu-time", type=kit.seconds, metavar="TIME", help="processor time in all"
    )
    for flag, help_ in (
        ("--timeout", "how long the command of a batch session may take"),
        ("--lifetime", "how long it may run, whatever it does"),
        ("--idle", "how long it may run with nobody using it"),
    ):
        limits.add_argument(flag, type=kit.seconds, metavar="TIME", help=help_)
    limits.add_argument(
        "--isolation",
        choices=_ISOLATION,
        metavar="LEVEL",
        help="at least so well kept apart: process, namespaced or oci",
    )
