"""What can go wrong with an image on its way to this machine. Each text is shown to the session's owner.

QuarterdeckError
├── ImageNotHere        nobody has pulled it to this agent, or it was evicted
├── ImageUnusable       what the registry calls an image cannot be one here
│   └── ArchitectureMissing
├── BlobCorrupt         what arrived is not what the digest says
├── LayerRefused        a layer that cannot be unpacked, or must not be
└── ImagesFull          there is no room for it
"""

from quarterdeck.base.errors import QuarterdeckError


class ImageNotHere(QuarterdeckError):
    """This image has not been pulled to this agent."""

    code = "image-not-here"


class ImageUnusable(QuarterdeckError):
    """The image cannot be used here."""

    code = "image-unusable"


class ArchitectureMissing(ImageUnusable):
    """The image is not there for this machine's architecture."""


class BlobCorrupt(QuarterdeckError):
    """What the registry sent is not what the digest says."""

    code = "image-corrupt"


class LayerRefused(QuarterdeckError):
    """A layer of the image cannot be unpacked."""

    code = "image-corrupt"


class ImagesFull(QuarterdeckError):
    """There is no room for the image on this agent."""

    code = "storage-full"
