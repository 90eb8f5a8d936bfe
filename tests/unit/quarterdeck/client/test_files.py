"""What is copied where: files and directories, with and without a path to go to; nothing leads out of the local directory."""

import contextlib
import os
import zlib

import pytest

from quarterdeck.client import files, local_files, sending
from quarterdeck.client.errors import ContentDiffers, FileUnusable
from quarterdeck.client.request import Grant
from quarterdeck.testing.fakes.clock import FakeClock

GRANT = Grant("http://p:1", "tok")


def crc32(content):
    """In hexadecimal."""
    return f"{zlib.crc32(content):08x}"


@pytest.fixture
def tree(tmp_path):
    """A file and a directory with two files, an empty directory and a link."""
    (tmp_path / "a.csv").write_bytes(b"1,2\n")
    (tmp_path / "d" / "deep").mkdir(parents=True)
    (tmp_path / "d" / "empty").mkdir()
    (tmp_path / "d" / "x").write_bytes(b"x")
    (tmp_path / "d" / "deep" / "y").write_bytes(b"y")
    (tmp_path / "d" / "link").symlink_to("/etc/passwd")
    return tmp_path


@pytest.mark.parametrize(
    ("remote", "expected"),
    [(None, "a.csv"), ("", "a.csv"), ("b.csv", "b.csv"), ("in/", "in/a.csv"), ("/in/b", "in/b")],
)
def test_upload_of_a_file(tree, remote, expected):
    assert files.uploads(tree / "a.csv", remote) == [files.Copy(tree / "a.csv", expected)]


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        (None, ["d/deep/y", "d/x"]),
        ("", ["deep/y", "x"]),
        ("e", ["e/deep/y", "e/x"]),
        ("e/", ["e/d/deep/y", "e/d/x"]),
    ],
)
def test_upload_of_a_directory(tree, remote, expected):
    assert [copy.remote for copy in files.uploads(tree / "d", remote)] == expected


def test_upload_of_nothing_is_told(tmp_path):
    with pytest.raises(FileUnusable, match=r"there is no file .*nope"):
        files.uploads(tmp_path / "nope", None)


def test_upload_of_what_is_no_file_is_told(tmp_path):
    """Nothing is passed over that was named. Name a pipe, and a file whose name no folder can hold."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileUnusable, match="pipe is neither a file nor a directory"):
        files.uploads(tmp_path / "pipe", None)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / os.fsdecode(b"\xff")).write_bytes(b"")
    with pytest.raises(FileUnusable, match="is no name in UTF-8"):
        files.uploads(tmp_path / "d", None)


def entry(path, kind="file"):
    return {"path": path, "kind": kind, "size": 7}


def test_download_of_a_file(tmp_path):
    listed = [entry("r/a.csv")]
    assert files.downloads("r/a.csv", tmp_path, listed)[0].local == tmp_path / "a.csv"
    assert files.downloads("/r/a.csv", tmp_path / "b", listed)[0] == files.Copy(
        tmp_path / "b", "r/a.csv", 7
    )


def test_download_of_a_directory(tmp_path):
    listed = [entry("r/d", "directory"), entry("r/d/x"), entry("r/y"), entry("r/l", "other")]
    copies = files.downloads("r/", tmp_path, listed)
    assert copies == [
        files.Copy(tmp_path / "d" / "x", "r/d/x", 7),
        files.Copy(tmp_path / "y", "r/y", 7),
    ]
    assert files.downloads("r", tmp_path, listed)[1].local == tmp_path / "r" / "y"
    everything = files.downloads("", tmp_path, [entry("a"), entry("b/c")])
    assert [copy.local for copy in everything] == [tmp_path / "a", tmp_path / "b" / "c"]


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd"])
def test_download_never_leads_out(tmp_path, path):
    with pytest.raises(FileUnusable, match="leads elsewhere"):
        files.downloads("", tmp_path, [entry("ok"), entry(path)])


def test_requests_quote_paths():
    assert files.get(GRANT, "a b/ö?#%").target == "/client/v1/files/a%20b/%C3%B6%3F%23%25"
    assert (
        files.ls(GRANT, "a b", recursive=True).target == "/client/v1/files?path=a+b&recursive=true"
    )
    assert files.ls(GRANT).target == "/client/v1/files"
    assert files.put(GRANT, "x", 7, "0f").headers["Content-Length"] == "7"


def test_sink_appears_when_it_is_finished(tmp_path):
    local = tmp_path / "new" / "file"
    sink = local_files.Sink(local)
    sink.write(b"abc")
    assert not local.exists()
    sink.finish()
    sink.forget()
    assert (local.read_bytes(), sink.size) == (b"abc", 3)
    assert [path.name for path in local.parent.iterdir()] == ["file"]


def test_sink_replaces_files_only(tmp_path):
    """An administrator who copies to /dev/null keeps it. Write to a pipe's name, and to a link that leads to it; both are as before."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(FileUnusable, match=f"{name} is there and is no file"):
            local_files.Sink(tmp_path / name)
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


