"""Connecting a WebSocket ends, whatever is on the other side."""

import socket

import pytest

from quarterdeck.base.config import Secret
from quarterdeck.infra import http_client, websockets
from quarterdeck.infra.errors import Unreachable


async def test_side_that_accepts_and_says_nothing_is_unreachable(enter, monkeypatch):
    monkeypatch.setattr(websockets, "HANDSHAKE_SECONDS_MAX", 0.05)
    clients = await enter(websockets.Clients.open())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(Unreachable):
            async with clients.connect(url, auth=http_client.Bearer(Secret("tok"))):
                pass
