"""The published OpenAPI documents: valid, complete, and true of what the API really answers.

What the contract says of the revenue record stands in test_revenue_contract.py.
"""

import re
import uuid
from typing import Any, cast

import pytest
from litestar.handlers import HTTPRouteHandler
from openapi_spec_validator import OpenAPIV31SpecValidator

from domains.kernel.core.settings import load_settings
from domains.kernel.db.database import Database
from domains.kernel.jobs.process_pool import ProcessPool
from domains.kernel.storage.blobs import Blobs
from domains.kernel.tenancy.api_keys import RateLimitOverrides
from domains.kernel.tenancy.signing import Signer
from gateway import rate_limit
from gateway.app import SURFACES, create_app
from gateway.discovery.surface import DISCOVERY
from gateway.openapi import document
from gateway.operations import Operation
from gateway.revenue.surface import REVENUE
from tests.conftest import MakeTenant
from tests.stack import Stack, Tenant
from tests.surfaces.published import (
    COUNTED,
    DOCUMENTS,
    EVERYTHING,
    OF_DISCOVERY,
    OF_REVENUE,
    Checker,
    Json,
    at,
    errors,
    of,
    operations,
)

SIGNALS = "/external/v1/signals"
SIGNAL = f"{SIGNALS}/{{id}}"
INSIGHTS = "/external/v1/insights"
INSIGHT = f"{INSIGHTS}/{{id}}"
TRANSCRIPT = f"{INSIGHTS}/process-transcript/insights"
OPPORTUNITIES = "/external/v1/opportunities"
OPPORTUNITY = f"{OPPORTUNITIES}/{{id}}"
IDEAS = "/external/v1/ideas"
IDEA = f"{IDEAS}/{{id}}"
PRODUCTS = "/external/v1/products"
PRODUCT = f"{PRODUCTS}/{{id}}"
CONTEXT = "/external/v1/auth/context"

# The contract: operation, method, path, scope (None: any key), success, refusals. Each refusal must
# be documented; a 503 may come on top.
KEYED = {401, 429, 500}
SCOPED = KEYED | {400, 403}
ONE = SCOPED | {404}
CREATED = SCOPED | {409, 413}
CHANGED = ONE | {413}
CONTRACT = [
    ("listSignals", "get", SIGNALS, "signals:read", 200, SCOPED),
    ("getSignal", "get", SIGNAL, "signals:read", 200, ONE),
    ("createSignal", "post", SIGNALS, "signals:write", 201, CREATED),
    ("updateSignal", "patch", SIGNAL, "signals:write", 200, CHANGED),
    ("deleteSignal", "delete", SIGNAL, "signals:delete", 200, ONE),
    ("processSignal", "post", f"{SIGNAL}/process", "signals:write", 201, CREATED | {404}),
    ("listInsights", "get", INSIGHTS, "insights:read", 200, SCOPED),
    ("getInsight", "get", INSIGHT, "insights:read", 200, ONE),
    ("createInsight", "post", INSIGHTS, "insights:write", 201, CREATED),
    ("updateInsight", "patch", INSIGHT, "insights:write", 200, CHANGED),
    ("deleteInsight", "delete", INSIGHT, "insights:delete", 200, ONE),
    ("processTranscript", "post", TRANSCRIPT, "insights:write", 200, CREATED),
    ("listInsightEvidence", "get", f"{INSIGHT}/evidence", "insights:read", 200, ONE),
    ("listOpportunities", "get", OPPORTUNITIES, "opportunities:read", 200, SCOPED),
    ("getOpportunity", "get", OPPORTUNITY, "opportunities:read", 200, ONE),
    ("createOpportunity", "post", OPPORTUNITIES, "opportunities:write", 201, CREATED),
    ("updateOpportunity", "patch", OPPORTUNITY, "opportunities:write", 200, CHANGED),
    ("deleteOpportunity", "delete", OPPORTUNITY, "opportunities:delete", 200, ONE),
    ("listIdeas", "get", IDEAS, "ideas:read", 200, SCOPED),
    ("getIdea", "get", IDEA, "ideas:read", 200, ONE),
    ("createIdea", "post", IDEAS, "ideas:write", 201, CREATED),
    ("updateIdea", "patch", IDEA, "ideas:write", 200, CHANGED),
    ("deleteIdea", "delete", IDEA, "ideas:delete", 200, ONE),
    ("listProducts", "get", PRODUCTS, "products:read", 200, SCOPED),
    ("getProduct", "get", PRODUCT, "products:read", 200, ONE),
    ("createProduct", "post", PRODUCTS, "products:write", 201, CREATED),
    ("getAuthContext", "get", CONTEXT, None, 200, KEYED),
]
ADDITIONS = {
    *("listInsightEvidence", "listProducts", "createProduct", "getHealth"),
    "listConversationEvidence",
}

