"""Images made in code are what others take for images: digests that fit, layers that can be read, an index for each architecture."""

import gzip
import io
import json
import tarfile

from quarterdeck.testing.image_layers import Layer, digest
from quarterdeck.testing.image_layouts import INDEX, Image, Layout


def test_an_image_is_described_by_digests_of_what_is_there():
    layout = Layout()
    layer = Layer(gzipped=True).directory("etc").file("etc/motd", "hello").whiteout("etc/old")
    image = layout.add(Image([layer], labels={"a": "b"}, config={"Cmd": ["sh"]}), "one")
    assert layout.tags == {"one": image}
    manifest = layout.manifest(image)
    config = json.loads(layout.blobs[manifest["config"]["digest"]])
    (described,) = manifest["layers"]
    data = gzip.decompress(layout.blobs[described["digest"]])
    assert config["rootfs"]["diff_ids"] == [digest(data)]
    assert config["config"] == {"Cmd": ["sh"], "Labels": {"a": "b"}}
    assert described["size"] == len(layout.blobs[described["digest"]])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["etc", "etc/motd", "etc/.wh.old"]


def test_an_index_names_an_image_for_each_architecture():
    layout = Layout()
    images = [Image([Layer()], architecture=one) for one in ("amd64", "arm64")]
    index = layout.manifest(layout.add_index(images, "both"))
    assert index["mediaType"] == INDEX
    named = {one["platform"]["architecture"]: one["digest"] for one in index["manifests"]}
    assert set(named) == {"amd64", "arm64"}
    assert all(digest(layout.blobs[one]) == one for one in named.values())


def test_a_layout_on_disk_holds_every_blob_and_names_what_is_tagged(tmp_path):
    layout = Layout()
    tagged = layout.add(Image([Layer()]), "latest")
    layout.write(tmp_path / "layout")
    (entry,) = json.loads((tmp_path / "layout" / "index.json").read_bytes())["manifests"]
    assert entry["digest"] == tagged
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": "latest"}
    for name in layout.blobs:
        path = tmp_path / "layout" / "blobs" / name.replace(":", "/")
        assert digest(path.read_bytes()) == name
