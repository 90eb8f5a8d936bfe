"""The S3 server as Shakeout runs it: declared buckets, round trip with a real client, restart."""

import contextlib

import pytest
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from shakeout.services.s3 import S3
from shakeout.system.model import System

STORE = S3(buckets=("cargo",))
SYSTEM = System("hold", services=(STORE,))


@contextlib.asynccontextmanager
async def client(cluster, secret_key=STORE.secret_key):
    session = get_session()
    async with session.create_client(
        "s3",
        endpoint_url=cluster.address("s3"),
        region_name="us-east-1",
        aws_access_key_id=STORE.access_key,
        aws_secret_access_key=secret_key,
    ) as opened:
        yield opened


async def test_objects_survive_a_restart(booted):
    async with booted(SYSTEM) as cluster:
        async with client(cluster) as s3:
            await s3.put_object(Bucket="cargo", Key="hold/1", Body=b"tea" * 1000)
        await cluster.restart("s3")
        async with client(cluster) as s3:
            found = await s3.get_object(Bucket="cargo", Key="hold/1")
            assert await found["Body"].read() == b"tea" * 1000
            listed = await s3.list_objects_v2(Bucket="cargo")
            assert [one["Key"] for one in listed["Contents"]] == ["hold/1"]


async def test_a_wrong_key_is_refused(booted):
    async with booted(SYSTEM) as cluster, client(cluster, secret_key="stowaway") as s3:
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            await s3.list_objects_v2(Bucket="cargo")
