"""Testplan as shipped: seconds from the start of an environment of three trivial servers until all of them serve, and until they are gone.

Prints one JSON object. The clock starts after the imports.
"""

import json
import re
import sys
import tempfile
import time
import urllib.request

from testplan.common.entity import Environment
from testplan.testing.multitest.driver.app import App

APPS = 3
SERVES = re.compile(r".*Serving HTTP on .* port (?P<port>\d+).*")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        environment = Environment()
        apps = [app(number, directory) for number in range(APPS)]
        for each in apps:
            environment.add(each)
        began = time.perf_counter()
        environment.start()
        for each in apps:
            port = each.extracts["port"]
            urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
        up = time.perf_counter()
        environment.stop()
        down = time.perf_counter()
    sys.stdout.write(json.dumps({"up_s": [up - began], "down_s": [down - up]}))


def app(number: int, directory: str) -> App:
    return App(
        name=f"app{number}",
        binary=sys.executable,
        args=["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        stdout_regexps=[SERVES],
        runpath=f"{directory}/app{number}",
        async_start=True,
    )


main()
