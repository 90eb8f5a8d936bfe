"""The first program of a container with Python: our interpreter, run by the image's own python3 from files that it sees read-only.

Understood by old Pythons, too, which it refuses in words. It finds the control channel at descriptor 3. With the argument `waiting` it first
waits to be a kernel: it says so on descriptor 0, and is told there to go on.
"""

import sys

CONTROL = 3
OLDEST = (3, 10)
GIVEN = "/run/quarterdeck"
MARK = "QD_KERNEL_ID"
ENVIRONMENT_START = 47
"""Which field of /proc/<pid>/stat it is, after the name."""


def main() -> None:
    """Serve the agent until it lets go."""
    import os  # noqa: PLC0415 - after the check of the version
    import signal  # noqa: PLC0415 - after the check of the version
    import socket  # noqa: PLC0415 - after the check of the version
    from fcntl import F_DUPFD_CLOEXEC, fcntl  # noqa: PLC0415 - after the check of the version

    sys.path[0] = GIVEN
    from quarterdeck.agent.kernels import serving, streams  # noqa: PLC0415 - after the check of the version
    from quarterdeck.agent.kernels.oci.title import Title  # noqa: PLC0415 - after the check of the version

    sys.pycache_prefix = None
    if sys.argv[1] == "waiting":
        _wait()
    high = [fcntl(one, F_DUPFD_CLOEXEC, serving.DESCRIPTOR_FIRST) for one in (CONTROL, 1, 2)]
    os.close(CONTROL)
    with open(GIVEN + "/pid") as file:  # noqa: PTH123 - the fewer imports the faster
        pid = int(file.read())
    sys.path[0] = ""
    sys.argv[:] = [""]
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    streams.unbuffer_c_streams()
    given = streams.Streams(high[1], high[2])
    serving.serve(socket.socket(fileno=high[0]), given, {"started": pid}, Title().show)


def _wait() -> None:
    """Return when this is to be a kernel, with its variables. Nobody wants it: end."""
    import json  # noqa: PLC0415 - after the check of the version
    import os  # noqa: PLC0415 - after the check of the version

    os.write(0, b".")
    if not os.read(0, 1):
        sys.exit(0)
    with open(GIVEN + "/claim", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - the fewer imports the faster
        changed = json.load(file)
    os.environ.update(changed)  # noqa: TID251 - the user's own
    _show(changed.get(MARK, ""))


def _show(kernel: str) -> None:
    """Show which kernel this is in the variables that the program was started with: whoever looks from outside sees those."""
    import os  # noqa: PLC0415 - after the check of the version

    with open("/proc/self/environ", "rb") as file:  # noqa: PTH123 - the fewer imports the faster
        shown = file.read()
    at = shown.find(MARK.encode() + b"=") + len(MARK) + 1
    room = shown.find(b"\0", at) - at
    with open("/proc/self/stat") as file:  # noqa: PTH123 - the fewer imports the faster
        start = int(file.read().rpartition(")")[2].split()[ENVIRONMENT_START])
    memory = os.open("/proc/self/mem", os.O_WRONLY)
    os.pwrite(memory, kernel.encode()[:room].ljust(room), start + at)
    os.close(memory)


def _refuse() -> None:
    import json  # noqa: PLC0415 - after the check of the version
    import socket  # noqa: PLC0415 - after the check of the version

    words = "The image's python3 is {}.{}, and {}.{} is the oldest that will do".format(
        *(sys.version_info[:2] + OLDEST)
    )
    message = json.dumps({"refused": "image-unusable", "detail": words}).encode()
    socket.socket(fileno=CONTROL).send(b"\x03" + message)
    sys.exit(1)


if __name__ == "__main__":
    if sys.version_info < OLDEST:
        _refuse()
    main()