# Nullable ones are required, too: the key is always there.
REQUIRED = {
    "Signal": {
        "id",
        "name",
        "publicId",
        "workspaceId",
        "status",
        "signalType",
        "context",
        "source",
        "data",
        "insightIds",
        "externalId",
        "createdAt",
        "updatedAt",
    },
    "SignalProcessing": {"lastJobId", "startedAt", "processedAt", "failedAt", "lastError"},
    "SignalSource": {"type"},
    "SignalTextCreate": {"text", "signalType"},
    "SignalRawCreate": {"source"},
    "SignalUpdate": set(),
    "Insight": {
        "id",
        "name",
        "description",
        "status",
        "type",
        "productId",
        "opportunityIds",
        "ideaIds",
        "tagIds",
        "createdAt",
        "updatedAt",
    },
    "InsightCreate": {"description"},
    "InsightUpdate": set(),
    "ExternalLink": set(),
    "ProcessTranscriptRequest": {"transcript"},
    "Evidence": {"quote", "signalId", "signalPublicId", "start", "end"},
    "Opportunity": {
        "id",
        "name",
        "description",
        "score",
        "status",
        "productId",
        "insightIds",
        "ideaIds",
        "createdAt",
        "updatedAt",
    },
    "OpportunityCreate": {"name", "description"},
    "OpportunityUpdate": set(),
    "Idea": {
        "id",
        "name",
        "description",
        "status",
        "productId",
        "opportunityIds",
        "insightIds",
        "createdAt",
        "updatedAt",
    },
    "IdeaCreate": {"name", "description"},
    "IdeaUpdate": set(),
    "Product": {"id", "name", "workspaceId", "createdAt", "updatedAt"},
    "ProductCreate": {"name"},
    "JobRef": {"jobId"},
    "Deleted": {"message"},
    "AuthContext": {"workspace", "credential"},
    "AuthWorkspace": {"id", "name"},
    "AuthCredential": {"id", "scopes"},
    "ProblemDetails": {"type", "title", "status", "detail", "requestId"},
    "FieldError": {"field", "message"},
}
OPTIONAL = {
    "Signal": {"jobId", "processing"},
    "SignalSource": {"external_data"},
    "SignalTextCreate": {"name", "additionalContext", "occurredAt", "productIds", "accountId"},
    "SignalRawCreate": {"name", "data", "externalId", "context", "insightIds"},
    "SignalUpdate": {"source", "data", "insightIds", "externalId", "status", "context"},
    "Insight": {"suggestions", "externalLinks"},
    "InsightCreate": {
        "name",
        "status",
        "type",
        "productId",
        "opportunityIds",
        "ideaIds",
        "tagIds",
        "suggestions",
        "externalLinks",
    },
    "InsightUpdate": {
        "name",
        "description",
        "status",
        "type",
        "productId",
        "opportunityIds",
        "ideaIds",
        "tagIds",
        "suggestions",
        "externalLinks",
    },
    "ExternalLink": {"type", "url", "name"},
    "ProcessTranscriptRequest": {"productId", "createInsights"},
    "Evidence": {"accountId", "speaker", "startTime", "endTime"},
    "OpportunityCreate": {"score", "status", "productId", "insightIds", "ideaIds"},
    "OpportunityUpdate": {
        "name",
        "description",
        "score",
        "status",
        "productId",
        "insightIds",
        "ideaIds",
    },
    "IdeaCreate": {"status", "productId", "opportunityIds", "insightIds"},
    "IdeaUpdate": {"name", "description", "status", "productId", "opportunityIds", "insightIds"},
    "ProductCreate": {"id"},
    "ProblemDetails": {"errors"},
}
NULLABLE = {
    "Signal": {"signalType", "context", "data", "externalId"},
    "SignalProcessing": {"startedAt", "processedAt", "failedAt", "lastError"},
    "SignalRawCreate": {"data", "externalId", "context"},
    "SignalUpdate": {"data", "externalId", "context"},
    "Insight": {"productId"},
    "InsightUpdate": {"productId"},
    "Opportunity": {"score", "productId"},
    "OpportunityCreate": {"productId"},
    "OpportunityUpdate": {"score", "productId"},
    "Idea": {"productId"},
    "IdeaCreate": {"productId"},
    "IdeaUpdate": {"productId"},
}

