"""Work without the rights of root, whoever runs the tests: as an ordinary user's agent has to."""

import os
from collections.abc import Callable

from quarterdeck.agent.kernels import linux


def without(work: Callable[[], object]) -> str:
    """Do something in a child without capabilities; return what came of it as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            linux.drop_capabilities()
            os.write(writing, repr(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.read()
    os.waitpid(child, 0)
    return said
