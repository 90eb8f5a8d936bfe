"""Looking at a container registry: Debian's, filled by skopeo. What it offers is offered here; what could not be seen changes nothing."""

import asyncio
import json

import pytest

from quarterdeck.client.errors import Refused, SessionEnded
from quarterdeck.testing import containers, hubs
from quarterdeck.testing.hubs import for_architectures, small_image, tagged
from quarterdeck.testing.image_contents import python_image
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import Layout
from quarterdeck.wire import oci
from shakeout.links.behaviour import Behaviour, Flow
from shakeout.waiting.until import until

pytestmark = pytest.mark.needs("registry")

PULLED_SECONDS_MAX = 60
PAGE = 100
"""Entries that the manager asks a registry for at a time."""


def rows_of(observe, hub):
    """What the database holds of a registry's images: digest by name, for those that are offered."""
    rows = observe.rows(
        "SELECT i.name, digest FROM images i JOIN registries r ON r.id = i.registry_id"
        " WHERE r.name = %s AND missing_since IS NULL",
        hub.name,
    )
    return {row["name"].removeprefix(f"{hub.name}/"): row["digest"] for row in rows}


async def test_all_tags_become_images(hub, observe):
    """Behaviour 63: all tags. Push five tags of two repositories, two of them of one image; each is an image with its digest."""
    layout = tagged("1.0", "1.1", "Latest_2")
    layout.tags["latest"] = layout.tags["1.1"]
    await hub.shelf.push("team/tool", layout)
    other = tagged("x")
    await hub.shelf.push("base", other)
    found = await hub.rescan()
    assert (found.status, found.reason) == ("DONE", None)
    assert [(one.repository, one.images) for one in found.results] == [
        ("base", 1),
        ("team/tool", 4),
    ]
    expected = {f"team/tool:{tag}": digest for tag, digest in layout.tags.items()}
    assert rows_of(observe, hub) == {**expected, "base:x": other.tags["x"]}
    assert (await hub.images()).keys() == rows_of(observe, hub).keys()


async def test_image_of_many_architectures_has_a_variant_each(hub, observe):
    """Behaviour 63: multi-arch. Push an index of three; the image has the index' digest, and a variant with a digest of its own each."""
    layout = for_architectures("multi", ["amd64", "arm64", "riscv64"])
    await hub.shelf.push("team/tool", layout)
    await hub.rescan()
    found = (await hub.images())["team/tool:multi"]
    assert found.digest == layout.tags["multi"]
    listed = {
        one["platform"]["architecture"]: one["digest"]
        for one in layout.manifest(found.digest)["manifests"]
    }
    assert {one.architecture: one.digest for one in found.variants} == listed
    assert observe.value("SELECT architectures FROM images WHERE name = %s", found.name) == sorted(
        listed
    )


async def test_labels_and_sizes_are_known(hub):
    """Minimums come from labels. Push an image in Docker's own format with some; they are there with its size and runtime."""
    layout = tagged("one", cpu="3", memory_mib="300", runtime="python")
    await hub.shelf.push("team/tool", layout, "--format", "v2s2")
    await hub.rescan()
    (variant,) = (await hub.images())["team/tool:one"].variants
    assert (variant.cpu_min, variant.memory_mib_min, variant.runtime) == (3, 300, "python")
    assert variant.labels["quarterdeck.min.cpu"] == "3"
    assert variant.size_bytes > 100


async def test_catalogue_of_more_than_one_page_is_whole(hub, observe):
    """Behaviour 63: pagination. Offer more repositories than a page has; every one is looked at."""
    await hub.shelf.push("many/first", tagged("one"))
    names = list(hubs.names(PAGE + 20))
    for name in names:
        hub.shelf.copy_repository("many/first", name)
    found = await hub.rescan()
    assert (found.repositories_done, found.repositories_total) == (len(names) + 1,) * 2
    assert rows_of(observe, hub).keys() == {f"{name}:one" for name in (*names, "many/first")}


async def test_wrong_password_is_told_and_changes_nothing(platform, admin, hub, observe):
    """Behaviour 63: 401. Look with the right password, then change it to a wrong one; the look fails and says so, the images stay."""
    await hub.shelf.push("team/tool", tagged("one"))
    async with hubs.known(platform, admin, password="guess") as other:
        found = await other.rescan()
        assert found.status == "FAILED"
        assert "refuses the password" in str(found.reason)
        assert rows_of(observe, other) == {}
    await hub.rescan()
    before = rows_of(observe, hub)
    (secret,) = (one.secret for one in await admin.registries.list() if one.id == hub.view.id)
    path = platform.place("manager").directory / "secrets" / secret
    right = path.read_text()
    path.write_text("wrong")
    assert (await hub.rescan()).status == "FAILED"
    assert rows_of(observe, hub) == before != {}
    path.write_text(right)
    assert (await hub.rescan()).status == "DONE"


