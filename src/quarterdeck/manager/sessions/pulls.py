"""Sees to it that an agent has the image of a kernel: asks for it, and asks how far it is. Asked again, nothing is done twice.

A pull that was begun is only looked at, since one that has failed would begin anew if it were asked for; one that the agent has forgotten, or that
nobody can say was begun, is asked for again.
"""

import asyncio
import logging

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.manager.sessions import errors, model, pull_ports
from quarterdeck.wire import agents
from quarterdeck.wire.states import KernelStatus

CALL_SECONDS_MAX = 5.0
PULL_SECONDS_MAX = 4 * 3600.0
"""How long the pull of an image may take; one that stands still is ended by the agent long before."""

_log = logging.getLogger(__name__)


class ImagePulls:
    """The port `Pulls`."""

    def __init__(self, images: pull_ports.Images, passwords: pull_ports.Passwords) -> None:
        self._images = images
        self._passwords = passwords

    async def ask(self, work: model.Work) -> agents.AgentImage | model.End | None:
        """Have the image of a kernel pulled or see how far it is; an `End`: there is no hope; None: that is not clear."""
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                image = await self._ask(work)
        except (TimeoutError, QuarterdeckError) as error:
            _note(work, error)
            return _after(work, error)
        if image.status is agents.PullStatus.FAILED:
            return end_of(work, image.reason or "no reason is known")
        late = image.status is agents.PullStatus.PULLING and after_silence(work)
        return late or image

    async def _ask(self, work: model.Work) -> agents.AgentImage:
        digest = work.request.digest
        if digest is None:
            raise errors.ImageNotFound("it has no digest")
        if work.status is KernelStatus.PULLING:
            under_way = await self._images.image(work.address, digest)
            if under_way is not None:
                return under_way
        return await self._images.pull(work.address, digest, await self._source(work))

    async def _source(self, work: model.Work) -> agents.ImagePull:
        source = work.source
        if source is None:
            raise errors.ImageNotFound("its registry is not known any more")
        username = password = ""
        if source.secret is not None:
            username, password = source.username, await self._passwords.read(source.secret)
        return agents.ImagePull(
            registry=source.url,
            repository=source.repository,
            username=username,
            password=password,
        )


def after_silence(work: model.Work) -> model.End | None:
    """Return why the session must end when the pull of its image takes too long, or cannot even be asked for; None: go on."""
    pulling = work.status is KernelStatus.PULLING
    if work.status_seconds < (PULL_SECONDS_MAX if pulling else model.CREATE_SECONDS_MAX):
        return None
    words = "it took too long" if pulling else f"agent {work.agent} gives no answer"
    return model.End(model.Reason.PULL_FAILED, f"{work.request.image}: {words}")


def end_of(work: model.Work, detail: str) -> model.End:
    """Return why a session ends whose image cannot be pulled."""
    return model.End(model.Reason.PULL_FAILED, f"{work.request.image}: {detail}")


def gone(work: model.Work) -> model.End:
    """Return why a session ends whose image its agent lets go of each time before there is the kernel."""
    words = f"agent {work.agent} has let go of it for other images each time before the kernel was made"
    return end_of(work, f"{words}; it has too little room for images")


def _after(work: model.Work, error: Exception) -> model.End | None:
    """Return what a call that did not succeed means: an end, or None, ask again."""
    match error:
        case errors.AgentRefused(refusal=code, detail=detail):
            final = model.after_refusal(code) is model.Outcome.FAILED
            return end_of(work, detail) if final else None
        case TimeoutError() | errors.AgentFailure():
            return after_silence(work)
        case _:
            return end_of(work, str(error))


def _note(work: model.Work, error: Exception) -> None:
    extra = {"session": work.session, "agent": work.agent, "image": work.request.image}
    _log.warning("image-pull-refused", extra={**extra, "error": repr(error)})
