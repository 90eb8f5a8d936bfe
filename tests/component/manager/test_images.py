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


async def test_many_images_come_in_pages(user, observe):
    """No answer is without a bound. Add 1,200 images by SQL; the first answer has 500 of them, the SDK gets all, each once and in order."""
    prefix = named()
    observe.database.execute(
        "INSERT INTO images (name) SELECT %s || '-' || lpad(n::text, 4, '0') FROM generate_series(1, 1200) AS n",
        [prefix],
    )
    page = await user.images.page(after=prefix)
    names = [one.name for one in await user.images.list() if one.name.startswith(prefix)]
    observe.database.execute("DELETE FROM images WHERE starts_with(name, %s)", [prefix])
    assert [one.name for one in page] == names[:500]
    assert names == [f"{prefix}-{number:04}" for number in range(1, 1201)]


async def test_what_went_wrong_comes_first_when_a_rescan_was_large(admin, observe):
    """An answer about thousands of repositories shows a thousand. Write 1,500 results by SQL, the last with a problem; that one is shown."""
    registry = await admin.registries.add(named(), "http://127.0.0.1:9")
    seen = await admin.registries.rescan(registry.id)
    observe.database.execute(
        "INSERT INTO rescan_results (rescan_id, repository, images, missing, problems)"
        " SELECT %s, 'r' || lpad(n::text, 4, '0'), 1, 0, CASE n WHEN 1500 THEN '{unreadable}'::text[] ELSE '{}' END"
        " FROM generate_series(1, 1500) AS n",
        [seen.id],
    )
    shown = (await admin.registries.latest_rescan(registry.id)).results
    await admin.registries.remove(registry.id)
    assert len(shown) == 1000
    assert (shown[0].repository, shown[-1].repository) == ("r0001", "r1500")
    assert shown[-1].problems == ("unreadable",)
