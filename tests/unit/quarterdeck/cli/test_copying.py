"""`qd cp` copies into the folder that was meant when it began."""

import argparse
import io
from typing import Any

from quarterdeck.cli.console import Console
from quarterdeck.cli.copying import _Copying
from quarterdeck.client.files import Copy
from quarterdeck.testing.fakes.clock import FakeClock

SECONDS = 60


class Renaming:
    """A transport to a platform where the folder's name becomes another one's after each look."""

    is_stopped = False

    def __init__(self, clock):
        self._clock = clock
        self._looks = 0
        self.sent = []

    def another(self):
        return self

    def stop(self):
        pass

    def run(self, _):
        self._looks += 1
        return {"id": f"folder-{self._looks}"}

    def call(self, asked):
        return {"url": "http://127.0.0.1", "token": asked.path.split("/")[3], "seconds": SECONDS}

    def upload(self, grant, copy, _):
        self._clock.advance(SECONDS)
        self.sent.append(grant.token)
        return {"path": copy.remote, "size": 0}


def test_folder_that_is_renamed_meanwhile_gets_all_files(tmp_path):
    """No file goes elsewhere when a token is renewed. Let the name be another folder's after a look; all files go by the id of the first."""
    clock, out = FakeClock(), io.StringIO()
    transport: Any = Renaming(clock)
    console = Console(out, out, clock, as_json=False)
    copying = _Copying(argparse.Namespace(checksum=False), transport, console)
    copying._clock = clock
    (tmp_path / "file").touch()
    copies = [Copy(tmp_path / "file", str(number)) for number in range(9)]
    assert copying.send("data", copies) == 0
    assert transport.sent == ["folder-1"] * 9
