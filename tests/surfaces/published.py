"""What the published OpenAPI documents promise, and whether answers keep it."""

from collections.abc import Iterator
from typing import Any

import httpx
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from domains.kernel.tenancy.api_keys import RateLimitOverrides

Json = dict[str, Any]

EVERYTHING = "/openapi.json"
OF_DISCOVERY = "/external/v1/openapi.json"
OF_REVENUE = "/v1/openapi.json"
DOCUMENTS = (EVERYTHING, OF_DISCOVERY, OF_REVENUE)

# Limits that are never reached, so that every counted answer speaks of them.
COUNTED = RateLimitOverrides(minute=10_000, hour=10_000, day=10_000)


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            yield path, method, described


def errors(document: Json, schema: Json, value: Any) -> list[str]:
    """What is wrong with a value. Nothing that is not described may be in it."""
    closed = {
        name: {**each, "additionalProperties": False} if "properties" in each else each
        for name, each in document["components"]["schemas"].items()
    }
    validator = OAS31Validator(
        {**schema, "components": {"schemas": closed}}, format_checker=oas31_format_checker
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


class Checker:
    """Holds answers of a key with limits against the document, and remembers of what operations."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.seen: set[tuple[str, str]] = set()

    def __call__(self, template: str, answer: httpx.Response) -> Any:
        """The answer's body; it must be as documented for its operation and status."""
        method = answer.request.method.lower()
        self.seen.add((template, method))
        described = self.document["paths"][template][method]
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
        sometimes = {"Idempotent-Replayed", "X-Total-Count-Capped"}
        # Missing a scope is not counted; other reasons for the same status are.
        if answer.status_code == 403:
            sometimes |= {name for name in documented if name.startswith("X-RateLimit-")}
        assert set(documented) - sent <= sometimes, answer.request.url
        for name in sent:
            kind, value = known[name]["schema"]["type"], answer.headers[name]
            assert kind != "integer" or value.isdigit()
            assert kind != "boolean" or value == "true"


def of(answer: Any) -> str:
    """The id of a created record."""
    found: str = answer["id"]
    return found


def at(template: str, record: str) -> str:
    return template.replace("{id}", record)
