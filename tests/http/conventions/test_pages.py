"""Documents as YAML, the redirect of /docs, and the icon."""

import httpx
import pytest
import yaml

from tests.http.published import DOCUMENTS


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


async def test_docs_lead_to_the_reference(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get("/docs")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/reference")
    page = await anonymous.get("/docs", follow_redirects=True)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/favicon.ico", "/favicon.svg"])
async def test_there_is_an_icon(path: str, anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert len(answer.content) < 1024
    assert answer.text.startswith("<svg ")
    assert "<script" not in answer.text
