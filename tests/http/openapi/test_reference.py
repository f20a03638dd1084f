"""The API reference: the viewer page and its files, the Markdown reference and llms.txt."""

import copy
import hashlib
import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from domains.kernel.tenancy.api_keys import SCOPES
from gateway.app import SURFACES
from gateway.openapi.reference import markdown
from tests.http.conftest import PUBLIC_URL
from tests.http.published import (
    DISCOVERY_DOCUMENT,
    FULL_DOCUMENT,
    REVENUE_DOCUMENT,
    Json,
    operations,
)
from tests.stack import Stack, get

# dist/browser/standalone.js of @scalar/api-reference 1.46.4.
VIEWER_SHA256 = "81b8d2bdab4a42ab81465386441b9a0f928b68631364360f00e8cce620cc1efb"
OPERATIONS_DOCUMENT = "/operations/openapi.json"
DOCUMENTS = (DISCOVERY_DOCUMENT, REVENUE_DOCUMENT, OPERATIONS_DOCUMENT)
URL = re.compile(r"https?://[^\s\"'<>)`]+")


@pytest.fixture(scope="session")
def page(stack: Stack) -> str:
    return get(f"{stack.base_url}/reference").text


@pytest.fixture(scope="session")
def scripts(page: str) -> list[str]:
    """Paths of the scripts on the server."""
    return [absolute(src) for src in re.findall(r'<script src="([^"]+)" defer></script>', page)]


def absolute(url: str) -> str:
    """The path on the server that a URL of the page leads to."""
    return urljoin("/reference", url)


def settings(page: str) -> dict[str, Any]:
    """Settings of the page for the script that starts the viewer."""
    found = re.search('data-settings="([^"]+)"', page)
    assert found is not None
    decoded: dict[str, Any] = json.loads(unescape(found[1]))
    return decoded


def markdown_path(document: str) -> str:
    return document.replace("openapi.json", "reference.md")


