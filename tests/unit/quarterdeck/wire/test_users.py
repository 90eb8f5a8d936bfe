"""A key pair does not print its secret."""

from quarterdeck.wire.users import KeyPair


def test_keypair_hides_its_secret():
    pair = KeyPair(access_key="QDAKX", secret_key="hush")
    assert "hush" not in f"{pair} {pair!r} {[pair]}"