UUID = {"type": "string", "format": "uuid"}
TIME = {"type": "string", "format": "date-time"}
UUIDS = {"type": "array", "items": UUID}
TEXT = {"type": "string", "minLength": 1}
SCORE = {"type": "number", "minimum": 0, "maximum": 100}
EXTERNAL_LINKS = {"type": "array", "items": {"$ref": "#/components/schemas/ExternalLink"}}
SIGNAL_TYPE = {
    "type": "string",
    "enum": ["transcript", "support_ticket", "review", "discovery_report"],
}
SIGNAL_STATUS = {"type": "string", "enum": ["pending", "processing", "processed", "failed"]}
INSIGHT_STATUS = {"type": "string", "enum": ["draft", "published", "archived"]}
INSIGHT_TYPE = {
    "type": "string",
    "enum": [
        "feedback",
        "user-interview",
        "market-research",
        "session-recording",
        "support-ticket",
        "other",
    ],
}
OPPORTUNITY_STATUS = {"type": "string", "enum": ["discovery", "defined", "validated", "archived"]}
IDEA_STATUS = {
    "type": "string",
    "enum": ["evaluating", "backlog", "development", "released", "archived"],
}
# What a field's schema holds at least; of a nullable one, the part that is not null.
FACTS: dict[str, Json] = {
    "Signal.id": UUID,
    "Signal.publicId": {"type": "string", "pattern": "^SIGNAL-[0-9]+$"},
    "Signal.workspaceId": UUID,
    "Signal.status": SIGNAL_STATUS,
    "Signal.signalType": SIGNAL_TYPE,
    "Signal.source": {"$ref": "#/components/schemas/SignalSource"},
    "Signal.data": {"type": "object"},
    "Signal.insightIds": UUIDS,
    "Signal.createdAt": TIME,
    "Signal.updatedAt": TIME,
    "Signal.processing": {"$ref": "#/components/schemas/SignalProcessing"},
    "SignalProcessing.startedAt": TIME,
    "SignalTextCreate.text": TEXT,
    "SignalTextCreate.name": TEXT,
    "SignalTextCreate.signalType": SIGNAL_TYPE,
    "SignalTextCreate.occurredAt": TIME,
    "SignalTextCreate.productIds": UUIDS,
    "SignalTextCreate.accountId": UUID,
    "SignalUpdate.status": {"type": "string", "enum": ["pending", "processed"]},
    "Insight.status": INSIGHT_STATUS,
    "Insight.type": INSIGHT_TYPE,
    "Insight.productId": UUID,
    "Insight.opportunityIds": UUIDS,
    "Insight.ideaIds": UUIDS,
    "Insight.tagIds": {"type": "array", "items": {"type": "string"}},
    "Insight.suggestions": {"type": "object"},
    "Insight.externalLinks": EXTERNAL_LINKS,
    "InsightCreate.description": TEXT,
    "InsightCreate.name": TEXT,
    "InsightCreate.status": INSIGHT_STATUS | {"default": "draft"},
    "InsightCreate.type": INSIGHT_TYPE | {"default": "other"},
    "InsightCreate.productId": UUID,
    "InsightCreate.suggestions": {"type": "object"},
    "InsightCreate.externalLinks": EXTERNAL_LINKS,
    "InsightUpdate.description": TEXT,
    "InsightUpdate.status": INSIGHT_STATUS,
    "InsightUpdate.type": INSIGHT_TYPE,
    "InsightUpdate.productId": UUID,
    "InsightUpdate.externalLinks": EXTERNAL_LINKS,
    "ProcessTranscriptRequest.transcript": TEXT,
    "ProcessTranscriptRequest.productId": UUID,
    "ProcessTranscriptRequest.createInsights": {"type": "boolean", "default": False},
    "Opportunity.score": SCORE,
    "Opportunity.status": OPPORTUNITY_STATUS,
    "Opportunity.insightIds": UUIDS,
    "Opportunity.ideaIds": UUIDS,
    "OpportunityCreate.name": TEXT,
    "OpportunityCreate.description": TEXT,
    "OpportunityCreate.score": SCORE,
    "OpportunityCreate.status": OPPORTUNITY_STATUS | {"default": "discovery"},
    "OpportunityUpdate.score": SCORE,
    "OpportunityUpdate.status": OPPORTUNITY_STATUS,
    "Idea.status": IDEA_STATUS,
    "Idea.opportunityIds": UUIDS,
    "Idea.insightIds": UUIDS,
    "IdeaCreate.status": IDEA_STATUS | {"default": "evaluating"},
    "IdeaUpdate.status": IDEA_STATUS,
    "Product.id": UUID,
    "ProductCreate.id": UUID,
}

