"""Agents from the manager's side: their HTTP API, signed with the cluster's agent secret."""

import contextlib
from collections.abc import Iterator, Mapping

from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.infra import http_client
from quarterdeck.infra.errors import OutcomeUnknown, Refused, Unreachable
from quarterdeck.manager.sessions import errors
from quarterdeck.wire import agents, items, sessions

_SOMEBODY_ELSE = "other-agent"
"""At the agent's address is another one by now."""


class AgentGateway:
    """The ports `Kernels` and `Images` over HTTP."""

    def __init__(self, client: http_client.HttpClient, secret: Secret, clock: Clock) -> None:
        self._client = client
        self._auth = http_client.Signed(agents.CREDENTIAL, secret, clock)

    async def create(
        self, address: str, kernel: str, request: agents.KernelCreate
    ) -> agents.KernelView:
        """Make a kernel; the same again returns it as it is."""
        with translated():
            return await self._client.call(
                "PUT", url(address, kernel), agents.KernelView, auth=self._auth, body=request
            )

    async def destroy(self, address: str, kernel: str) -> None:
        """End a kernel, with all that belongs to it; nothing happens if it is not there."""
        with translated():
            await self._client.call("DELETE", url(address, kernel), type(None), auth=self._auth)

    async def inventory(self, address: str) -> Mapping[str, agents.KernelView]:
        """Return all kernels by id."""
        with translated():
            found = await self._client.call(
                "GET", f"{address}/v1/kernels", items.Items[agents.KernelView], auth=self._auth
            )
        return {view.id: view for view in found.items}

    async def pull(self, address: str, digest: str, source: agents.ImagePull) -> agents.AgentImage:
        """Have an image pulled, unless it is there or on its way; one that failed is begun anew."""
        with translated():
            return await self._client.call(
                "PUT", _image_url(address, digest), agents.AgentImage, auth=self._auth, body=source
            )

    async def image(self, address: str, digest: str) -> agents.AgentImage | None:
        """Return how far an image is; None: it is not there, and nobody has asked for it."""
        try:
            with translated():
                return await self._client.call(
                    "GET", _image_url(address, digest), agents.AgentImage, auth=self._auth
                )
        except errors.AgentRefused as error:
            if not error.lacks_image:
                raise
            return None

    async def logs(self, address: str, kernel: str) -> sessions.Logs:
        """Return what a kernel has written."""
        with translated():
            return await self._client.call(
                "GET", f"{url(address, kernel)}/logs", sessions.Logs, auth=self._auth
            )


def url(address: str, kernel: str) -> str:
    """Return the address of a kernel."""
    return f"{address}/v1/kernels/{kernel}"


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Give what becomes of a call to an agent its name here."""
    try:
        yield
    except Unreachable as error:
        raise errors.AgentUnreachable from error
    except OutcomeUnknown as error:
        raise errors.AgentUnsure from error
    except Refused as error:
        if error.problem.code == _SOMEBODY_ELSE:
            raise errors.AgentUnreachable from error
        raise errors.AgentRefused(error.problem.code, error.problem.detail) from error


def _image_url(address: str, digest: str) -> str:
    return f"{address}/v1/images/{digest}"
