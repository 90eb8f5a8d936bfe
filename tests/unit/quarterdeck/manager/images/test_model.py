"""What a registry has, as images: labels become minimums, indexes become variants, and what cannot be served is refused in words."""

import pytest

from quarterdeck.manager.images import model
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import Image, Layout
from quarterdeck.wire import decode, oci
from quarterdeck.wire.errors import Invalid


def read(labels=None, **changes):
    layout = Layout()
    digest = layout.add(Image([Layer().file("x", "y")], labels=labels or {}, architecture="arm64"))
    manifest = decode.decode(oci.Manifest, layout.blobs[digest])
    config = decode.decode(oci.ImageConfig, layout.blobs[manifest.config.digest])
    config = decode.decode(
        oci.ImageConfig, decode.encode({**decode.to_builtins(config), **changes})
    )
    return model.variant(digest, manifest, config), manifest


def test_labels_become_minimums_and_runtime():
    found, manifest = read(
        {
            model.CPU_LABEL: "2",
            model.MEMORY_LABEL: "512",
            model.RUNTIME_LABEL: "python",
        }
    )
    assert (found.cpu_min, found.memory_mib_min, found.runtime) == (2, 512, "python")
    assert (found.architecture, found.size_bytes) == ("arm64", manifest.size)


def test_image_without_labels_wants_little_and_runs_a_command():
    found, _ = read()
    assert (found.cpu_min, found.memory_mib_min, found.runtime) == (1, 1, "command")


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        ({model.CPU_LABEL: "many"}, model.CPU_LABEL),
        ({model.CPU_LABEL: "0"}, model.CPU_LABEL),
        ({model.CPU_LABEL: "-1"}, model.CPU_LABEL),
        ({model.MEMORY_LABEL: "1e9"}, model.MEMORY_LABEL),
        ({model.MEMORY_LABEL: "9" * 5000}, model.MEMORY_LABEL),
        ({model.RUNTIME_LABEL: "cobol"}, model.RUNTIME_LABEL),
        ({"big": "x" * model.LABELS_BYTES_MAX}, "labels"),
    ],
)
def test_labels_that_make_no_sense_are_named(labels, field):
    with pytest.raises(Invalid) as refused:
        read(labels)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "changes", [{"os": "windows"}, {"architecture": ""}, {"architecture": "am\0d64"}]
)
def test_image_for_something_else_is_refused(changes):
    with pytest.raises(Invalid):
        read(**changes)


def test_index_gives_one_manifest_an_architecture_and_no_attestation():
    def entry(digit, architecture, os="linux", kind=oci.OCI_MANIFEST):
        return oci.Descriptor(
            kind, f"sha256:{digit * 64}", 1, platform=oci.Platform(architecture, os)
        )

    index = oci.Index(
        (
            entry("1", "amd64"),
            entry("2", "arm64"),
            entry("3", "arm64"),
            entry("4", oci.UNKNOWN, oci.UNKNOWN),
            entry("5", "amd64", "windows"),
            entry("6", "ppc64le", kind=oci.OCI_INDEX),
            oci.Descriptor(oci.OCI_MANIFEST, f"sha256:{'7' * 64}", 1),
        )
    )
    assert [one.digest[7] for one in model.wanted_manifests(index)] == ["1", "2"]


def test_minimums_suffice_for_every_architecture():
    small, _ = read({model.CPU_LABEL: "1", model.MEMORY_LABEL: "900"})
    large, _ = read({model.CPU_LABEL: "3", model.MEMORY_LABEL: "100"})
    assert model.minimums([small, large]) == (3, 900)


def test_name_that_cannot_be_said_is_a_problem():
    fine, problems = model.nameable("hub", "x" * 200, ["short", "t" * 100])
    assert fine == ["short"]
    assert "too long" in problems[0]


def test_no_more_problems_are_told_than_anybody_reads():
    seen = model.Seen("x", frozenset(), problems=tuple(map(str, range(model.PROBLEMS_MAX + 5))))
    assert model.told(seen).problems[-1] == "and 5 more"
