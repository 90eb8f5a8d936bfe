"""Requests that do not end by themselves: what is answered depends on whether something may have been done."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from quarterdeck.manager import deadline, errors


async def forever(request):
    await asyncio.Event().wait()
    return web.Response(text=request.path)


@pytest.mark.parametrize(
    ("method", "error"), [("GET", errors.TookTooLong), ("POST", errors.OutcomeNotKnown)]
)
async def test_request_that_takes_too_long_is_answered(monkeypatch, method, error):
    monkeypatch.setattr(deadline, "REQUEST_SECONDS_MAX", 0.01)
    with pytest.raises(error):
        await deadline.within_deadline(make_mocked_request(method, "/v1/sessions"), forever)


async def test_code_may_run_longer(monkeypatch):
    monkeypatch.setattr(deadline, "REQUEST_SECONDS_MAX", 0.01)
    request = make_mocked_request("POST", "/v1/sessions/x/execute")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await deadline.within_deadline(request, forever)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_a_terminal_that_is_connected_may_last(monkeypatch, method):
    monkeypatch.setattr(deadline, "REQUEST_SECONDS_MAX", 0.01)
    path, headers = "/v1/sessions/x/terminals/a", {"Upgrade": "websocket"}
    request = make_mocked_request(method, path, headers=headers)
    with pytest.raises(TimeoutError if method == "GET" else errors.OutcomeNotKnown):
        async with asyncio.timeout(0.05):
            await deadline.within_deadline(request, forever)
