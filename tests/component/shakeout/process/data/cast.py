"""Components for tests of the process layer: what they do when called is their name.

Those that hold something that may be left behind write it into the witness file, their first argument.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from multiprocessing import shared_memory
from pathlib import Path

SEGMENT_BYTES = 4096
IPC_CREAT = 0o1000


def holder() -> None:
    """Hold a listening port, a System V segment, a file in /dev/shm and a deep directory."""
    listening = socket.create_server(("127.0.0.1", 0))
    segment = ctypes.CDLL(None).shmget(0, SEGMENT_BYTES, IPC_CREAT | 0o600)
    memory = shared_memory.SharedMemory(create=True, size=SEGMENT_BYTES)
    deep = Path.cwd() / "deep" / "er"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    deep.chmod(0o500)
    _show(port=listening.getsockname()[1], segment=segment, shared=memory.name)
    _wait()


def borrower() -> None:
    """Open a file in /dev/shm that somebody else made, to read (with "rb") or to write ("r+b")."""
    with Path(sys.argv[2]).open(sys.argv[3]) as file:
        print("borrowed", len(file.read()))
        _wait()


def grandparent() -> None:
    """Have a grandchild make a System V segment, and outlive its parent or end, as told."""
    if os.fork() == 0:
        if os.fork() == 0:
            _show(segment=ctypes.CDLL(None).shmget(0, SEGMENT_BYTES, IPC_CREAT | 0o600))
            if sys.argv[2] == "ends":
                os._exit(0)
            _wait()
        if sys.argv[2] == "orphaned":
            os._exit(0)
        _wait()
    _wait()


def forker() -> None:
    """Run a child, which runs a child."""
    subprocess.Popen(["sh", "-c", "sleep 1003 & sleep 1004"])
    _wait()


def escaper() -> None:
    """Leave a grandchild in a session of its own, with no environment and no parent."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            _show()
            os.execve("/bin/sleep", ["sleep", "1005"], {})
        os._exit(0)
    os.wait()
    _wait()


def stubborn() -> None:
    """Ignore every request to end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    print("deaf")
    _show()
    _wait()


def obedient() -> None:
    """End with a code of its own when asked to."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    print("listening")
    _wait()


def confessor() -> None:
    """Print what the process was given."""
    told = {
        "argv": sys.argv,
        "environment": dict(os.environ),
        "directory": str(Path.cwd()),
        "session": os.getsid(0) == os.getpid(),
        "descriptors": sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())[:-1],
        "stdin": str(Path("/proc/self/fd/0").readlink()),
        "comm": Path("/proc/self/comm").read_text().strip(),
        "ignored": _signals({signal.SIG_IGN}),
        "default": _signals({signal.SIG_DFL, signal.default_int_handler}),
        "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    }
    print(json.dumps(told))


def greeter() -> None:
    """Answer one connection on each of the sockets that were passed on."""
    names = os.environ["LISTEN_FDNAMES"].split(":")
    assert os.environ["LISTEN_PID"] == str(os.getpid())
    assert os.environ["LISTEN_FDS"] == str(len(names))
    for number, name in enumerate(names, 3):
        connection, _ = socket.socket(fileno=number).accept()
        connection.sendall(name.encode())
        connection.close()


def crasher() -> None:
    """Raise what nobody catches."""
    print("about to crash")
    raise RuntimeError("no such luck")


def quitter() -> None:
    """End with words."""
    sys.exit("had enough")


def segfaulter() -> None:
    """Touch memory that is not there."""
    ctypes.string_at(0)


def flusher() -> int:
    """End with output in the buffer, a thread to wait for, and a code."""
    threading.Thread(target=lambda: print("from the thread")).start()
    sys.stdout.write("no line end")
    return 3


def sharer() -> None:
    """Print what the zygote has imported already."""
    print("decimal" in sys.modules)


def _signals(handlers: set[object]) -> list[int]:
    return [number for number in signal.valid_signals() if signal.getsignal(number) in handlers]


def _show(**held: object) -> None:
    line = json.dumps({"pid": os.getpid(), **held})
    with Path(sys.argv[1]).open("a") as file:
        file.write(line + "\n")


def _wait() -> None:
    while True:
        signal.pause()
