"""What can be wrong with images and registries on the manager's side; what registries themselves get wrong is in `infra.errors`.

QuarterdeckError
├── ImageNotFound
├── RegistryNotFound
├── RegistryNameTaken
├── RescanNotFound
└── SecretNotFound      a registry names a secret that the manager does not have
"""

from quarterdeck.base.errors import QuarterdeckError


class ImageNotFound(QuarterdeckError):
    """There is no such image."""

    code = "image-not-found"


class RegistryNotFound(QuarterdeckError):
    """There is no such registry."""

    code = "registry-not-found"


class RegistryNameTaken(QuarterdeckError):
    """A registry has this name."""

    code = "registry-name-taken"


class RescanNotFound(QuarterdeckError):
    """The registry has not been looked at."""

    code = "rescan-not-found"


class SecretNotFound(QuarterdeckError):
    """The manager does not have this secret."""

    code = "secret-not-found"