def test_sink_that_is_given_up_leaves_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    sink = local_files.Sink(tmp_path / "file")
    sink.write(b"new")
    sink.forget()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_sink_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileUnusable, match="cannot use"):
        local_files.Sink(tmp_path / "file" / "below")


def test_source_is_read_in_blocks_with_its_checksum(tree):
    with contextlib.closing(local_files.Source(tree / "a.csv")) as source:
        assert (source.size, source.read(), source.read()) == (4, b"1,2\n", b"")
    files.check("a.csv", source.crc32, crc32(b"1,2\n"))
    with pytest.raises(ContentDiffers, match=r"a\.csv"):
        files.check("a.csv", source.crc32, "y")


@pytest.mark.parametrize("name", ["d", "nope"])
def test_source_that_cannot_be_read_is_told(tree, name):
    with pytest.raises(FileUnusable, match="cannot use"):
        local_files.Source(tree / name)


def test_sink_goes_on_with_the_same_version_only(tmp_path):
    first = local_files.Sink(tmp_path / "file", version="1")
    first.write(b"abc")
    first.close()
    again = local_files.Sink(tmp_path / "file", version="1")
    assert again.size == 3
    again.close()
    other = local_files.Sink(tmp_path / "file", version="2")
    assert (other.size, len(list(tmp_path.iterdir()))) == (0, 1)
    other.forget()
    assert list(tmp_path.iterdir()) == []


def test_source_stands_where_it_is_told_with_the_checksum_of_what_is_before(tmp_path):
    (tmp_path / "file").write_bytes(b"0123456789")
    with contextlib.closing(local_files.Source(tmp_path / "file")) as source:
        source.stand_at(7)
        assert (source.crc32, source.read()) == (crc32(b"0123456"), b"789")
        source.stand_at(2)
        assert source.crc32 == crc32(b"01")


def test_source_that_became_shorter_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"0123456789")
    with contextlib.closing(local_files.Source(tmp_path / "file")) as source:
        (tmp_path / "file").write_bytes(b"01234")
        with pytest.raises(FileUnusable, match="shorter"):
            source.read()


def test_source_that_somebody_writes_into_is_told(tree):
    """Write into a file while it is sent, at once or after a while; it is refused before its end."""
    with contextlib.closing(local_files.Source(tree / "a.csv")) as source:
        source.require_unchanged()
        os.utime(tree / "a.csv", ns=(1, 1))
        with pytest.raises(FileUnusable, match="changed while it was sent"):
            source.require_unchanged()


def test_source_of_which_more_is_there_than_it_has_is_told(tree):
    with contextlib.closing(local_files.Source(tree / "a.csv")) as source:
        with pytest.raises(FileUnusable, match="less than is there"):
            source.stand_at(5)


def test_file_that_changes_while_its_pieces_go_is_not_sent_to_its_end(tmp_path):
    """No mixture is stored. Drive an upload of two pieces by hand, write into the file after the first; the last is not sent."""
    local = tmp_path / "file"
    local.write_bytes(bytes(sending.PIECE_BYTES + 1))
    with contextlib.closing(local_files.Source(local)) as source:
        transfer = sending.pieces(GRANT, "/upload", source, FakeClock())
        sending.advance(transfer, None)
        sending.advance(transfer, sending.Reply({"upload-offset": "0"}, b""))
        os.utime(local, ns=(1, 1))
        first = sending.Reply({"upload-offset": str(sending.PIECE_BYTES)}, b"")
        with pytest.raises(FileUnusable, match="changed while it was sent"):
            sending.advance(transfer, first)