SEARCH = {"type": "string", "minLength": 1, "maxLength": 400, "pattern": r"\S"}
# The filters of each list and its default page; all but `limit` and `offset` are additions.
FILTERS: dict[str, tuple[int, Json]] = {
    SIGNALS: (
        20,
        {
            "status": SIGNAL_STATUS,
            "signalType": SIGNAL_TYPE,
            "externalId": {"type": "string"},
            "createdAfter": TIME,
            "createdBefore": TIME,
        },
    ),
    INSIGHTS: (
        20,
        {
            "status": INSIGHT_STATUS,
            "type": INSIGHT_TYPE,
            "productId": UUID,
            "accountId": UUID,
            "signalId": {
                "type": "string",
                "pattern": "^(SIGNAL-[1-9][0-9]{0,17}|[0-9A-Fa-f-]{36})$",
            },
            "tagId": {"type": "string", "minLength": 1, "maxLength": 255},
            "q": SEARCH,
        },
    ),
    OPPORTUNITIES: (100, {"status": OPPORTUNITY_STATUS, "productId": UUID, "q": SEARCH}),
    IDEAS: (100, {"status": IDEA_STATUS, "productId": UUID, "q": SEARCH}),
    PRODUCTS: (20, {}),
}

# On every answer that documents them; the others only where there is something to say.
ALWAYS = {
    "X-Request-Id",
    "X-Total-Count",
    "X-Limit",
    "X-Offset",
    "Retry-After",
    "WWW-Authenticate",
}
SOMETIMES = {
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Total-Count-Capped",
    "Idempotent-Replayed",
}


# --- the documents ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCUMENTS)
def test_each_document_is_valid_openapi_3_1(documents: dict[str, Json], path: str) -> None:
    assert documents[path]["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(cast(Any, documents[path])).validate()


def test_each_surface_has_its_part_of_everything(documents: dict[str, Json]) -> None:
    every = documents[EVERYTHING]["paths"]
    for path, prefix in ((OF_DISCOVERY, "/external/v1/"), (OF_REVENUE, "/v1/")):
        mine = documents[path]["paths"]
        assert mine == {name: each for name, each in every.items() if name.startswith(prefix)}


@pytest.mark.parametrize(("name", "method", "path", "scope", "success", "refusals"), CONTRACT)
def test_the_contract_s_operations_are_documented(
    everything: Json,
    name: str,
    method: str,
    path: str,
    scope: str | None,
    success: int,
    refusals: set[int],
) -> None:
    described = everything["paths"][path][method]
    assert described["operationId"] == name
    assert described["summary"]
    assert described["description"]
    assert described["security"] == [{"apiKey": []}]
    assert described["x-required-scopes"] == ([] if scope is None else [scope])
    statuses = {int(status) for status in described["responses"]}
    assert {status for status in statuses if status < 400} == {success}
    assert refusals <= statuses <= refusals | {success, 503}
    parameters = {(each["in"], each["name"]): each for each in described["parameters"]}
    assert (("path", "id") in parameters) == ("{id}" in path)
    assert (("header", "Idempotency-Key") in parameters) == (method == "post")
    assert all(each["description"] for each in parameters.values())


@pytest.mark.parametrize("path", DOCUMENTS)
def test_operation_ids_are_unique(documents: dict[str, Json], path: str) -> None:
    ids = [described["operationId"] for _, _, described in operations(documents[path])]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", FILTERS)
def test_lists_document_their_pages_and_filters(everything: Json, path: str) -> None:
    described = everything["paths"][path]["get"]
    default, filters = FILTERS[path]
    query = {each["name"]: each for each in described["parameters"] if each["in"] == "query"}
    assert {name: each["schema"] for name, each in query.items()} == {
        "limit": {"type": "integer", "minimum": 1, "default": default},
        "offset": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1, "default": 0},
        "order": {"type": "string", "enum": ["asc", "desc"], "default": "desc"},
    } | filters
    assert not any(each["required"] for each in query.values())
    additions = {name for name, each in query.items() if each.get("x-addition")}
    assert additions == {"order", *filters}
    assert {"X-Total-Count", "X-Limit", "X-Offset", "X-Total-Count-Capped"} <= set(
        described["responses"]["200"]["headers"]
    )