@pytest.mark.needs("ticketed")
async def test_registry_that_wants_tokens_is_looked_at(platform, admin, observe):
    """Behaviour 63: tokens. A registry that serves only who shows a signed token of its service; a token is got for each scope."""
    async with hubs.known(platform, admin, service="ticketed") as hub, hub.shelf.tokens() as asked:
        await hub.shelf.push("team/tool", tagged("one"))
        asked.clear()
        assert (await hub.rescan()).status == "DONE"
        assert rows_of(observe, hub).keys() == {"team/tool:one"}
        assert asked == ["", "registry:catalog:*", "repository:team/tool:pull"]
    assert "Bearer" not in platform.log("manager").read_text()


async def test_deleted_tag_and_repository_are_not_offered(hub, observe):
    """Behaviour 63: deleted tags. Delete one of two tags and a whole repository; both are missing, and are offered when they come back."""
    layout = tagged("keep", "drop")
    await hub.shelf.push("team/tool", layout)
    await hub.shelf.push("team/gone", tagged("x"))
    await hub.rescan()
    hub.shelf.remove_tag("team/tool", "drop")
    hub.shelf.remove("team/gone")
    found = await hub.rescan()
    assert {one.repository: one.missing for one in found.results} == {
        "team/gone": 1,
        "team/tool": 1,
    }
    assert (await hub.images()).keys() == {"team/tool:keep"}
    missing = await hub.images(missing=True)
    assert missing["team/tool:drop"].missing_since is not None
    await hub.shelf.push("team/tool", layout)
    await hub.rescan()
    assert (await hub.images()).keys() == {"team/tool:keep", "team/tool:drop"}
    assert observe.value("SELECT count(*) FROM images WHERE missing_since IS NOT NULL") >= 1


async def test_tag_that_moves_has_its_new_digest(hub):
    """Behaviour 63: digest vs tag. Push another image under the same tag; the tag names the new digest, the old one is nowhere any more."""
    first, second = Layout(), Layout()
    first.add(small_image("first"), "one")
    second.add(small_image("second"), "one")
    for layout in (first, second):
        await hub.shelf.push("team/tool", layout)
        await hub.rescan()
        found = (await hub.images())["team/tool:one"]
        assert found.digest == layout.tags["one"] == found.variants[0].digest
    assert first.tags != second.tags


async def test_bad_manifest_is_told_and_stops_nothing(hub, observe):
    """Complaint: rescans that break at one image. Damage the stored manifest of one of three tags; it is told, the others are images."""
    layout = tagged("a", "b", "c")
    await hub.shelf.push("team/tool", layout)
    await asyncio.to_thread(hub.shelf.blob(layout.tags["b"]).write_bytes, b"{}")
    found = await hub.rescan()
    assert found.status == "DONE"
    (result,) = found.results
    assert (result.images, result.missing) == (2, 0)
    assert [problem.split(":")[0] for problem in result.problems] == ["b"]
    assert rows_of(observe, hub).keys() == {"team/tool:a", "team/tool:c"}


async def test_index_of_nothing_that_runs_here_is_told(hub):
    """An index of attestations alone is no image. Push one for an unknown machine; the tag is told as a problem."""
    layout = Layout()
    digest = layout.add(small_image("x", "unknown"))
    nowhere = {"platform": {"os": "unknown", "architecture": "unknown"}}
    manifests = [layout.descriptor(digest) | nowhere]
    index = {"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "manifests": manifests}
    body = json.dumps(index).encode()
    layout.tags["odd"] = oci.digest(body)
    layout.blobs[oci.digest(body)] = body
    layout.media_types[oci.digest(body)] = oci.OCI_INDEX
    await hub.shelf.push("team/tool", layout)
    found = await hub.rescan()
    assert "no image for Linux" in found.results[0].problems[0]
    assert await hub.images() == {}


async def test_rescan_is_one_however_many_ask(hub):
    """A rescan is idempotent. Ask ten times at once; it is one and the same, and a later one is another."""
    await hub.shelf.push("team/tool", tagged("one"))
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(hub.begin()) for _ in range(10)]
    ids = {one.result().id for one in asked}
    first = await hub.ended()
    assert first.id in ids
    assert len(ids) <= 2
    assert (await hub.rescan()).id != first.id


