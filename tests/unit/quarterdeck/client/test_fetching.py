"""Downloads of one file, driven by hand against a storage-proxy in memory: what was fetched is fetched once."""

import json
import zlib
from collections import Counter

import pytest

from quarterdeck.client import fetching, files, lasting, sending
from quarterdeck.client.errors import ClientError, ContentDiffers, Refused
from quarterdeck.client.local_files import nobody
from quarterdeck.client.request import Grant
from quarterdeck.testing.fakes.clock import FakeClock

CONTENT = bytes(range(256)) * 16


class Proxy:
    """One file, and errors with which requests for its checksum are met first."""

    def __init__(self, *errors):
        self.clock = FakeClock()
        self.content = CONTENT
        self.sum = f"{zlib.crc32(CONTENT):08x}"
        self.errors = list(errors)
        self.sent = 0
        self.asked: Counter[str] = Counter()
        self.granted = 0

    async def access(self):
        self.granted += 1
        return Grant("http://p:1", str(self.granted))

    async def download(self, grant, copy):
        """Drive a download to its end."""
        transfer = fetching.download(grant, copy, self.clock, nobody)
        step = sending.advance(transfer, None)
        while isinstance(step, sending.Step):
            self.clock.advance(step.pause)
            step = sending.advance(transfer, self.answer(step))
        return step.result

    def answer(self, step):
        """Answer a step, or give the error that it meets."""
        kind = step.prepared.method if step.sink or step.prepared.method == "HEAD" else "checksum"
        self.asked[kind] += 1
        if kind == "HEAD":
            length = str(len(self.content))
            return sending.Reply({"content-length": length, "etag": '"v1"'}, b"")
        if kind == "checksum":
            return self.checksum()
        begin = int(step.prepared.headers["Range"].removeprefix("bytes=").rstrip("-"))
        step.sink.write(self.content[begin:])
        self.sent += len(self.content) - begin
        return sending.Reply({}, b"")

    def checksum(self):
        """Answer with the checksum, after the errors."""
        if self.errors:
            self.clock.advance(Grant("", "").renewed_seconds + 1)
            return self.errors.pop(0)
        return sending.Reply({}, json.dumps({"crc32": self.sum, "etag": "v1"}).encode())


async def test_download_that_outlives_its_token_is_fetched_once(tmp_path):
    """A token that ends before the checksum loses nothing. Let it end there twice; every byte is sent once, under three grants."""
    ended = [Refused(401, "token-expired", "too late") for _ in range(2)]
    proxy = Proxy(*ended)
    copies = [files.Copy(tmp_path / "x", "x", len(CONTENT))]
    await lasting.each(lasting.Grants(proxy.access, proxy.clock), copies, proxy.download)
    assert (proxy.sent, proxy.granted) == (len(CONTENT), 3)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == CONTENT


async def test_checksum_is_asked_for_until_there_is_an_answer(tmp_path):
    """A storage-proxy that is away for a moment is asked again. Answer 503 once; one download, every byte once."""
    proxy = Proxy(Refused(503, "unavailable", "not now"))
    await proxy.download(Grant("http://p:1", "t"), files.Copy(tmp_path / "x", "x"))
    assert (proxy.sent, proxy.asked["HEAD"]) == (len(CONTENT), 1)


@pytest.mark.parametrize("code", ["unavailable", "forbidden", "too-many-transfers"])
async def test_what_was_fetched_stays_for_another_attempt(tmp_path, code):
    """Only what nobody can use is thrown away. Refuse the checksum for good, then not; the second attempt fetches nothing."""
    status = 503 if code == "unavailable" else 403
    proxy = Proxy(*(Refused(status, code, "no") for _ in range(3)))
    copy = files.Copy(tmp_path / "x", "x")
    with pytest.raises(Refused):
        await proxy.download(Grant("http://p:1", "t"), copy)
    proxy.errors.clear()
    await proxy.download(Grant("http://p:1", "t"), copy)
    assert proxy.sent == len(CONTENT)


@pytest.mark.parametrize(
    "error", [Refused(404, "file-not-found", "gone"), ContentDiffers("something else")]
)
async def test_what_nobody_can_use_is_thrown_away(tmp_path, error):
    """A file that is gone or differs leaves nothing here."""
    with pytest.raises(ClientError):
        await Proxy(error).download(Grant("http://p:1", "t"), files.Copy(tmp_path / "x", "x"))
    assert list(tmp_path.iterdir()) == []


def test_refusal_of_a_head_is_the_one_that_is_meant():
    """It has no body, and says in a header which it is; elsewhere nobody knows."""
    step = sending.Step(files.head(Grant("http://p:1", "t"), "x"))
    for headers, code in (({"x-problem-code": "token-expired"}, "token-expired"), ({}, "refused")):
        with pytest.raises(Refused) as refused:
            sending.reply(step, 401, headers, b"")
        assert (refused.value.status, refused.value.code) == (401, code)