def test_headers_say_when_they_are_sent_and_where_counting_stops(everything: Json) -> None:
    headers = everything["components"]["headers"]
    assert {name for name, each in headers.items() if each["required"]} == ALWAYS
    assert {name for name, each in headers.items() if not each["required"]} == SOMETIMES
    assert all(each["description"] for each in headers.values())
    counted = headers["X-Total-Count"]["description"]
    assert "10,000" in counted
    assert "X-Total-Count-Capped" in counted


def test_additions_are_marked_and_nothing_else_is(everything: Json) -> None:
    marked = {
        described["operationId"]
        for _, _, described in operations(everything)
        if described.get("x-addition")
    }
    # Whether the liveness probe counts as one is for its handler to say.
    assert marked - {"livez"} == ADDITIONS


def test_each_resource_has_a_tag(documents: dict[str, Json]) -> None:
    document = documents[OF_DISCOVERY]
    tags = {path: each["tags"] for path, _, each in operations(document)}
    assert all(tags[path] == [path.split("/")[3].capitalize()] for path in tags)
    assert document["tags"] == [
        {"name": name}
        for name in ("Signals", "Insights", "Opportunities", "Ideas", "Products", "Auth")
    ]


def test_ids_in_paths_are_described(documents: dict[str, Json]) -> None:
    described = {
        path: parameter
        for path, _, each in operations(documents[OF_DISCOVERY])
        for parameter in each["parameters"]
        if parameter["in"] == "path"
    }
    assert {path: each["description"] for path, each in described.items()} == {
        SIGNAL: "UUID or public id of the signal, such as `SIGNAL-42`.",
        f"{SIGNAL}/process": "UUID or public id of the signal, such as `SIGNAL-42`.",
        INSIGHT: "The uuid of the insight.",
        f"{INSIGHT}/evidence": "The uuid of the insight.",
        OPPORTUNITY: "The uuid of the opportunity.",
        IDEA: "The uuid of the idea.",
        PRODUCT: "The uuid of the product.",
    }
    for path, each in described.items():
        assert each["schema"] == ({"type": "string", "minLength": 1} if "signals" in path else UUID)


def test_creates_link_to_what_can_be_done_with_the_record(documents: dict[str, Json]) -> None:
    document = documents[OF_DISCOVERY]
    below = {
        (collection, described["operationId"])
        for path, _, described in operations(document)
        for collection, found, _ in [path.partition("/{id}")]
        if found
    }
    linked = {
        (path, link["operationId"])
        for path, _, described in operations(document)
        for answer in described["responses"].values()
        for name, link in answer.get("links", {}).items()
        if link["parameters"] == {"id": "$response.body#/id"} and name == link["operationId"]
    }
    assert linked == below


def test_what_needs_no_key_asks_for_none(everything: Json) -> None:
    open_paths = {path for path, _, each in operations(everything) if "security" not in each}
    assert open_paths == {"/livez", "/readyz", "/health"}


@pytest.mark.parametrize("name", REQUIRED)
def test_models_have_the_documented_fields(everything: Json, name: str) -> None:
    schema = everything["components"]["schemas"][name]
    assert set(schema.get("required", ())) == REQUIRED[name]
    assert set(schema["properties"]) == REQUIRED[name] | OPTIONAL.get(name, set())
    nullable = {
        field
        for field, described in schema["properties"].items()
        if {"type": "null"} in described.get("anyOf", [])
    }
    assert nullable == NULLABLE.get(name, set())


def test_every_model_of_discovery_is_in_the_contract(documents: dict[str, Json]) -> None:
    assert set(documents[OF_DISCOVERY]["components"]["schemas"]) == set(REQUIRED)


@pytest.mark.parametrize("name", FACTS)
def test_fields_are_as_documented(everything: Json, name: str) -> None:
    model, _, field = name.partition(".")
    described = everything["components"]["schemas"][model]["properties"][field]
    alternatives = [each for each in described.get("anyOf", ()) if each != {"type": "null"}]
    assert len(alternatives) <= 1
    assert FACTS[name].items() <= (described | (alternatives or [{}])[0]).items()


def test_models_and_their_fields_are_described(documents: dict[str, Json]) -> None:
    for name, schema in documents[OF_DISCOVERY]["components"]["schemas"].items():
        assert schema["description"]
        # In Markdown an indented line is code.
        assert "\n " not in schema["description"]
        if name.startswith(("Auth", "Deleted", "FieldError", "ProblemDetails")):
            continue
        for described in schema["properties"].values():
            assert described["description"]


