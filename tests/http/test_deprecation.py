"""Announcements of deprecated operations: headers of their responses and the OpenAPI document."""

from datetime import date

import httpx
import msgspec
import pytest
from litestar import get

from domains.kernel.core.problems import NotFound
from domains.kernel.core.settings import load_settings
from domains.kernel.db.database import Database
from domains.kernel.jobs.process_pool import ProcessPool
from domains.kernel.storage.blobs import Blobs
from domains.kernel.tenancy.signing import Signer
from gateway import app, health
from gateway.admission.rate_limit import Limiter
from gateway.admission.redis_connection import RedisConnection
from gateway.health import OPERATIONS, Alive
from gateway.openapi.document import build_document
from gateway.operations import Deprecation, IdInPath, operation
from tests.http.conftest import BASE_URL
from tests.stack import Stack


@get(
    "/old-probe/{name:str}",
    opt=operation(
        "oldProbe",
        "public",
        "Check an old probe",
        path_id=str,
        deprecation=Deprecation(since=date(2027, 3, 1), sunset=date(2028, 3, 1)),
    ),
)
async def old_probe(name: IdInPath) -> Alive:
    """Check it."""
    if name == "none":
        raise NotFound("There is no such probe.")
    return Alive(name)


async def test_every_response_of_a_deprecated_operation_announces_it(
    stack: Stack, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "HANDLERS", (*health.HANDLERS, old_probe))
    blobs = Blobs.open(stack.env["BLOB_URL"], {})
    connection = RedisConnection(stack.env["REDIS_URL"], 1)
    with ProcessPool.open(1, 1) as pool:
        built = app.create_app(
            database, blobs, Limiter(connection), pool, Signer(b""), load_settings(stack.env)
        )
        transport = httpx.ASGITransport(built)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for name, status in (("one", 200), ("none", 404)):
                response = await client.get(f"/old-probe/{name}")
                assert response.status_code == status
                assert response.headers.get_list("Deprecation") == ["@1803859200"]
                assert response.headers.get_list("Sunset") == ["Wed, 01 Mar 2028 00:00:00 GMT"]
            for path in ("/livez", "/nothing"):
                response = await client.get(path)
                assert not {"deprecation", "sunset"} & set(response.headers)
    await connection.aclose()


def test_the_document_marks_a_deprecated_operation() -> None:
    surface = msgspec.structs.replace(OPERATIONS, handlers=[*health.HANDLERS, old_probe])
    paths = build_document([surface], BASE_URL)["paths"]
    described = paths["/old-probe/{name}"]["get"]
    assert described["deprecated"] is True
    assert (
        "Deprecated since 2027-03-01; may be removed from 2028-03-01 on."
        in (described["description"])
    )
    assert "deprecated" not in paths["/livez"]["get"]
