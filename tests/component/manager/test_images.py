"""Images and registries through the manager's API: who may what, bad input before any effect, a password that never shows."""

import uuid

import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing.registries import password_file
from shakeout.waiting.until import until


def named():
    return f"n{uuid.uuid4().hex}"


async def test_only_administrators_touch_registries(user, admin):
    made = await admin.registries.add(named(), "http://127.0.0.1:9")
    for act in (
        user.registries.list(),
        user.registries.add(named(), "http://127.0.0.1:9"),
        user.registries.remove(made.id),
        user.registries.rescan(made.id),
        user.registries.latest_rescan(made.id),
        user.registries.cancel_rescan(made.id),
    ):
        with pytest.raises(Refused) as refused:
            await act
        assert refused.value.code == "forbidden"
    await admin.registries.remove(made.id)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("name", {"name": "Not A Name", "url": "http://hub"}),
        ("url", {"url": "ftp://hub"}),
        ("url", {"url": "http://user:word@hub"}),
        ("url", {"url": "http://hub/path"}),
        ("secret", {"url": "http://hub", "username": "ada"}),
        ("secret", {"url": "http://hub", "username": "ada", "secret": "not-there"}),
        ("secret", {"url": "http://hub", "secret": "../etc/passwd"}),
        ("username", {"url": "http://hub", "username": "a:b", "secret": "s"}),
        ("repositories.0", {"url": "http://hub", "repositories": ["Upper"]}),
        ("repositories.0", {"url": "http://hub", "repositories": ["../x"]}),
    ],
)
async def test_bad_registry_is_refused_before_any_effect(admin, observe, field, given):
    before = observe.value("SELECT count(*) FROM registries")
    with pytest.raises(Refused) as refused:
        await admin.registries.add(**{"name": named(), **given})
    assert refused.value.field == field
    assert observe.value("SELECT count(*) FROM registries") == before


async def test_name_of_a_registry_is_taken_once(admin):
    made = await admin.registries.add(named(), "http://127.0.0.1:9")
    with pytest.raises(Refused) as refused:
        await admin.registries.add(made.name, "http://127.0.0.1:8")
    assert (refused.value.code, refused.value.field) == ("registry-name-taken", "name")
    await admin.registries.remove(made.id)
    with pytest.raises(Refused) as refused:
        await admin.registries.remove(made.id)
    assert refused.value.code == "registry-not-found"


async def test_password_is_nowhere_but_in_its_file(platform, admin, observe):
    with password_file(platform, "hush-word") as secret:
        made = await admin.registries.add(
            named(), "http://127.0.0.1:9", username="ada", secret=secret
        )
        (view,) = (one for one in await admin.registries.list() if one.id == made.id)
        assert "hush-word" not in repr(view)
        assert "hush-word" not in repr(observe.rows("SELECT * FROM registries"))
        await admin.registries.rescan(made.id)
        await until(lambda: ended(admin, made), within=10)
    log = platform.log("manager").read_text()
    assert "hush-word" not in log
    await admin.registries.remove(made.id)


async def ended(admin, registry):
    return (await admin.registries.latest_rescan(registry.id)).ended_at is not None


async def test_rescan_without_its_secret_says_so(platform, admin):
    with password_file(platform, "x") as secret:
        made = await admin.registries.add(
            named(), "http://127.0.0.1:9", username="ada", secret=secret
        )
    await admin.registries.rescan(made.id)
    await until(lambda: ended(admin, made), within=10)
    found = await admin.registries.latest_rescan(made.id)
    assert found.status == "FAILED"
    assert secret in found.reason
    await admin.registries.remove(made.id)


async def test_registry_that_was_never_looked_at_says_so(admin):
    made = await admin.registries.add(named(), "http://127.0.0.1:9")
    with pytest.raises(Refused) as refused:
        await admin.registries.latest_rescan(made.id)
    assert refused.value.code == "rescan-not-found"
    await admin.registries.remove(made.id)


async def test_image_that_every_agent_has_is_listed_and_found(user):
    assert "python:3.11" in [one.name for one in await user.images.list()]
    found = await user.images.get("python:3.11")
    assert (found.registry, found.digest, found.variants) == (None, None, ())


@pytest.mark.parametrize("name", ["none:1", "hub/none:1", "a" * 300, "%00", "\x00", "../x"])
async def test_image_that_is_not_there_is_not_found(user, name):
    with pytest.raises(Refused) as refused:
        await user.images.get(name)
    assert refused.value.status == 404
