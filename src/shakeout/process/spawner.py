"""The spawner: a small single-threaded process that starts programs and is their parent.

Standard library only. The runner tells it what to do over a channel (`protocol`). There are three kinds:
the first spawner, forked from the reaper; the zygote (`preload`), which has imported the heavy modules so
that a component is a fork; and nested spawners, forked from either, one for each scope. A nested spawner
adopts the orphans of its scope and, when its channel closes, takes all of them with it.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
from pathlib import Path

from shakeout.process import child, directories, linux, procfs, protocol, shared, sweep
from shakeout.process.protocol import Message

REPORT_BYTES_MAX = 65536


class Refused(Exception):
    """The request cannot be done; what it holds is told to the runner."""

    def __init__(self, **told: object) -> None:
        super().__init__(told)
        self.told = told


class Spawner:
    """Serves one channel until it closes."""

    def __init__(self, channel: socket.socket, directory: Path, *, keeps_orphans: bool) -> None:
        self.channel = channel
        self.directory = directory
        self.keeps_orphans = keeps_orphans
        self.children: dict[int, int] = {}
        self.born: set[int] = set()
        self.selector = selectors.DefaultSelector()
        self.woken, self.wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._watch_children()

    def serve(self, parent: int | None = None) -> None:
        """Do what the channel says until it closes; with `parent`, until that process dies instead."""
        self.selector.register(self.channel, selectors.EVENT_READ, "channel")
        self.selector.register(self.woken, selectors.EVENT_READ, "children")
        if parent is not None:
            self.selector.register(parent, selectors.EVENT_READ, "parent")
        while True:
            ready = {key.data for key, _ in self.selector.select()}
            if "children" in ready:
                self._collect()
            if "parent" in ready:
                return
            if "channel" in ready and not self._obey():
                if parent is None:
                    return
                self.selector.unregister(self.channel)

    def _forget(self) -> None:
        """Close what belongs to the spawner: this process is going to be something else."""
        signal.set_wakeup_fd(-1)
        self.selector.close()
        self.channel.close()
        os.close(self.woken)
        os.close(self.wake)

    def _watch_children(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wake)

    def _collect(self) -> None:
        os.read(self.woken, REPORT_BYTES_MAX)
        dead = sweep.collect_dead()
        directories.note_pids(self.directory, dead.keys() - self.born)
        self.born |= dead.keys()
        for pid, status in dead.items():
            if number := self.children.pop(pid, 0):
                self._tell({"ended": number, "status": status})
        if not self.keeps_orphans:
            for orphan in procfs.children(os.getpid()) - self.children.keys():
                _kill_orphan(orphan)

    def _obey(self) -> bool:
        received = protocol.receive(self.channel)
        if received is None:
            return False
        message, descriptors = received
        try:
            reply = self.do(message, descriptors)
        except Refused as refused:
            reply = {"error": refused.told}
        except OSError as error:  # no more processes or descriptors, or a signal not permitted
            reply = {"error": {"step": "spawner", "errno": error.errno, "reason": str(error)}}
        for descriptor in descriptors:
            os.close(descriptor)
        self._tell({"did": message["token"]} | reply)
        return True

    def _tell(self, message: Message) -> None:
        try:
            protocol.send(self.channel, message)
        except (BrokenPipeError, ConnectionResetError):
            return

    def do(self, message: Message, descriptors: tuple[int, ...]) -> Message:
        """Do one request and return its reply. Raises Refused."""
        match message["do"]:
            case "spawn":
                return {"pid": self._spawn(message, descriptors)}
            case "nest":
                return {"pid": self._nest(message, descriptors[0])}
            case "signal":
                return {"sent": self._signal(message["child"], message["signal"])}
            case unknown:
                raise Refused(step="spawner", errno=None, reason=f"unknown request {unknown}")

    def _spawn(self, order: Message, descriptors: tuple[int, ...]) -> int:
        me = os.getpid()
        heard, report = os.pipe2(os.O_CLOEXEC)

        def become() -> None:
            self._forget()
            os.close(heard)
            child.become(order, descriptors, report, me)

        pid = linux.fork(become)
        os.close(report)
        directories.note_pids(self.directory, {pid})
        problem = os.read(heard, REPORT_BYTES_MAX)
        os.close(heard)
        if problem:
            os.waitpid(pid, 0)
            raise Refused(**json.loads(problem))
        self.children[pid] = order["child"]
        self.born.add(pid)
        return pid

    def _nest(self, order: Message, channel: int) -> int:
        me = os.getpid()

        def become() -> None:
            self._forget()
            linux.die_with_parent(me)
            _be_nested(order["name"], socket.socket(fileno=channel), self.directory)

        pid = linux.fork(become)
        self.children[pid] = order["child"]
        return pid

    def _signal(self, number: int, what: int) -> bool:
        """Send a signal to a child; a pid that nobody has waited for yet cannot be a stranger's."""
        pids = [pid for pid, born in self.children.items() if born == number]
        for pid in pids:
            os.kill(pid, what)
        return bool(pids)


def be_first(channel: socket.socket, directory: Path, reaper: int) -> None:
    """Be the spawner that the reaper forked. It sweeps if the reaper dies; else the reaper does."""
    linux.name_process("shk-spawner")
    linux.adopt_orphans()
    held = os.pidfd_open(reaper)
    if os.getppid() == reaper:
        Spawner(channel, directory, keeps_orphans=False).serve(parent=held)
    sweep.everything(directory)


def _be_nested(name: str, channel: socket.socket, directory: Path) -> None:
    linux.adopt_orphans()
    linux.name_process(f"shk-{name}")
    os.setsid()
    spawner = Spawner(channel, directory, keeps_orphans=True)
    try:
        spawner.serve()
    finally:
        killed = sweep.kill_descendants(directory)
        shared.remove_segments(directory, spawner.born | killed.pids)
        noted = shared.noted_files(directory)
        shared.remove_files(directory, {file for file in noted if file.path in killed.files})


def _kill_orphan(pid: int) -> None:
    """Kill it, unless it runs a set-uid program: then it is not ours to kill, and ends by itself."""
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
