"""What the pulling of images needs of the world: the agents, and the passwords of registries. Fakes: `quarterdeck.testing.fakes.pulls`."""

from typing import Protocol

from quarterdeck.manager.sessions import model
from quarterdeck.wire import agents


class Images(Protocol):
    """The images of agents. Each call raises `AgentUnreachable`, `AgentUnsure`, `AgentRefused`; the caller owns the deadline."""

    async def pull(self, address: str, digest: str, source: agents.ImagePull) -> agents.AgentImage:
        """Have an image pulled, unless it is there or on its way; one that failed is begun anew."""
        ...

    async def image(self, address: str, digest: str) -> agents.AgentImage | None:
        """Return how far an image is; None: it is not there, and nobody has asked for it."""
        ...


class Passwords(Protocol):
    """The passwords of registries."""

    async def read(self, name: str) -> str:
        """Return the password of a name. Raises a `QuarterdeckError`."""
        ...


class Pulls(Protocol):
    """Whoever sees to it that agents have the images of kernels."""

    async def ask(self, work: model.Work) -> agents.AgentImage | model.End | None:
        """Have the image of a kernel pulled or see how far it is; an `End`: there is no hope; None: that is not clear."""
        ...
