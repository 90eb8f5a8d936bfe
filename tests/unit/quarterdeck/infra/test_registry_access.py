"""What a registry wants to see is read from its challenge; tokens end; a password is not sent in the open."""

import pytest

from quarterdeck.base.config import Secret
from quarterdeck.infra.errors import RegistryMisbehaves, RegistryUnauthorized
from quarterdeck.infra.registry_access import Access, Challenge, Credentials, challenge
from quarterdeck.testing.fakes.clock import FakeClock

KNOWN = Credentials("ada", Secret("hush"))
BEARER = 'Bearer realm="https://auth.example/token",service="deck",scope="repository:x:pull"'


class Service:
    """Gives tokens."""

    def __init__(self, answer=b'{"token": "t"}'):
        self.answer = answer
        self.asked = []

    async def __call__(self, url, authorization):
        self.asked.append((url, authorization))
        return self.answer


def access(service, url="https://deck.example", credentials=KNOWN):
    clock = FakeClock()
    return Access(url, credentials, clock, service), clock


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (
            BEARER,
            Challenge("bearer", "https://auth.example/token", "deck", "repository:x:pull"),
        ),
        ('basic realm="deck"', Challenge("basic", "deck")),
        ("BASIC realm=deck", Challenge("basic", "deck")),
        ("Negotiate", Challenge("negotiate")),
    ],
)
def test_challenges(header, found):
    assert challenge(header) == found


async def test_token_is_shown_until_it_ends():
    service = Service(b'{"access_token": "t", "expires_in": 100}')
    shown, clock = access(service)
    assert shown.known("s") == ""
    assert await shown.answer(BEARER, "s", "") == "Bearer t" == shown.known("s")
    clock.advance(96)
    assert shown.known("s") == ""
    assert service.asked == [
        (
            "https://auth.example/token?service=deck&scope=repository%3Ax%3Apull",
            KNOWN.basic(),
        )
    ]


async def test_token_that_is_refused_is_got_anew():
    service = Service()
    shown, _ = access(service)
    first = await shown.answer(BEARER, "s", "")
    await shown.answer(BEARER, "s", first)
    assert len(service.asked) == 2


async def test_anonymous_tokens_are_asked_for_without_a_password():
    service = Service()
    shown, _ = access(service, credentials=None)
    await shown.answer(BEARER, "s", "")
    assert service.asked[0][1] == ""


async def test_password_does_not_leave_encryption():
    shown, _ = access(Service())
    with pytest.raises(RegistryMisbehaves, match="without encryption"):
        await shown.answer('Bearer realm="http://auth.example/"', "s", "")


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"token": "a b"}', b'{"token": "a\\r\\nX: y"}'])
async def test_tokens_that_are_none_are_refused(answer):
    shown, _ = access(Service(answer))
    with pytest.raises(RegistryMisbehaves):
        await shown.answer(BEARER, "s", "")


async def test_password_that_was_refused_is_not_shown_again():
    shown, _ = access(Service())
    first = await shown.answer("Basic realm=x", "s", "")
    assert first == KNOWN.basic() == shown.known("another")
    with pytest.raises(RegistryUnauthorized, match="'ada'"):
        await shown.answer("Basic realm=x", "s", first)
