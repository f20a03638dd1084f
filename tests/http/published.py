"""The published OpenAPI documents, and a check that answers match them."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from domains.kernel.tenancy.api_keys import RateLimitOverrides

Json = dict[str, Any]

FULL_DOCUMENT = "/openapi.json"
DISCOVERY_DOCUMENT = "/external/v1/openapi.json"
REVENUE_DOCUMENT = "/v1/openapi.json"
DOCUMENTS = (FULL_DOCUMENT, DISCOVERY_DOCUMENT, REVENUE_DOCUMENT)

# Limits that no test reaches: with them, answers have the X-RateLimit headers.
HIGH_LIMITS = RateLimitOverrides(minute=10_000, hour=10_000, day=10_000)


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and description of every operation of a document; see `operation`."""
    for path, methods in document["paths"].items():
        for method in methods:
            yield path, method, operation(document, path, method)


def operation(document: Json, path: str, method: str) -> Json:
    """The description of an operation, with parameters and responses instead of references."""
    described: Json = document["paths"][path][method]
    responses = {status: resolve(document, each) for status, each in described["responses"].items()}
    parameters = [resolve(document, each) for each in described["parameters"]]
    return {**described, "parameters": parameters, "responses": responses}


def resolve(document: Json, value: Json) -> Json:
    """The component that the value refers to, or the value itself."""
    while "$ref" in value:
        found = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def errors(document: Json, schema: Json, value: Any) -> list[str]:
    """Differences between a value and its schema. Undocumented properties are errors."""
    closed = {
        name: {**each, "additionalProperties": False} if "properties" in each else each
        for name, each in document["components"]["schemas"].items()
    }
    validator = OAS31Validator(
        {**schema, "components": {"schemas": closed}}, format_checker=oas31_format_checker
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


class Checker:
    """Checks answers against a document and records their operations in `seen`.

    The requests must be sent with a key that has rate limits.
    """

    def __init__(self, document: Json) -> None:
        self.document = document
        self.seen: set[tuple[str, str]] = set()

    def __call__(self, template: str, answer: httpx.Response) -> Any:
        """Check an answer by its operation and status. Returns its body."""
        method = answer.request.method.lower()
        self.seen.add((template, method))
        described = operation(self.document, template, method)
        documented = described["responses"][str(answer.status_code)]
        media = answer.headers["content-type"].partition(";")[0]
        assert list(documented["content"]) == [media]
        schema = documented["content"][media]["schema"]
        assert errors(self.document, schema, answer.json()) == []
        self._check_headers(documented["headers"], answer)
        return answer.json()

    def _check_headers(self, documented: Json, answer: httpx.Response) -> None:
        known: Json = self.document["components"]["headers"]
        sent = {name for name in known if name in answer.headers}
        assert sent <= set(documented)
        optional = {"Idempotent-Replayed", "X-Total-Count-Capped"}
        # A 403 for a missing scope does not count towards the limit; other 403s do.
        if answer.status_code == 403:
            optional |= {name for name in documented if name.startswith("X-RateLimit-")}
        assert set(documented) - sent <= optional, answer.request.url
        for name in sent:
            kind, value = known[name]["schema"]["type"], answer.headers[name]
            assert kind != "integer" or value.isdigit()
            assert kind != "boolean" or value == "true"


class CheckedClient:
    """Sends requests and checks each answer against the document.

    Paths are templates of the document without the prefix. `ids` fill their parameters.
    """

    def __init__(self, http: httpx.AsyncClient, check: Checker, prefix: str) -> None:
        self._http = http
        self._check = check
        self._prefix = prefix

    async def __call__(self, call: str, *ids: str, **request: Any) -> Any:
        """Send `METHOD /path/{id}` and check the answer. Returns its body."""
        answer = await self.answer(call, *ids, **request)
        return self._check(self._prefix + call.split(" ")[1], answer)

    async def answer(self, call: str, *ids: str, **request: Any) -> httpx.Response:
        """Send the request without a check."""
        method, path = call.split(" ")
        for each in ids:
            path = re.sub(r"\{\w+\}", each.replace("/", "%2F"), path, count=1)
        return await self._http.request(method, self._prefix + path, **request)
