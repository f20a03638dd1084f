"""Fixtures: the published OpenAPI documents, and an API that web pages may call."""

import json
from collections.abc import Iterator

import pytest

from gateway.app import SURFACES
from gateway.discovery.surface import DISCOVERY
from gateway.openapi.document import build_document
from gateway.revenue.surface import REVENUE
from tests.http.published import DISCOVERY_DOCUMENT, FULL_DOCUMENT, REVENUE_DOCUMENT, Json
from tests.stack import Stack, running_stack

BASE_URL = "https://gateway.acme.dev"
ORIGIN = "https://app.example.com"
PUBLIC_URL = "https://api.example.com/gateway"


@pytest.fixture(scope="session")
def documents() -> dict[str, Json]:
    """The three documents by path. The API serves the same: tests/http/openapi/test_command.py."""
    surfaces = {
        FULL_DOCUMENT: SURFACES,
        DISCOVERY_DOCUMENT: (DISCOVERY,),
        REVENUE_DOCUMENT: (REVENUE,),
    }
    return {
        path: json.loads(json.dumps(build_document(described, BASE_URL)))
        for path, described in surfaces.items()
    }


@pytest.fixture(scope="session")
def full_document(documents: dict[str, Json]) -> Json:
    """The document of both APIs and the operator's endpoints."""
    return documents[FULL_DOCUMENT]


@pytest.fixture(scope="session")
def public_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with a public URL, whose API is open to the pages of two origins."""
    settings = {
        "GATEWAY_CORS_ORIGINS": f"{ORIGIN}, http://localhost:5173",
        "GATEWAY_PUBLIC_URL": f"{PUBLIC_URL}/",
    }
    folder = tmp_path_factory.mktemp("public")
    with running_stack(folder, worker=False, settings=settings) as started:
        yield started
