"""Documents as YAML, redirects to the reference, and the icon."""

from urllib.parse import urljoin

import httpx
import pytest
import yaml

from tests.http.conftest import PUBLIC_URL
from tests.http.published import DOCUMENTS
from tests.stack import Stack, get


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_the_yaml_document_is_the_json_document(
    path: str, anonymous: httpx.AsyncClient
) -> None:
    answer = await anonymous.get(path.replace(".json", ".yaml"))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/yaml"
    assert answer.text.startswith("openapi: 3.1.0\n")
    document = (await anonymous.get(path)).json()
    assert yaml.safe_load(answer.content) == document
    # Block style in the order of the document, without references within YAML.
    assert "&id0" not in answer.text
    assert list(yaml.safe_load(answer.content)) == list(document)


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/reference/"])
def test_other_addresses_lead_to_the_reference_within_the_public_url(
    path: str, public_stack: Stack
) -> None:
    answer = get(public_stack.base_url + path)
    assert answer.status_code == 302
    assert urljoin(PUBLIC_URL + path, answer.headers["Location"]) == f"{PUBLIC_URL}/reference"
    page = get(public_stack.base_url + path, follow_redirects=True)
    assert page.status_code == 200
    assert page.url == f"{public_stack.base_url}/reference"


@pytest.mark.parametrize("path", ["/favicon.ico", "/favicon.svg"])
async def test_there_is_an_icon(path: str, anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert len(answer.content) < 1024
    assert answer.text.startswith("<svg ")
    assert "<script" not in answer.text
