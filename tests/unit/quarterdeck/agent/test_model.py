"""What may be asked of an agent, and the spec that comes of it."""

from pathlib import Path

import msgspec
import pytest

from quarterdeck.agent import model
from quarterdeck.agent.errors import ImageNotFound, IsolationUnsupported
from quarterdeck.agent.kernels.spec import Bind, Image
from quarterdeck.wire.agents import KernelCreate, KernelMount, KernelPeer
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.sessions import IsolationLevel, Slots

NAMESPACED, OCI = IsolationLevel.NAMESPACED, IsolationLevel.OCI
DIGEST = f"sha256:{'a' * 64}"


def request(**changes):
    plain = KernelCreate(session="s", image=model.IMAGE, slots=Slots(1, 64))
    return msgspec.structs.replace(plain, **changes)


def made(asked, image=None):
    around = model.Surroundings("/bin", {"RUN": "r"})
    return model.spec(
        "k", asked, directory=Path("/s/k"), cores=(1, 2), surroundings=around, image=image
    )


def test_a_spec_has_all_of_the_request():
    mounts = (KernelMount("/trees/1", "data", read_only=True),)
    asked = request(mounts=mounts, environment={"A": "1", "LANG": "de", "RUN": "mine"})
    spec = made(asked)
    assert (spec.id, spec.directory, spec.cores) == ("k", "/s/k", (1, 2))
    assert spec.memory_bytes == 64 * 2**20
    assert spec.binds == (Bind("/trees/1", "data", read_only=True),)
    assert spec.environment == {
        "PATH": "/bin",
        "HOME": "/s/k/work",
        "TMPDIR": "/s/k/tmp",
        "LANG": "de",
        "A": "1",
        "RUN": "r",
        "QD_KERNEL_ID": "k",
    }


def test_in_an_image_its_variables_count_and_its_places_are_those_of_a_container():
    image = Image("/tree", "python", {"PATH": "/opt/bin", "LANG": "de", "A": "image"})
    environment = made(request(digest=DIGEST, environment={"A": "asked"}), image).environment
    assert environment == {
        "PATH": "/opt/bin",
        "HOME": "/work",
        "TMPDIR": "/tmp",
        "LANG": "de",
        "A": "asked",
        "RUN": "r",
        "QD_KERNEL_ID": "k",
    }
    assert made(request(digest=DIGEST), image).image == image


def test_an_image_with_a_digest_may_have_any_name():
    model.check(request(image="local/tool:1", digest=DIGEST), OCI)


def test_another_image_is_refused():
    with pytest.raises(ImageNotFound):
        model.check(request(image="python:2.7"), NAMESPACED)


@pytest.mark.parametrize(
    ("paths", "field"),
    [
        (("a", "a"), "mounts.1.path"),
        (("a", "b", "a/c"), "mounts.2.path"),
        (("a/c/d", "a"), "mounts.1.path"),
    ],
)
def test_mounts_that_cover_each_other_are_refused(paths, field):
    mounts = tuple(KernelMount("/x", path) for path in paths)
    with pytest.raises(Invalid) as refusal:
        model.check(request(mounts=mounts), NAMESPACED)
    assert refusal.value.field == field


def test_mounts_beside_each_other_are_fine():
    paths = ("a/b", "a/c", "ab", "d")
    model.check(request(mounts=tuple(KernelMount("/x", path) for path in paths)), NAMESPACED)


def test_ports_need_a_network_of_their_own():
    model.check(request(ports=(8000,)), NAMESPACED)
    with pytest.raises(IsolationUnsupported) as refused:
        model.check(request(ports=(8000,)), IsolationLevel.PROCESS)
    assert refused.value.field == "ports"


def test_a_kernel_knows_its_peers_by_name_and_itself_at_home():
    peers = tuple(KernelPeer(f"sub{at}", f"k{at}", "http://a@h:1") for at in (1, 2))
    asked = request(
        ports=(8000,),
        peers=(KernelPeer("main1", "k", "http://a@h:1"), *peers),
        environment={"QD_CLUSTER_HOST": "main1"},
    )
    assert made(asked).hosts_file().splitlines() == [
        "127.0.0.1 localhost",
        "::1 localhost",
        "127.0.1.1 main1",
        "10.77.0.2 sub1",
        "10.77.0.3 sub2",
    ]
    assert made(msgspec.structs.replace(asked, ports=())).hosts == {}
