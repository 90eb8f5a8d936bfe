"""WebSockets of the SDK: what comes until the other side ends it, and the code that it ended it with."""

from collections.abc import AsyncGenerator

import aiohttp


class Socket:
    """One connection. `end_code` is None until the other side has closed it, and when it was lost."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.end_code: int | None = None

    async def send(self, data: str | bytes) -> None:
        """Send a message of text or of bytes."""
        if isinstance(data, str):
            await self._socket.send_str(data)
        else:
            await self._socket.send_bytes(data)

    async def messages(self) -> AsyncGenerator[str | bytes, None]:
        """Give what comes, until the connection ends."""
        message = await self._socket.receive()
        while message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
            yield message.data
            message = await self._socket.receive()
        # aiohttp's `close_code` is 1006 when the other side was gone before its last message was read
        if message.type is aiohttp.WSMsgType.CLOSE:
            self.end_code = message.data
