"""Where a server of a URL listens, and the URL of the same server by way of a front."""

import pytest

from shakeout.links import endpoint
from shakeout.links.endpoint import Tcp, Unix


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://127.0.0.1:2379", Tcp("127.0.0.1", 2379)),
        ("tcp://127.0.0.1:7/path", Tcp("127.0.0.1", 7)),
        ("postgresql://user:word@127.0.0.1:5433/main", Tcp("127.0.0.1", 5433)),
        ("unix:///run/redis.sock", Unix("/run/redis.sock")),
        ("unix:///run/a%20b.sock?db=1", Unix("/run/a b.sock")),
        ("postgresql://user@/main?host=/run/postgres", Unix("/run/postgres/.s.PGSQL.5432")),
        ("postgresql:///main?host=/run/p&port=7", Unix("/run/p/.s.PGSQL.7")),
        ("postgresql:///main", None),
        ("http://127.0.0.1", None),
        ("unix://", None),
        ("s3://bucket?host=/run", None),
    ],
)
def test_place_is_read_from_the_url(url, place):
    assert endpoint.of_url(url) == place


@pytest.mark.parametrize(
    ("url", "front", "rewritten"),
    [
        ("http://127.0.0.1:2379", Tcp("127.0.0.1", 9), "http://127.0.0.1:9"),
        ("http://u:w@127.0.0.1:2/a?b=c#d", Tcp("127.0.0.1", 9), "http://u:w@127.0.0.1:9/a?b=c#d"),
        ("unix:///run/redis.sock", Unix("/run/via/redis.sock"), "unix:///run/via/redis.sock"),
        ("unix:///run/r.sock?db=1", Unix("/run/a b/r.sock"), "unix:///run/a%20b/r.sock?db=1"),
        (
            "postgresql://user@/main?host=/run/postgres&options=-c%20a%3Db",
            Unix("/run/via/.s.PGSQL.5432"),
            "postgresql://user@/main?host=/run/via&options=-c+a%3Db",
        ),
    ],
)
def test_url_by_way_of_a_front_differs_in_the_place_alone(url, front, rewritten):
    assert endpoint.through(url, front) == rewritten
    assert endpoint.of_url(rewritten) == front


@pytest.mark.parametrize("place", [Tcp("127.0.0.1", 80), Unix("/run/a:1")])
def test_place_survives_a_message(place):
    assert endpoint.decode(endpoint.encode(place)) == place
