"""Objects that a store refuses to delete are not taken for deleted. What a real store does is in the component tests."""

from datetime import UTC, datetime

import pytest

from quarterdeck.infra import object_store
from quarterdeck.infra.errors import ObjectStoreUnavailable

AT = datetime(2026, 1, 31, tzinfo=UTC)


class Store(object_store.ObjectStore):
    """A bucket with one object."""

    async def below(self, prefix):
        yield object_store.Object(f"{prefix}x", 1, AT, "etag")


class Refusing:
    """A client whose store answers that it did not delete."""

    def __init__(self, code):
        self._code = code

    async def delete_objects(self, **asked):
        return {
            "Errors": [{**each, "Code": self._code} for each in asked["Delete"]["Objects"]],
        }


async def test_object_that_stays_is_told():
    with pytest.raises(ObjectStoreUnavailable, match="AccessDenied for t/x"):
        await Store(Refusing("AccessDenied"), "bucket").delete_prefix("t/")


async def test_object_that_was_gone_is_no_failure():
    assert await Store(Refusing("NoSuchKey"), "bucket").delete_prefix("t/") == 1
