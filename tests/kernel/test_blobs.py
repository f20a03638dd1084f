"""Objects: the same promises from a local directory and from a server that speaks S3."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from domains.kernel.blobs import BlobMissing, Blobs
from domains.kernel.problems import Unavailable

AWS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["local", "s3"])
async def blobs(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    s3: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Blobs:
    if request.param == "local":
        return Blobs.open((tmp_path / "blöbs and spaces").as_uri(), {})
    environment = {**AWS, "AWS_ENDPOINT_URL": s3}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    import boto3

    boto3.client("s3", endpoint_url=s3).create_bucket(Bucket="bucket")
    return Blobs.open("s3://bucket/some/prefix", environment)


async def test_what_was_put_is_got_until_it_is_deleted(blobs: Blobs) -> None:
    key = "signals/manual-text/w/one.txt"
    await blobs.put(key, b"first")
    await blobs.put(key, "zweite – 🥊".encode())
    assert (await blobs.get(key)).decode() == "zweite – 🥊"
    await blobs.delete(key)
    with pytest.raises(BlobMissing):
        await blobs.get(key)


async def test_deleting_what_is_not_there_is_no_error(blobs: Blobs) -> None:
    await blobs.delete("nothing/here.txt")


async def test_an_empty_object_is_an_object(blobs: Blobs) -> None:
    await blobs.put("empty", b"")
    assert await blobs.get("empty") == b""


async def test_a_store_that_works_passes_its_check(blobs: Blobs) -> None:
    await blobs.check()


async def test_a_key_cannot_leave_the_store(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises((Unavailable, ValueError)):
        await blobs.put("../evil.txt", b"x")
    assert not (tmp_path / "evil.txt").exists()


async def test_a_server_that_is_away_is_unavailable() -> None:
    environment = {**AWS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        blobs = Blobs.open("s3://bucket", environment)
    with pytest.raises(Unavailable):
        await blobs.get("x")
