"""Fixtures: the published OpenAPI documents."""

import json

import pytest

from gateway.app import SURFACES
from gateway.discovery.surface import DISCOVERY
from gateway.openapi.document import build_document
from gateway.revenue.surface import REVENUE
from tests.http.published import DISCOVERY_DOCUMENT, FULL_DOCUMENT, REVENUE_DOCUMENT, Json

BASE_URL = "https://gateway.acme.dev"


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