def test_a_signal_is_created_from_text_or_from_a_source(everything: Json) -> None:
    body = everything["paths"][SIGNALS]["post"]["requestBody"]
    assert body["required"] is True
    assert body["content"]["application/json"]["schema"]["oneOf"] == [
        {"$ref": "#/components/schemas/SignalTextCreate"},
        {"$ref": "#/components/schemas/SignalRawCreate"},
    ]


def test_every_example_is_valid(everything: Json) -> None:
    checked = 0
    for _, _, described in operations(everything):
        contents = [described.get("requestBody", {}).get("content", {})]
        contents += [answer["content"] for answer in described["responses"].values()]
        for content in (each for media in contents for each in media.values()):
            examples = [each["value"] for each in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            for example in examples:
                assert errors(everything, content["schema"], example) == []
                checked += 1
    assert checked > len(CONTRACT)


def test_examples_tell_one_story(documents: dict[str, Json]) -> None:
    """What a request gives is in the answer, and ids are those of the records shown."""
    shown: dict[str, Json] = {}
    for _, method, described in operations(documents[OF_DISCOVERY]):
        body = described.get("requestBody", {}).get("content", {}).get("application/json", {})
        answers = [each for status, each in described["responses"].items() if status < "300"]
        answer = answers[0]["content"]["application/json"]["example"]
        shown[described["operationId"]] = answer
        given: Json = next(iter(body.get("examples", {}).values()), {"value": {}})["value"]
        if method in ("post", "patch") and isinstance(answer, dict):
            kept = {name: value for name, value in given.items() if name in answer}
            assert kept == {name: answer[name] for name in kept}
            assert kept or not given
    opportunity, idea = shown["getOpportunity"], shown["getIdea"]
    assert (opportunity["name"], opportunity["score"]) == ("Exports that finish in seconds", 85)
    assert (idea["name"], shown["getProduct"]["name"]) == ("CSV button", "Atlas")
    ids = {
        "signalIds": shown["getSignal"]["id"],
        "insightIds": shown["getInsight"]["id"],
        "opportunityIds": opportunity["id"],
        "ideaIds": idea["id"],
    }
    assert len(set(ids.values())) == 4
    for record in (shown["getSignal"], shown["getInsight"], opportunity, idea):
        linked = {name: value for name, value in record.items() if name in ids}
        assert linked == {name: [ids[name]] for name in linked}
        assert record.get("productId", shown["getProduct"]["id"]) == shown["getProduct"]["id"]


# --- the served routes ------------------------------------------------------------------------


def _camel(path: str) -> str:
    return re.sub("_([a-z])", lambda found: found[1].upper(), path)


async def test_no_served_operation_is_missing(stack: Stack, database: Database) -> None:
    """Walks the router of the application: all but pages, figures for operators and what signed
    links lead to.
    """
    blobs = Blobs.open(stack.env["BLOB_URL"], {})
    client = rate_limit.connect(stack.env["REDIS_URL"], 1)
    with ProcessPool.open(1, 1) as compute:
        edge = create_app(
            database,
            blobs,
            rate_limit.Limiter(client),
            compute,
            Signer(b""),
            load_settings(stack.env),
        )
    await client.aclose()
    app = edge._app
    served = {
        (str(method).lower(), path)
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and "operation" in handler.opt
        for method in handler.http_methods
        for path in [_camel(route.path_format)]
    }
    described = {
        (method, path) for path, method, _ in operations(document.build_document(SURFACES))
    }
    aliases = {
        (method, alias)
        for method, path in described
        for alias in (f"/api{path}",)
        if path.startswith("/external/v1/") or path == "/readyz"
    }
    others = ("/", "/reference", "/metrics", "/files/{key}", *DOCUMENTS)
    unlisted = {("get", path) for path in others} | {("head", "/files/{key}")}
    assert served == described | aliases | unlisted


def test_the_documents_describe_each_handler_s_own_declaration(everything: Json) -> None:
    for surface in (DISCOVERY, REVENUE):
        declared = {
            handler.opt["operation"].id: handler.opt["operation"] for handler in surface.handlers
        }
        described = {
            each["operationId"]: each
            for path, _, each in operations(everything)
            if path.startswith(surface.prefixes[0] + "/")
        }
        assert set(described) == set(declared)
        for name, each in described.items():
            operation: Operation = declared[name]
            assert each["x-required-scopes"] == (
                [] if operation.access == "any key" else [operation.access]
            )


# --- what the API answers ---------------------------------------------------------------------


async def _walk_signals(tenant: Tenant, check: Checker) -> None:
    http = tenant.http
    typed = {
        "text": "The export fails every day. I would love a CSV button.",
        "signalType": "review",
        "occurredAt": "2024-03-20T10:00:00Z",
        "additionalContext": "a survey",
        "productIds": [str(uuid.uuid4())],
        "accountId": "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002",
    }
    raw = {
        "source": {"type": "support-ticket", "external_data": {"provider": "zendesk"}},
        "data": {"subject": "The reset link is broken"},
        "externalId": "12345",
    }
    signal = check(SIGNALS, await http.post(SIGNALS, json=typed))
    check(SIGNALS, await http.post(SIGNALS, json=raw))
    check(SIGNALS, await http.post(SIGNALS, json={"source": {"type": "call"}, "data": None}))
    await tenant.wait_until_processed(signal["id"])
    got = check(SIGNAL, await http.get(at(SIGNAL, signal["publicId"])))
    assert len(check(SIGNALS, await http.get(SIGNALS))) == 3
    filters = {"signalType": "review", "createdAfter": "2024-03-20T10:00:00Z"}
    assert len(check(SIGNALS, await http.get(SIGNALS, params=filters))) == 1
    assert len(check(SIGNALS, await http.get(SIGNALS, params={"externalId": "12345"}))) == 1
    assert got["insightIds"]
    for insight in got["insightIds"]:
        check(INSIGHT, await http.get(at(INSIGHT, insight)))
        evidence = f"{INSIGHT}/evidence"
        assert check(evidence, await http.get(at(evidence, insight)))
    check(SIGNAL, await http.patch(at(SIGNAL, of(signal)), json={"context": None}))
    check(f"{SIGNAL}/process", await http.post(at(f"{SIGNAL}/process", of(signal))))
    check(SIGNAL, await http.delete(at(SIGNAL, of(signal))))


async def _walk_insights(tenant: Tenant, check: Checker) -> None:
    http = tenant.http
    plain = check(INSIGHTS, await http.post(INSIGHTS, json={"description": "Exports are slow."}))
    assert not {"suggestions", "externalLinks"} & set(plain)
    whole = {
        "name": "Exports are slow",
        "description": "They take minutes.",
        "status": "published",
        "type": "user-interview",
        "productId": str(uuid.uuid4()),
        "tagIds": ["exports"],
        "suggestions": {"ask": ["How often?"]},
        "externalLinks": [{"type": "jira", "url": "https://jira.example/EXP-7"}, {}],
    }
    full = check(INSIGHTS, await http.post(INSIGHTS, json=whole))
    assert whole.items() <= full.items()
    cleared: Json = {"productId": None, "externalLinks": [], "suggestions": {}}
    check(INSIGHT, await http.patch(at(INSIGHT, of(full)), json=cleared))
    filters = {"q": "exports", "status": "published", "tagId": "exports"}
    assert len(check(INSIGHTS, await http.get(INSIGHTS, params=filters))) == 1
    said = "Ana: Exports take minutes and fail.\nAna: I would love a CSV button on the report page."
    for stored in (False, True):
        body = {"transcript": said, "createInsights": stored}
        assert check(TRANSCRIPT, await http.post(TRANSCRIPT, json=body))
    check(INSIGHT, await http.delete(at(INSIGHT, of(plain))))


async def _walk_opportunities_and_ideas(tenant: Tenant, check: Checker) -> None:
    http = tenant.http
    named = {"name": "Exports that finish in seconds", "description": "Teams wait for them."}
    insights = [of((await http.get(INSIGHTS)).json()[0])]
    product = str(uuid.uuid4())
    plain = check(OPPORTUNITIES, await http.post(OPPORTUNITIES, json=named))
    assert plain["score"] is None
    linked = named | {"insightIds": insights, "productId": product, "score": 85}
    opportunity = check(OPPORTUNITIES, await http.post(OPPORTUNITIES, json=linked))
    linked = named | {"insightIds": insights, "opportunityIds": [of(opportunity)]}
    headers = {"Idempotency-Key": "the CSV button"}
    idea = check(IDEAS, await http.post(IDEAS, json=linked, headers=headers))
    again = await http.post(IDEAS, json=linked, headers=headers)
    assert check(IDEAS, again) == idea
    assert again.headers["Idempotent-Replayed"] == "true"
    got = check(OPPORTUNITY, await http.get(at(OPPORTUNITY, of(opportunity))))
    assert got["ideaIds"] == [of(idea)]
    assert check(IDEA, await http.get(at(IDEA, of(idea)))) == idea
    changes = {"score": 92.5, "status": "validated", "productId": None}
    check(OPPORTUNITY, await http.patch(at(OPPORTUNITY, of(opportunity)), json=changes))
    check(IDEA, await http.patch(at(IDEA, of(idea)), json={"status": "backlog"}))
    filters = {"q": "seconds", "status": "validated"}
    assert len(check(OPPORTUNITIES, await http.get(OPPORTUNITIES, params=filters))) == 1
    assert len(check(IDEAS, await http.get(IDEAS, params={"status": "backlog"}))) == 1
    check(OPPORTUNITY, await http.delete(at(OPPORTUNITY, of(opportunity))))
    check(IDEA, await http.delete(at(IDEA, of(idea))))


async def _walk_the_rest(tenant: Tenant, check: Checker) -> None:
    http = tenant.http
    product = check(PRODUCTS, await http.post(PRODUCTS, json={"name": "Atlas"}))
    assert check(PRODUCTS, await http.get(PRODUCTS)) == [product]
    assert check(PRODUCT, await http.get(at(PRODUCT, of(product)))) == product
    check(CONTEXT, await http.get(CONTEXT))
    for path in ("/health", "/readyz", "/livez"):
        check(path, await http.get(path, headers={"Authorization": ""}))


async def test_answers_match_their_schemas(everything: Json, make_tenant: MakeTenant) -> None:
    tenant = await make_tenant(limits=COUNTED)
    check = Checker(everything)
    await _walk_signals(tenant, check)
    await _walk_insights(tenant, check)
    await _walk_opportunities_and_ideas(tenant, check)
    await _walk_the_rest(tenant, check)
    assert check.seen == {
        (path, method) for path, method, _ in operations(everything) if not path.startswith("/v1/")
    }


async def test_refusals_match_their_schemas(
    documents: dict[str, Json], make_tenant: MakeTenant
) -> None:
    """Of every operation with a key, each refusal that a request alone can bring about."""
    tenant = await make_tenant(limits=COUNTED)
    outsider = await make_tenant(scopes=["read"], limits=COUNTED)
    document = documents[OF_DISCOVERY]
    check = Checker(document)

    async def refused(status: int, path: str, method: str, who: Tenant, **request: Any) -> None:
        url = at(path, str(uuid.uuid4()))
        answer = await who.http.request(method.upper(), url, **request)
        assert answer.status_code == status, (path, method, answer.text)
        body = check(path, answer)
        assert body["status"] == status
        assert body["requestId"] == answer.headers["x-request-id"]

    keyed = [each for each in operations(document) if "security" in each[2]]
    for path, method, described in keyed:
        nobody = {"Authorization": "Bearer sk_live_nobody"}
        await refused(401, path, method, tenant, headers=nobody)
        if described["x-required-scopes"]:
            await refused(403, path, method, outsider)
        if "requestBody" in described:
            await refused(400, path, method, tenant, content=b"{")
        if any(each["name"] == "limit" for each in described["parameters"]):
            await refused(400, path, method, tenant, params={"limit": "0"})
        if "{id}" in path:
            await refused(404, path, method, tenant, json={})
        if method == "post":
            await refused(400, path, method, tenant, headers={"Idempotency-Key": "k" * 256})
    assert check.seen == {(path, method) for path, method, _ in keyed}
    huge = b" " * (10 * 1024 * 1024 + 1)
    await refused(413, SIGNALS, "post", tenant, content=huge)
    await refused(413, OPPORTUNITY, "patch", tenant, content=huge)


async def test_conflicts_and_reached_limits_match_their_schemas(
    everything: Json, make_tenant: MakeTenant
) -> None:
    tenant = await make_tenant(limits=COUNTED)
    hurried = await make_tenant(limits=RateLimitOverrides(minute=1))
    check = Checker(everything)
    product = {"name": "Atlas", "id": str(uuid.uuid4())}
    check(PRODUCTS, await tenant.http.post(PRODUCTS, json=product))
    again = await tenant.http.post(PRODUCTS, json=product)
    await hurried.http.get(IDEAS)
    late = await hurried.http.get(IDEAS)
    assert (again.status_code, late.status_code) == (409, 429)
    check(PRODUCTS, again)
    check(IDEAS, late)
