"""The reaper: outlives the runner by as long as it takes to leave nothing behind.

Standard library only, started by `supervisor` as a session of its own. It makes and locks the run
directory, forks the spawner, and then only watches: when the runner closes its channel or dies, when the
spawner dies, or on SIGTERM, it sweeps and exits. There is no other way to end a run, so the way that
counts after a crash is the one that is always used.
"""

import os
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import NamedTuple

from shakeout.process import directories, linux, protocol, shared, spawner, sweep

NAME = "shk-reaper"
READ_BYTES_MAX = 65536
SAID_MAX = 4096


class Arguments(NamedTuple):
    """What the runner passes: its pid, where the run lives, and the ends of two channels."""

    runner: int
    home: Path
    run_id: str
    control: socket.socket
    spawners: socket.socket


def main() -> None:
    """Run as told by `sys.argv`; ends when nothing of the run is left."""
    linux.name_process(NAME)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    runner, home, run_id, *channels = sys.argv[1:]
    control, spawners = (socket.socket(fileno=int(number)) for number in channels)
    try:
        _run(Arguments(int(runner), Path(home), run_id, control, spawners))
    except Exception as error:  # noqa: BLE001 (whatever it was, the runner must hear of it)
        _tell(control, {"error": f"{type(error).__name__}: {error}"})
    os._exit(0)


def _run(told: Arguments) -> None:
    runner = os.pidfd_open(told.runner)
    if os.getppid() != told.runner:
        return
    directories.prepare_home(told.home)
    woken = _wake_on(signal.SIGCHLD, signal.SIGTERM)
    linux.adopt_orphans()
    directory, _lock = directories.create(told.home, told.run_id)
    spawner_pid = 0
    try:
        _print_to(directory / directories.HARNESS_LOG)
        spawner_pid = _fork_spawner(told, directory, (runner, woken))
        told.spawners.close()
        _tell(told.control, {"ready": str(directory)})
        _sweep_abandoned(told.home, directory)
        if not _watch((told.control.fileno(), runner), woken, spawner_pid, directory):
            said = (directory / directories.HARNESS_LOG).read_text(errors="replace")
            _tell(told.control, {"lost": "spawner", "said": said[-SAID_MAX:]})
    finally:
        sweep.everything(directory, spare=spawner_pid)


def _fork_spawner(told: Arguments, directory: Path, own: tuple[int, ...]) -> int:
    """Fork the spawner; it keeps the lock of the run directory, but nothing else of ours."""
    reaper = os.getpid()

    def become() -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        told.control.close()
        for descriptor in own:
            os.close(descriptor)
        spawner.be_first(told.spawners, directory, reaper)

    return linux.fork(become)


def _sweep_abandoned(home: Path, directory: Path) -> None:
    """Sweep after earlier runs in a child, so that this run is watched meanwhile."""
    now = directory.stat().st_mtime
    reaper = os.getpid()

    def become() -> None:
        linux.die_with_parent(reaper)
        sweep.abandoned(home, now)

    if directories.stale(home, now):
        linux.fork(become)


def _print_to(path: Path) -> None:
    """Send what this process and the spawner print, tracebacks above all, to a file."""
    output = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)


def _watch(ends: tuple[int, ...], woken: int, spawner_pid: int, directory: Path) -> bool:
    """Return when the run is over: true if it was ended, false if the spawner died.

    Meanwhile, whenever somebody makes a file in /dev/shm, note whether it was a process of the run: later,
    nothing shows any more whose file it is.
    """
    created = _shared_file_watch()
    with selectors.DefaultSelector() as selector:
        for source in (*ends, woken, *created):
            selector.register(source, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            signalled = os.read(woken, READ_BYTES_MAX) if woken in ready else b""
            if signal.SIGTERM in signalled or not ready.isdisjoint(ends):
                return True
            if signalled and spawner_pid in sweep.collect_dead():
                return False
            if not ready.isdisjoint(created):
                os.read(created[0], READ_BYTES_MAX)
                sweep.note_all_shared_files(directory)


def _shared_file_watch() -> tuple[int, ...]:
    try:
        return (linux.watch(shared.FILES, linux.IN_CREATE),)
    except OSError:  # too many inotify descriptors already, or there is no /dev/shm
        return ()


def _wake_on(*numbers: signal.Signals) -> int:
    """Make a descriptor that becomes readable, with the signal's number, when one of them comes."""
    woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wake)
    return woken


def _tell(control: socket.socket, message: protocol.Message) -> None:
    try:
        protocol.send(control, message)
    except (BrokenPipeError, ConnectionResetError):
        return
