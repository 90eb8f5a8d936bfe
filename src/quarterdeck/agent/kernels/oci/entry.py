"""The first program of a container with Python: our interpreter, run by the image's own python3 from files that it sees read-only.

Understood by old Pythons, too, which it refuses in words. It finds the control channel at descriptor 3.
"""

import sys

CONTROL = 3
OLDEST = (3, 10)
GIVEN = "/run/quarterdeck"


def main() -> None:
    """Serve the agent until it lets go."""
    import os  # noqa: PLC0415 - after the check of the version
    import signal  # noqa: PLC0415 - after the check of the version
    import socket  # noqa: PLC0415 - after the check of the version
    from fcntl import F_DUPFD_CLOEXEC, fcntl  # noqa: PLC0415 - after the check of the version

    sys.path[0] = GIVEN
    from quarterdeck.agent.kernels import serving, streams  # noqa: PLC0415 - after the check of the version
    from quarterdeck.agent.kernels.oci.title import Title  # noqa: PLC0415 - after the check of the version

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
    serving.serve(socket.socket(fileno=high[0]), given, pid, Title().show)


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