# --- viewer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/reference"])
def test_the_page_is_public_and_runs_only_scripts_of_this_server(stack: Stack, path: str) -> None:
    response = get(stack.base_url + path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-content-type-options"] == "nosniff"
    policy = dict(
        directive.split(" ", 1)
        for directive in response.headers["content-security-policy"].split("; ")
    )
    assert policy.pop("style-src") == "'unsafe-inline'"
    assert policy.pop("img-src") == "'self' data:"
    assert policy.pop("script-src") == policy.pop("connect-src") == "'self'"
    assert policy.pop("default-src") == "'none'"
    assert policy == dict.fromkeys(["base-uri", "form-action", "frame-ancestors"], "'none'")


def test_the_page_refers_to_no_other_server_and_has_no_inline_script(
    page: str, scripts: list[str]
) -> None:
    assert "//" not in page
    assert page.count("<script") == len(scripts) == 2
    assert not re.search(r"<(link|iframe|object|embed|img|base|form|style)\b", page)
    assert not re.search(r"\son\w+=", page)


def test_the_page_shows_the_document_of_each_surface(stack: Stack, page: str) -> None:
    shown = settings(page)
    titles = {absolute(each["url"]): each["title"] for each in shown["documents"]}
    assert tuple(titles) == DOCUMENTS
    for path, title in titles.items():
        document = get(stack.base_url + path).json()
        assert document["info"]["title"] == title
        schemes = document["components"].get("securitySchemes", {})
        assert path == OPERATIONS_DOCUMENT or shown["securityScheme"] in schemes


@pytest.mark.parametrize("path", ["/", "/reference"])
@pytest.mark.parametrize("public_url", [PUBLIC_URL, "http://10.0.0.1:8000"])
def test_urls_of_the_page_keep_the_prefix_that_a_proxy_removes(
    public_stack: Stack, public_url: str, path: str
) -> None:
    page = get(public_stack.base_url + path).text
    urls = re.findall(r'(?:src|href)="([^"]+)"', page)
    urls += [each["url"] for each in settings(page)["documents"]]
    assert len(urls) == 2 + 3 * len(DOCUMENTS)
    for url in urls:
        target = urljoin(public_url + path, url)
        assert target.startswith(f"{public_url}/")
        answer = get(public_stack.base_url + target.removeprefix(public_url))
        assert answer.status_code == 200


def test_without_javascript_the_page_links_documents_and_markdown(stack: Stack, page: str) -> None:
    found = re.findall('<a href="([^"]+)"', page[page.index("<noscript>") :])
    links = [absolute(link) for link in found]
    assert set(links) == {*DOCUMENTS, *map(markdown_path, DOCUMENTS)}
    for link in links:
        assert get(stack.base_url + link).status_code == 200


def test_scripts_are_compressed_and_cached_for_ever_under_a_name_with_their_hash(
    stack: Stack, scripts: list[str]
) -> None:
    for script in scripts:
        with httpx.stream(
            "GET", stack.base_url + script, headers={"Accept-Encoding": "br;q=0.5, gzip"}
        ) as response:
            sent = b"".join(response.iter_raw())
        assert response.status_code == 200
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["content-type"] == "text/javascript; charset=utf-8"
        assert response.headers["content-length"] == str(len(sent))
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["vary"] == "Accept-Encoding"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert f".{hashlib.sha256(sent).hexdigest()[:16]}." in script


@pytest.mark.parametrize("accepted", ["identity", "", "gzip;q=0", "br, gzip; q=0.0", "*;q=0"])
def test_clients_that_refuse_gzip_get_the_script_itself(
    stack: Stack, scripts: list[str], accepted: str
) -> None:
    for script in scripts:
        plain = get(stack.base_url + script, headers={"Accept-Encoding": accepted})
        assert "content-encoding" not in plain.headers
        assert plain.headers["vary"] == "Accept-Encoding"
        assert plain.content == get(stack.base_url + script).content


@pytest.mark.parametrize("accepted", ["*", "GZIP;q=0.1", "deflate, gzip;q=1.0"])
def test_clients_that_accept_gzip_in_other_words_get_it(
    stack: Stack, scripts: list[str], accepted: str
) -> None:
    response = get(stack.base_url + scripts[1], headers={"Accept-Encoding": accepted})
    assert response.headers["content-encoding"] == "gzip"


def test_the_viewer_is_the_released_file(stack: Stack, scripts: list[str]) -> None:
    content = get(stack.base_url + scripts[0]).content
    assert hashlib.sha256(content).hexdigest() == VIEWER_SHA256


def test_the_viewer_is_configured_to_use_no_other_server(stack: Stack, scripts: list[str]) -> None:
    start = get(stack.base_url + scripts[1]).text
    for setting in (
        "servers: [{ url: root }]",
        "telemetry: false",
        "withDefaultFonts: false",
        'showDeveloperTools: "never"',
        "agent: { disabled: true }",
        "mcp: { disabled: true }",
    ):
        assert setting in start
    assert not URL.search(start)


@pytest.mark.parametrize("name", ["scalar.js", "start.0000000000000000.js", "..%2Fpage.py"])
def test_other_files_are_not_found(stack: Stack, name: str) -> None:
    assert get(f"{stack.base_url}/reference/assets/{name}").status_code == 404


# --- Markdown ---------------------------------------------------------------------------------


def _sections(text: str) -> dict[str, str]:
    """Sections of the operations by the line with method and path, and of the models by name."""
    found = {}
    for section in re.split(r"^##+ ", text, flags=re.MULTILINE)[1:]:
        title, _, content = section.partition("\n")
        call = re.match(r"\n`([A-Z]+ /[^`]*)`", content)
        found[call[1] if call else title] = content
    return found


def _models(document: Json, value: object) -> Iterator[str]:
    """Names of the object schemas that a part of the document refers to, in any depth."""
    if isinstance(value, list):
        for each in value:
            yield from _models(document, each)
    elif isinstance(value, dict):
        if isinstance(target := value.get("$ref"), str):
            _, _, kind, name = target.split("/")
            component = document["components"][kind][name]
            if kind == "schemas" and "properties" in component:
                yield name
            yield from _models(document, component)
        for each in value.values():
            yield from _models(document, each)


def _bodies(document: Json, described: Json) -> list[Json]:
    """The model of the body, or of each of its alternatives."""
    if "requestBody" not in described:
        return []
    content = _resolved(document, described["requestBody"])["content"]["application/json"]
    alternatives = content["schema"].get("oneOf", content["schema"].get("anyOf"))
    return [_resolved(document, each) for each in alternatives or [content["schema"]]]


def _resolved(document: Json, value: Json) -> Json:
    while "$ref" in value:
        _, _, kind, name = value["$ref"].split("/")
        value = document["components"][kind][name]
    return value


@pytest.mark.parametrize("path", [FULL_DOCUMENT, *DOCUMENTS])
def test_markdown_contains_every_operation_with_all_its_parts(stack: Stack, path: str) -> None:
    document = get(stack.base_url + path).json()
    response = get(stack.base_url + markdown_path(path))
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    text = response.text
    assert text.startswith(f"# {document['info']['title']}\n\n{document['info']['description']}\n")
    assert f"`BASE` is `http://127.0.0.1:{stack.port}`" in text
    sections = _sections(text)
    listed = list(operations(document))
    assert len([key for key in sections if " /" in key]) == len(listed)
    for url, method, described in listed:
        section = sections[f"{method.upper()} {url}"]
        assert f"### {described['summary']}\n" in text
        assert described["description"] in section
        for scope in SCOPES:
            needs = any(scope in each["bearer"] for each in described["security"])
            assert needs == (f"scope `{scope}`" in section.splitlines()[1])
        for parameter in described["parameters"]:
            each = _resolved(document, parameter)
            start = f"- `{each['name']}` ({each['in']}, "
            line = next(line for line in section.splitlines() if line.startswith(start))
            assert (", required" in line) == each.get("required", False)
            assert each["description"] in line
        for status in described["responses"]:
            assert f"`{status}`" in section
        command = re.search('```sh\ncurl (?:-X ([A-Z]+) )?"\\$BASE([^"?]+)', section)
        assert command is not None
        assert (command[1] or "GET") == method.upper()
        assert re.fullmatch(re.sub(r"\{\w+\}", r"\\$[A-Z_]+", url), command[2])
        assert ("Bearer $KEY" in section) == bool(described.get("security"))


@pytest.mark.parametrize("path", [FULL_DOCUMENT, *DOCUMENTS])
def test_markdown_contains_every_field_of_bodies_and_responses(stack: Stack, path: str) -> None:
    document = get(stack.base_url + path).json()
    sections = _sections(get(stack.base_url + markdown_path(path)).text)
    for url, method, described in operations(document):
        section = sections[f"{method.upper()} {url}"]
        for model in _bodies(document, described):
            for field in model["properties"]:
                assert f"- `{field}` (" in section
            assert set(_models(document, model)) <= set(sections)
        for name in _models(document, described["responses"]):
            for field, schema in document["components"]["schemas"][name]["properties"].items():
                assert f"- `{field}` (" in sections[name]
                assert " ".join(schema.get("description", "").split()) in sections[name]


def test_markdown_names_types_bounds_and_values() -> None:
    document = {
        "info": {"title": "T", "version": "1", "description": "D"},
        "tags": [{"name": "Things", "description": "About things."}],
        "paths": {
            "/things/{thingId}": {
                "parameters": [{"$ref": "#/components/parameters/ThingId"}],
                "post": {
                    "summary": "Change a thing",
                    "description": "Changes it.",
                    "tags": ["Things"],
                    "deprecated": True,
                    "security": [{"bearer": ["things:write"]}],
                    "requestBody": {"$ref": "#/components/requestBodies/Thing"},
                    "responses": {
                        "200": {"description": "Done"},
                        "404": {"$ref": "#/components/responses/NotFound"},
                    },
                },
            }
        },
        "components": {
            "parameters": {
                "ThingId": {
                    "name": "thingId",
                    "in": "path",
                    "required": True,
                    "description": "Its id.",
                    "schema": {"$ref": "#/components/schemas/Id"},
                }
            },
            "requestBodies": {
                "Thing": {
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/Thing"},
                            "example": {"name": "it's"},
                        }
                    }
                }
            },
            "responses": {
                "NotFound": {
                    "description": "No such thing",
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Fault"}}
                    },
                }
            },
            "schemas": {
                "Id": {"type": "string", "format": "uuid"},
                "Colour": {"type": "string", "enum": ["red", "blue"], "description": "Its colour."},
                "Fault": {"type": "object", "properties": {"detail": {"type": "string"}}},
                "Thing": {
                    "type": "object",
                    "description": "A thing.",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "minLength": 1, "maxLength": 9},
                        "colour": {"$ref": "#/components/schemas/Colour"},
                        "size": {
                            "anyOf": [{"type": "integer", "minimum": 2}, {"type": "null"}],
                            "default": 3,
                        },
                        "parts": {
                            "type": "array",
                            "items": {"$ref": "#/components/schemas/Thing"},
                            "deprecated": True,
                        },
                        "labels": {
                            "type": ["object", "null"],
                            "additionalProperties": {"type": "string"},
                        },
                        "kind": {"const": "thing"},
                    },
                },
            },
        },
    }
    before = copy.deepcopy(document)
    text = markdown.render(document, "https://example.test")
    assert document == before
    assert text == markdown.render(document, "https://example.test")
    sections = _sections(text)
    operation = sections["POST /things/{thingId}"]
    assert "`POST /things/{thingId}` · scope `things:write` · **deprecated**" in operation
    assert "- `thingId` (path, uuid, required): Its id." in operation
    assert "Body `Thing` (`application/json`): A thing." in operation
    assert "- `name` (string, required, min. length 1, max. length 9)\n" in operation
    assert "- `colour` (`red` | `blue`): Its colour." in operation
    assert "- `size` (integer or null, at least 2, default `3`)\n" in operation
    assert "- `parts` (array of `Thing`, deprecated)\n" in operation
    assert "- `labels` (object of string or null)\n" in operation
    assert '- `kind` (`"thing"`)\n' in operation
    assert "Response `200`: no body." in operation
    assert "Errors `404`: `Fault` (`application/json`)." in operation
    assert '"$BASE/things/$THING_ID"' in operation
    assert """-d '{"name": "it'\\''s"}'""" in operation
    assert "- `detail` (string)\n" in sections["Fault"]
    assert "- `404`: No such thing" in sections["Error statuses"]


