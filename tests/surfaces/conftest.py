"""Fixtures: the served OpenAPI documents."""

import httpx
import pytest

from tests.stack import Stack
from tests.surfaces.published import DOCUMENTS, EVERYTHING, Json


@pytest.fixture(scope="session")
def documents(stack: Stack) -> dict[str, Json]:
    """The documents by path."""
    loaded = {}
    for path in DOCUMENTS:
        response = httpx.get(stack.base_url + path)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        loaded[path] = response.json()
    return loaded


@pytest.fixture(scope="session")
def everything(documents: dict[str, Json]) -> Json:
    return documents[EVERYTHING]
