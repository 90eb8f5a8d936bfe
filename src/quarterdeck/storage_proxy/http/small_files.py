"""Small files up and down for who asks in the plainest way, without a request of aiohttp's: for `quarterdeck.infra.prompt_answers`.

Whatever else there is to say, refusals too, `client_api` says.
"""

import contextlib
import functools
import re

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra import plain_requests
from quarterdeck.infra.prompt_answers import Asked, Content, Later
from quarterdeck.storage_proxy import model
from quarterdeck.storage_proxy.http import bodies, client_api, downloads
from quarterdeck.storage_proxy.http.gate import Gate
from quarterdeck.storage_proxy.model import TreePath
from quarterdeck.storage_proxy.service import StorageService
from quarterdeck.storage_proxy.transfers import checksums, uploads
from quarterdeck.storage_proxy.transfers.pieces import WHOLE
from quarterdeck.storage_proxy.transfers.slots import Slots
from quarterdeck.wire import decode
from quarterdeck.wire.folders import FileEntry, FileWritten, Right

_PREFIX = client_api.FILES + "/"
_PLAIN = re.compile(r"[A-Za-z0-9._~/-]+\Z")
"""Nothing of which two readers could think differently."""


class SmallFiles:
    """Answers to plain requests for files."""

    headers = plain_requests.HEADERS | {name.lower().encode() for name in WHOLE.values()}

    def __init__(self, storage: StorageService, gate: Gate, slots: Slots) -> None:
        self._storage = storage
        self._gate = gate
        self._slots = slots

    def answer(self, asked: Asked) -> Content | Later | None:
        """Return a small file that is at hand and may be read, take one in; None for everything else."""
        if not asked.target.startswith(_PREFIX) or not _PLAIN.match(asked.target, len(_PREFIX)):
            return None
        try:
            path = model.decode(asked.target.removeprefix(_PREFIX), self._storage.limits)
            return self._given(asked, path) if asked.method == "GET" else self._taken(asked, path)
        except QuarterdeckError:
            return None

    def _given(self, asked: Asked, path: TreePath) -> Content | None:
        caller = self._gate.bearer(asked.headers, Right.READ)
        self._slots.require(caller.who)
        volume = self._storage.prompt(caller.tree)
        file = None if volume is None else volume.at_hand(caller.tree.id, path)
        return None if file is None else Content(downloads.whole(file), file.content)

    def _taken(self, asked: Asked, path: TreePath) -> Later | None:
        caller = self._gate.bearer(asked.headers, Right.WRITE)
        if (volume := self._storage.prompt(caller.tree)) is None:
            return None
        uploads.require_size(len(asked.body), self._storage.limits.file_bytes_max)
        announced = bodies.announced(asked.headers)
        digest = checksums.begun("sha256" if announced is None else announced.algorithm)
        digest.update(asked.body)
        if announced is not None:
            checksums.compare(digest, announced)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._slots.taken(caller.who))
            done = volume.begin_put(caller.tree.id, path, asked.body)
            done.add_done_callback(functools.partial(_leave, stack.pop_all()))
        algorithm = "sha256" if announced is None else announced.algorithm
        return Later(done, functools.partial(_told, algorithm, digest.hexdigest()))


def _leave(stack: contextlib.ExitStack, _: object) -> None:
    stack.close()


def _told(algorithm: str, digest: str, entry: FileEntry) -> Content:
    written = FileWritten(
        entry,
        sha256=digest if algorithm == "sha256" else None,
        crc32=digest if algorithm == "crc32" else None,
    )
    return Content({"Content-Type": "application/json"}, decode.encode(written))
