"""The API reference: one page without scripts and without further requests."""

import copy
import re
from html.parser import HTMLParser

import httpx
import pytest

from gateway.openapi.reference import render
from tests.http.published import Json, resolve
from tests.stack import Stack

# Attributes that make a browser load something.
LOADING = {"src", "srcset", "data", "poster", "background", "action", "formaction", "ping"}


class Page(HTMLParser):
    """Elements, ids and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.unclosed: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    @property
    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.elements if "id" in attributes]

    @property
    def links(self) -> list[str]:
        return [str(attributes.get("href")) for tag, attributes in self.elements if tag == "a"]


@pytest.fixture(scope="session")
def text(stack: Stack) -> str:
    return httpx.get(f"{stack.base_url}/reference").text


@pytest.fixture(scope="session")
def page(text: str) -> Page:
    return Page(text)


@pytest.mark.parametrize("path", ["/", "/reference"])
def test_it_is_public_and_its_policy_forbids_loading(stack: Stack, path: str) -> None:
    response = httpx.get(stack.base_url + path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_it_contains_no_script_and_loads_nothing(text: str, page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "img", "base", "form"}
    for _, attributes in page.elements:
        assert not LOADING & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_it_is_well_formed_and_its_links_work(stack: Stack, page: Page) -> None:
    assert page.unclosed == []
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    for link in {link for link in page.links if not link.startswith("#")}:
        assert link.startswith("/")
        assert httpx.get(stack.base_url + link).status_code == 200


def test_it_contains_every_operation_and_model(text: str, page: Page, full_document: Json) -> None:
    sections = re.findall(r'<section class="row" id="([^"]+)">(.*?)</section>', text, re.DOTALL)
    shown = dict(sections)
    for path, methods in full_document["paths"].items():
        for method, described in methods.items():
            section = shown[described["operationId"]]
            assert f"#{described['operationId']}" in page.links
            assert described["summary"] in section
            assert f"<code>{path}</code>" in section
            assert f'<span class="m {method.upper()}">' in section
            for status in described["responses"]:
                assert f"<code>{status}</code>" in section
            for each in described["parameters"]:
                name = resolve(full_document, each)["name"]
                assert f"<code>{name}</code>" in section
            for each in described["security"]:
                for scope in each["bearer"]:
                    assert scope in section
    for name, schema in full_document["components"]["schemas"].items():
        section = shown[f"schema-{name}"]
        for field in schema.get("properties", ()):
            assert f"<code>{field}</code>" in section


def test_texts_of_the_document_are_escaped(full_document: Json) -> None:
    document = copy.deepcopy(full_document)
    operation = document["paths"]["/external/v1/signals"]["get"]
    hostile = "<script>alert(1)</script>"
    operation["summary"] = operation["description"] = hostile
    document["components"]["parameters"]["OffsetQueryLimit"]["description"] = hostile
    operation["responses"]["200"]["description"] = hostile
    operation["responses"]["200"]["content"]["application/json"]["example"] = {hostile: hostile}
    document["info"]["title"] = hostile
    page = render(document).decode()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 7
