"""What the pool makes of a URL."""

import pytest

from quarterdeck.base import http_pool


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("http://127.0.0.1:80/v1/things?of=/a://b", "http://127.0.0.1:80", "/v1/things?of=/a://b"),
        ("https://[::1]:8443/", "https://[::1]:8443", "/"),
        ("http://manager", "http://manager", "/"),
        ("http://agent-1@host:1/v1", "http://agent-1@host:1", "/v1"),
    ],
)
def test_url_is_an_origin_and_what_is_asked_for_there(url, origin, target):
    assert http_pool.split(url) == (origin, target)