# --- llms.txt ---------------------------------------------------------------------------------


def test_llms_txt_follows_the_convention_and_its_links_work(stack: Stack) -> None:
    response = get(f"{stack.base_url}/llms.txt")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    lines = [line for line in response.text.split("\n") if line]
    assert lines[0].startswith("# ")
    assert lines[1].startswith("> ")
    first_section = next(n for n, line in enumerate(lines) if line.startswith("## "))
    assert not [line for line in lines[2:first_section] if line.startswith(("#", "- ", ">"))]
    links = []
    for line in lines[first_section:]:
        if not line.startswith("## "):
            found = re.fullmatch(r"- \[[^]]+\]\(([^)]+)\): .+", line)
            assert found is not None, line
            links.append(found[1])
    for surface in SURFACES:
        for file in ("reference.md", "openapi.json"):
            assert f"{stack.base_url}{surface.documents_path}/{file}" in links
    for url in links:
        assert get(url).status_code == 200


def test_topics_are_in_the_description_of_the_documents(stack: Stack) -> None:
    for path in (DISCOVERY_DOCUMENT, REVENUE_DOCUMENT):
        description = get(stack.base_url + path).json()["info"]["description"]
        assert re.findall("^## (.+)$", description, re.MULTILINE) == [
            *("Authentication", "Errors", "Pagination", "Bodies and times"),
            *("Rate limits", "Idempotency", "Request ids"),
        ]
    assert "## " not in get(stack.base_url + OPERATIONS_DOCUMENT).json()["info"]["description"]