async def test_image_of_an_unknown_registry_is_not_found(hub, user):
    """What nobody offers is no image. Ask for a tag that is not there; the refusal names the field, and nothing is written."""
    with pytest.raises(Refused) as refused:
        await user.sessions.create(image=f"{hub.name}/team/none:1")
    assert (refused.value.code, refused.value.field) == ("image-not-found", "image")
    assert await user.sessions.list() == []


@pytest.mark.links
async def test_registry_out_of_reach_changes_nothing(private_cluster, admin, observe):
    """Complaint: images lost by a rescan. Look, cut the registry off, look again; it fails with the reason, and all images stay."""
    url = private_cluster.public_address("registry")
    async with hubs.known(private_cluster, admin, url=url) as hub:
        await hub.shelf.push("team/tool", tagged("one", "two"))
        await hub.rescan()
        before = rows_of(observe, hub)
        link = private_cluster.links.link("manager", "registry")
        await link.set(Behaviour.severed())
        found = await hub.rescan()
        assert found.status == "FAILED"
        assert url in str(found.reason)
        assert rows_of(observe, hub) == before != {}
        await link.restore()
        assert (await hub.rescan()).status == "DONE"


@pytest.mark.links
async def test_registry_that_is_slow_is_looked_at_and_can_be_left(private_cluster, admin, observe):
    """A slow registry holds up nobody. Delay it; the look goes on, its progress is seen, others are looked at, and it can be cancelled."""
    url = private_cluster.public_address("registry")
    async with (
        hubs.known(private_cluster, admin, url=url) as slow,
        hubs.known(private_cluster, admin) as quick,
    ):
        await slow.shelf.push("many/first", tagged("one"))
        for name in hubs.names(40):
            slow.shelf.copy_repository("many/first", name)
        link = private_cluster.links.link("manager", "registry")
        await link.set(Behaviour.delayed(0.1))
        await slow.begin()
        now = await until(slow.latest, within=20, satisfied=lambda now: now.repositories_done > 0)
        assert (now.status, now.repositories_total) == ("RUNNING", 41)
        assert (await quick.rescan()).status == "DONE"
        assert (await slow.cancel()).status == "CANCELLED"
        count = len(rows_of(observe, slow))
        assert 0 < count < 41
        await link.restore()
        assert (await slow.rescan()).status == "DONE"
        assert len(rows_of(observe, slow)) == 41


@pytest.mark.links
async def test_registry_cut_in_the_middle_loses_nothing(private_cluster, admin, observe):
    """What was not seen is not missing. Look at many repositories twice, and cut the registry in the middle of the second look."""
    url = private_cluster.public_address("registry")
    async with hubs.known(private_cluster, admin, url=url) as hub:
        await hub.shelf.push("many/first", tagged("one"))
        for name in hubs.names(30):
            hub.shelf.copy_repository("many/first", name)
        await hub.rescan()
        before = rows_of(observe, hub)
        link = private_cluster.links.link("manager", "registry")
        await link.set(Behaviour.delayed(0.02))
        await hub.begin()
        await until(hub.latest, within=20, satisfied=lambda now: now.repositories_done > 0)
        await link.set(Behaviour.severed())
        found = await hub.ended()
        assert found.status == "FAILED"
        assert 0 < found.repositories_done < 31
        assert rows_of(observe, hub) == before


@pytest.mark.links
async def test_manager_killed_in_the_middle_begins_anew(private_cluster, admin, observe):
    """A rescan outlives its manager. Kill it in the middle of one; after its restart the same rescan is done."""
    url = private_cluster.public_address("registry")
    async with hubs.known(private_cluster, admin, url=url) as hub:
        await hub.shelf.push("many/first", tagged("one"))
        for name in hubs.names(30):
            hub.shelf.copy_repository("many/first", name)
        link = private_cluster.links.link("manager", "registry")
        await link.set(Behaviour.delayed(0.05))
        begun = await hub.begin()
        await until(hub.latest, within=20, satisfied=lambda now: now.repositories_done > 0)
        await private_cluster.kill("manager")
        await link.restore()
        await private_cluster.start("manager")
        found = await hub.ended()
        assert (found.id, found.status) == (begun.id, "DONE")
        assert len(rows_of(observe, hub)) == 31 == found.repositories_done


