"""Fixtures: the published OpenAPI documents."""

import httpx
import pytest

from tests.http.published import DOCUMENTS, FULL_DOCUMENT, Json
from tests.stack import Stack


@pytest.fixture(scope="session")
def documents(stack: Stack) -> dict[str, Json]:
    """The three documents by path, as the API serves them."""
    found = {}
    for path in DOCUMENTS:
        answer = httpx.get(stack.base_url + path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        found[path] = answer.json()
    return found


@pytest.fixture(scope="session")
def full_document(documents: dict[str, Json]) -> Json:
    """The document of both APIs and the operator's endpoints."""
    return documents[FULL_DOCUMENT]
