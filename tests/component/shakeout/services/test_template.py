"""Kept data directories: one builder a key, whole copies only, broken entries made again."""

import asyncio
import os
import shutil
import threading

import pytest

from shakeout.services import template


class Builder:
    """Builds a small tree, and counts how often."""

    def __init__(self, text="one"):
        self.text = text
        self.builds = 0

    async def __call__(self, directory):
        self.builds += 1
        (directory / "base" / "1").mkdir(parents=True)
        (directory / "base" / "1" / "rows").write_text(self.text)
        (directory / "empty").touch()
        await asyncio.to_thread(os.sync)


def tree(directory):
    return {
        str(path.relative_to(directory)): path.read_text() if path.is_file() else None
        for path in directory.rglob("*")
    }


async def test_the_second_use_is_a_copy(tmp_path):
    build = Builder()
    assert not await template.provide(tmp_path / "cache", "key", tmp_path / "a", build)
    assert await template.provide(tmp_path / "cache", "key", tmp_path / "b", build)
    assert build.builds == 1
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o700


async def test_copies_do_not_share_their_files(tmp_path):
    build = Builder()
    for name in ("a", "b"):
        await template.provide(tmp_path / "cache", "key", tmp_path / name, build)
    (tmp_path / "a" / "base" / "1" / "rows").write_text("changed")
    await template.provide(tmp_path / "cache", "key", tmp_path / "c", build)
    assert tree(tmp_path / "c")["base/1/rows"] == "one"


async def test_concurrent_first_uses_build_once(tmp_path):
    build = Builder()
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(
                template.provide(tmp_path / "cache", "key", tmp_path / str(number), build)
            )
    assert build.builds == 1
    assert len({str(tree(tmp_path / str(number))) for number in range(4)}) == 1


@pytest.mark.parametrize("damage", ["unlink", "shorten", "manifest"])
async def test_a_damaged_entry_is_made_again(tmp_path, damage):
    build = Builder()
    await template.provide(tmp_path / "cache", "key", tmp_path / "a", build)
    rows = tmp_path / "cache" / "key" / "data" / "base" / "1" / "rows"
    if damage == "unlink":
        rows.unlink()
    elif damage == "shorten":
        rows.write_text("o")
    else:
        (tmp_path / "cache" / "key" / "manifest.json").write_text("{")
    assert not await template.provide(tmp_path / "cache", "key", tmp_path / "b", build)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert await template.provide(tmp_path / "cache", "key", tmp_path / "c", build)


async def test_a_failed_build_leaves_no_entry_and_no_lock(tmp_path):
    async def fail(_directory):
        await asyncio.to_thread(os.getpid)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await template.provide(tmp_path / "cache", "key", tmp_path / "a", fail)
    assert not await template.provide(tmp_path / "cache", "key", tmp_path / "b", Builder())


async def test_only_the_last_used_entries_are_kept(tmp_path):
    cache = tmp_path / "cache"
    for number in range(template.ENTRIES_KEPT + 3):
        key = f"key{number}"
        await template.provide(cache, key, tmp_path / key, Builder(key))
        os.utime(cache / key, (number, number))
    kept = sorted(path.name for path in cache.iterdir() if path.is_dir())
    assert len(kept) == template.ENTRIES_KEPT
    assert "key10" in kept
    assert "key0" not in kept


@pytest.mark.parametrize("kept", [True, False])
async def test_a_cache_of_somebody_else_is_not_used(tmp_path, monkeypatch, kept):
    """Root may open everything, so the refusal is made up."""
    cache, build = tmp_path / "cache", Builder()
    if kept:
        await template.provide(cache, "key", tmp_path / "a", build)
    really = os.open

    def refuse(path, *args, **how):
        if str(path).startswith(str(cache)):
            raise PermissionError(13, "not yours")
        return really(path, *args, **how)

    monkeypatch.setattr(os, "open", refuse)
    assert not await template.provide(cache, "key", tmp_path / "b", build)
    assert tree(tmp_path / "b")["base/1/rows"] == "one"


async def test_a_directory_that_changes_while_it_is_copied_is_not_kept(tmp_path, monkeypatch):
    """As if whoever asked were cancelled and removed the directory."""
    really = shutil.copytree

    def copy_half(*how, **more):
        (tmp_path / "a" / "base" / "1" / "rows").unlink(missing_ok=True)
        return really(*how, **more)

    monkeypatch.setattr(shutil, "copytree", copy_half)
    await template.provide(tmp_path / "cache", "key", tmp_path / "a", Builder())
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["key.lock"]
    assert not await template.provide(tmp_path / "cache", "key", tmp_path / "b", Builder())


async def test_a_copy_under_way_keeps_the_lock_when_its_builder_is_cancelled(
    tmp_path, monkeypatch
):
    """Cancel the builder in its copy: the next one builds only when that has ended."""
    copying, go_on, really = threading.Event(), threading.Event(), shutil.copytree

    def copy_slowly(*how, **more):
        copying.set()
        go_on.wait(5)
        return really(*how, **more)

    monkeypatch.setattr(shutil, "copytree", copy_slowly)
    cache, second = tmp_path / "cache", Builder("two")
    async with asyncio.TaskGroup() as group:
        first = group.create_task(template.provide(cache, "key", tmp_path / "a", Builder()))
        await asyncio.to_thread(copying.wait, 5)
        first.cancel()
        other = group.create_task(template.provide(cache, "key", tmp_path / "b", second))
        await asyncio.to_thread(os.sync)
        assert second.builds == 0
        go_on.set()
    assert other.result()
    assert second.builds == 0


def test_an_entry_that_another_prunes_meanwhile_is_none(tmp_path):
    assert template._last_used(tmp_path / "gone") == 0.0