async def test_image_of_a_past_session_is_never_deleted(platform, admin, hub, user, observe):
    """Complaint: sessions that point at rows that are gone. Forget a registry of which a session was made; its image stays, as missing."""
    await hub.shelf.push("team/tool", tagged("used", "unused"))
    await hub.rescan()
    name = f"{hub.name}/team/tool:used"
    async with hubs.known(platform, admin) as other:
        await other.rescan()
        image = f"{other.name}/team/tool:used"
        session = await user.sessions.create(image=image)
        await session.terminate()
    kept = observe.rows(
        "SELECT missing_since IS NOT NULL AS missing, registry_id FROM images WHERE name = %s",
        image,
    )
    assert kept == [{"missing": True, "registry_id": None}]
    assert observe.value("SELECT count(*) FROM images WHERE name LIKE %s", f"{other.name}/%") == 1
    assert (await user.images.get(name)).missing_since is None
    assert (await session.refresh()).image == image


async def test_session_wants_what_its_image_wants(hub, user):
    """Minimums hold before anything is written. Offer an image that wants more than is asked for; the refusal names the field."""
    await hub.shelf.push("team/tool", tagged("large", cpu="4", memory_mib="300"))
    await hub.rescan()
    with pytest.raises(Refused) as refused:
        await user.sessions.create(image=f"{hub.name}/team/tool:large", slots={"cpu": 2})
    assert (refused.value.code, refused.value.field) == ("slots-below-minimum", "slots.cpu")
    assert await user.sessions.list(ended=True) == []


async def test_session_runs_what_the_tag_named_when_it_was_made(hub, user, observe):
    """Behaviour 63: digest vs tag, pulled. Make a session, move the tag, make another; each sees the files of its own digest."""
    containers.required()
    digests, made = [], []
    for word in ("first", "second"):
        layout = Layout()
        layout.add(python_image(Layer().file("motd", word)), "one")
        await hub.shelf.push("team/tool", layout)
        await hub.rescan()
        digests.append((await hub.images())["team/tool:one"].digest)
        made.append(await user.sessions.create(image=f"{hub.name}/team/tool:one"))
    assert digests[0] != digests[1]
    for session, digest, word in zip(made, digests, ("first", "second"), strict=True):
        await session.reaches("RUNNING", within=PULLED_SECONDS_MAX)
        assert session.view.image_digest == digest
        assert (await session.execute("open('/motd').read()")).result == repr(word)
        assert ("SCHEDULED", "PULLING") in observe.history(session.id)


async def test_failed_pull_frees_the_slots_and_says_why(hub, user, observe):
    """Behaviour 63: pull failure. Take a layer away behind the registry's back; the session ends with the reason, its slots are free."""
    containers.required()
    layout = tagged("one")
    await hub.shelf.push("team/tool", layout)
    await hub.rescan()
    layer = layout.manifest(layout.tags["one"])["layers"][0]["digest"]
    hub.shelf.blob(layer).unlink()
    session = await user.sessions.create(image=f"{hub.name}/team/tool:one")
    with pytest.raises(SessionEnded, match="pull-failed"):
        await session.reaches("RUNNING", within=PULLED_SECONDS_MAX)
    view = await session.refresh()
    assert view.reason == "pull-failed"
    assert layer in str(view.detail)
    assert observe.slots_in_use(session.id) == (0, 0)
    assert observe.live_kernels(session.id) == []


@pytest.mark.links
async def test_pull_goes_on_where_it_was_cut(private_cluster, admin, user, observe):
    """A pull survives its connection. Reset the agent's connections to the registry in the middle of a large layer, then let them be."""
    containers.required()
    url = private_cluster.public_address("registry")
    async with hubs.known(private_cluster, admin, url=url) as hub:
        layout = Layout()
        layout.add(python_image(), "one")
        await hub.shelf.push("team/tool", layout)
        await hub.rescan()
        link = private_cluster.links.link("agent", "registry")
        await link.set(Behaviour(back=Flow(reset_after_bytes=5_000_000)))
        session = await user.sessions.create(image=f"{hub.name}/team/tool:one")
        await session.reaches("RUNNING", within=PULLED_SECONDS_MAX)
        assert (await session.execute("6 * 7")).result == "42"
        assert len(observe.live_kernels(session.id)) == 1
        await session.terminate()
        await session.reaches("TERMINATED", within=10)
