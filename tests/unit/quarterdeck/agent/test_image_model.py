"""What is believed of an image: the right architecture, layers that can be read, sizes within bounds; all else is refused in words."""

import json
from typing import Any

import pytest

from quarterdeck.agent.images import model
from quarterdeck.agent.images.errors import ArchitectureMissing, ImageUnusable
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import ARCHITECTURE, Image, Layout

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def read(data) -> Any:
    """A manifest or an index."""
    return model.manifest(data)


def described(**changes):
    entry = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": A, "size": 5}
    return entry | changes


def test_the_manifest_of_this_architecture_is_chosen():
    layout = Layout()
    own = Image([Layer().file("own")])
    index = layout.add_index([Image([Layer()], architecture="s390x"), own])
    chosen = model.choose(read(layout.blobs[index]))
    assert chosen.digest == layout.add(own)


def test_an_image_for_others_only_is_refused_naming_them():
    layout = Layout()
    index = layout.add_index([Image([Layer()], architecture=one) for one in ("s390x", "mips")])
    with pytest.raises(
        ArchitectureMissing, match=f"linux/mips, linux/s390x, not for linux/{ARCHITECTURE}"
    ):
        model.choose(read(layout.blobs[index]))


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("application/vnd.oci.image.layer.v1.tar", "none"),
        ("application/vnd.oci.image.layer.v1.tar+gzip", "gzip"),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", "gzip"),
    ],
)
def test_layers_of_both_families_are_known(media_type, kind):
    manifest = read(
        json.dumps({"config": described(), "layers": [described(mediaType=media_type)]}).encode()
    )
    assert [model.compression(one) for one in manifest.layers] == [kind]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": [described(digest="sha256:x")]}, "Expected a digest"),
        ({"layers": [described(digest="sha256:../../etc/passwd")]}, "Expected a digest"),
        ({"layers": [described(size=-1)]}, "layers.0.size"),
        ({"layers": [described(size=2**60)]}, "layers.0.size"),
        ({"layers": [described(size=2**40)]}, "too large"),
        ({"layers": [described()] * 1000}, "layers"),
        ({"layers": []}, "no layers"),
        ({"layers": [described(mediaType="application/vnd.oci.image.layer.v1.tar+zstd")]}, "tar\\+zstd"),
        ({"config": None}, "at config"),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_trusted_is_refused_in_words(changes, words):
    data = json.dumps({"config": described(), "layers": [described()]} | changes).encode()
    with pytest.raises(ImageUnusable, match=words):
        [model.compression(layer) for layer in read(data).layers]


def test_a_configuration_must_fit_its_manifest_and_this_machine():
    manifest = read(json.dumps({"config": described(), "layers": [described()]}).encode())
    good = {
        "architecture": ARCHITECTURE,
        "os": "linux",
        "rootfs": {"diff_ids": [A]},
        "config": None,
    }
    assert model.config(json.dumps(good).encode(), manifest).labels == {}
    with pytest.raises(ImageUnusable, match="1 layers and speaks of 2"):
        model.config(json.dumps(good | {"rootfs": {"diff_ids": [A, B]}}).encode(), manifest)
    with pytest.raises(ArchitectureMissing, match="windows/"):
        model.config(json.dumps(good | {"os": "windows"}).encode(), manifest)


def test_a_chain_is_named_by_all_layers_below():
    assert model.chain([A])[0] == A
    assert model.chain([A, B])[1] != model.chain([B, B])[1]
    assert model.chain([A, B])[:1] == model.chain([A])
