"""OpenAPI 3.1, made from what handlers declare and the structs that really decode and encode."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from domains.kernel.problems import Problem, invalid
from gateway.surface import Operation, Surface

_REF: Final = "#/components/schemas/{name}"
_REASONS: Final = {
    400: "The request is wrong: bad JSON, a missing field, a value of the wrong kind",
    401: "The API key is missing, unknown, expired or revoked",
    403: "The key lacks the scope",
    404: "There is no such record in this workspace",
    409: "The request conflicts with another one",
    411: "Content-Length is missing",
    413: "The body is too large",
    429: "A rate limit of the key is exceeded",
    500: "Something went wrong on our side",
    503: "A part that the request needs is away; try again",
}
_ANSWERS: Final = {200: "The request was carried out", 201: "Created"}

_HEADERS: Final = {
    "X-Request-Id": "Names this request in the logs; one that the client sent is kept",
    "X-RateLimit-Limit": "Requests allowed in the window nearest to its limit",
    "X-RateLimit-Remaining": "Requests left in that window",
    "X-RateLimit-Reset": "Unix time in seconds at which that window frees a place",
    "Retry-After": "Seconds to wait before the next attempt",
    "WWW-Authenticate": "Always `Bearer`",
    "Idempotent-Replayed": "`true` where an earlier answer is repeated",
    "X-Total-Count": "Records of the whole list, digits only",
    "X-Limit": "The limit that was in force",
    "X-Offset": "The offset that was in force",
    "X-Total-Count-Capped": "`true` where counting stopped before the end",
}
_RATE: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_PAGE: Final = ("X-Total-Count", "X-Limit", "X-Offset", "X-Total-Count-Capped")
_ON_ERROR: Final[Mapping[int, Sequence[str]]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After", *_RATE),
    503: ("Retry-After",),
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "Makes it safe to send the request again: within 24 hours the same key and body get the "
        "first answer instead of a second effect."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}

_REQUEST_ID: Final = "0199c2f4-7b1e-7c0d-9f55-3a1e6c2b8d10"
_SIGNAL: Final = "0199c2f4-6f0a-7d3c-8a41-5b0c9d7e2f11"
_INSIGHT: Final = "0199c2f4-8d42-7e10-a3b7-4c5d6e7f8091"
_WORKSPACE: Final = "0199c2f0-1c22-7b64-b0f5-9e8d7c6b5a40"
_JOB: Final = "0199c2f4-6f0b-7a55-93c2-1f2e3d4c5b6a"
# Values for the examples, by field or by `Struct.field`; UNSET leaves an optional field out. A
# field that has neither an entry here nor `examples` in its Meta gets a value of its type.
_SAMPLES: Final[Mapping[str, Any]] = {
    "workspaceId": _WORKSPACE,
    "org_id": _WORKSPACE,
    "jobId": _JOB,
    "lastJobId": _JOB,
    "signalId": _SIGNAL,
    "signalPublicId": "SIGNAL-42",
    "signalType": "review",
    "scopes": ["signals:read", "signals:write", "insights:read"],
    "Signal.id": _SIGNAL,
    "Signal.publicId": "SIGNAL-42",
    "Signal.name": "Survey, question 7",
    "Signal.status": "processed",
    "Signal.context": "User feedback",
    "Signal.externalId": None,
    "Signal.data": {
        "s3Key": f"signals/manual-text/{_WORKSPACE}/{_SIGNAL}.txt",
        "uploadedAt": "2026-03-11T14:30:00.087112Z",
    },
    "Signal.insightIds": [_INSIGHT],
    "Signal.createdAt": "2026-03-11T14:30:00.087112Z",
    "Signal.updatedAt": "2026-03-11T14:30:01.204355Z",
    "Signal.jobId": msgspec.UNSET,
    "SignalProcessing.startedAt": "2026-03-11T14:30:00.087112Z",
    "SignalProcessing.processedAt": "2026-03-11T14:30:01.204355Z",
    "SignalProcessing.failedAt": None,
    "SignalProcessing.lastError": None,
    "SignalSource.type": "manual-text",
    "SignalSource.external_data": {"signalType": "review", "analysisProfile": "survey_response"},
    "SignalTextCreate.text": "Exports are hard to find and take minutes. I want a CSV button.",
    "SignalTextCreate.name": "Survey, question 7",
    "SignalRawCreate.name": "Ticket 12345",
    "SignalRawCreate.source": {
        "type": "support-ticket",
        "external_data": {"provider": "zendesk"},
    },
    "SignalRawCreate.data": {
        "subject": "Users cannot reset their password",
        "thread": [{"body": "The reset link is broken and we are locked out."}],
    },
    "SignalRawCreate.externalId": "12345",
    "SignalUpdate.context": "For the team that owns exports",
    "Insight.id": _INSIGHT,
    "Insight.name": "Exports are hard to find and take minutes",
    "Insight.description": "Exports are hard to find and take minutes.",
    "Insight.status": "draft",
    "Insight.type": "feedback",
    "Insight.productId": None,
    "Insight.opportunityIds": [],
    "Insight.ideaIds": [],
    "Insight.tagIds": [],
    "Insight.createdAt": "2026-03-11T14:30:01.204355Z",
    "Insight.updatedAt": "2026-03-11T14:30:01.204355Z",
    "Evidence.quote": "Exports are hard to find and take minutes.",
    "Evidence.start": 0,
    "Evidence.end": 42,
    "Evidence.accountId": msgspec.UNSET,
    "Evidence.speaker": msgspec.UNSET,
    "Evidence.startTime": msgspec.UNSET,
    "Evidence.endTime": msgspec.UNSET,
    "Deleted.message": "Deleted",
    "AuthWorkspace.id": _WORKSPACE,
    "AuthWorkspace.name": "Acme",
    "Alive.status": "ok",
    "HealthResponse.status": "ok",
    "Health.status": "ok",
    "Health.parts": {
        "database": {"status": "ok"},
        "schema": {"status": "ok"},
        "workers": {"status": "ok"},
        "redis": {"status": "ok"},
        "blobs": {"status": "ok"},
    },
    "Health.queues": {"analysis": {"depth": 2, "oldestSeconds": 0.041}},
}
# Where an operation's answer is not the usual one of its struct.
_ANSWER_SAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "createSignal": {
        "status": "processing",
        "context": None,
        "insightIds": [],
        "updatedAt": "2026-03-11T14:30:00.087112Z",
        "jobId": _JOB,
        "processing": {
            "lastJobId": _JOB,
            "startedAt": "2026-03-11T14:30:00.087112Z",
            "processedAt": None,
            "failedAt": None,
            "lastError": None,
        },
    },
    "updateSignal": {"context": "For the team that owns exports"},
}


def document(surfaces: Sequence[Surface]) -> dict[str, Any]:
    """The OpenAPI document of some surfaces together, ready to be encoded."""
    schemas = _Schemas(surfaces)
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, None] = {}
    for surface in surfaces:
        for path, method, handler in _routes(surface):
            described = _operation(surface, path, method, handler, schemas)
            paths.setdefault(path, {})[method.lower()] = described
            tags[described["tags"][0]] = None
    single = surfaces[0] if len(surfaces) == 1 else None
    return {
        "openapi": "3.1.0",
        "info": {
            "title": single.title if single else "Evidence gateway",
            "version": version("evidence-gateway"),
            "description": single.description
            if single
            else "One place for customer evidence. "
            + " ".join(f"{surface.title}: {surface.description}" for surface in surfaces[:-1]),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "headers": {
                name: {"description": meaning, "schema": {"type": "string"}}
                for name, meaning in _HEADERS.items()
            },
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: `Authorization: Bearer sk_live_...`",
                }
            },
        },
    }


def _routes(surface: Surface) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Path, method and handler of each operation, under the documented prefix."""
    prefix = surface.prefixes[0].rstrip("/")
    for handler in surface.handlers:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", min(handler.paths, key=len))
        for method in sorted(handler.http_methods):
            yield prefix + path, str(method), handler


def _operation(
    surface: Surface, path: str, method: str, handler: HTTPRouteHandler, schemas: "_Schemas"
) -> dict[str, Any]:
    declared: Operation = handler.opt["operation"]
    described: dict[str, Any] = {
        "operationId": declared.id,
        "summary": declared.summary,
        "tags": [surface.tag_of(path)],
        "parameters": [*_path_parameters(path), *_query_parameters(declared)],
        "responses": _responses(surface, method, handler, schemas),
    }
    sentences = [inspect.getdoc(handler.fn) or ""]
    if declared.access != "public":
        scopes = [] if declared.access == "any key" else [declared.access]
        described["security"] = [{"apiKey": []}]
        described["x-required-scopes"] = scopes
        sentences.append(f"Needs the scope `{scopes[0]}`." if scopes else "Any valid key will do.")
        if method == "POST":
            described["parameters"].append(_IDEMPOTENCY_KEY)
    else:
        sentences.append("Needs no key.")
    if declared.addition:
        described["x-addition"] = True
        sentences.append("An addition: not part of the vendor's API.")
    described["description"] = " ".join(filter(None, sentences))
    if declared.request is not None:
        described["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": schemas.of(declared.request),
                    "examples": {
                        each.__name__: {
                            "summary": schemas.components[each.__name__].get("description", ""),
                            "value": schemas.request_example(each.__name__),
                        }
                        for each in _alternatives(declared.request)
                    },
                }
            },
        }
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _path_meaning(path, name),
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _path_meaning(path: str, name: str) -> str:
    noun = path.partition(f"/{{{name}}}")[0].rpartition("/")[2]
    if noun == "signals":
        return "The signal's uuid or its public id, such as `SIGNAL-42`."
    singular = f"{noun[:-3]}y" if noun.endswith("ies") else noun.removesuffix("s")
    return f"The uuid of the {singular.replace('-', ' ')}."


def _query_parameters(declared: Operation) -> list[dict[str, Any]]:
    if declared.query is None:
        return []
    described = _components([declared.query])[declared.query.__name__]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in described.get("required", ()),
            "description": schema.pop("description", ""),
            "schema": schema,
        }
        for name, schema in described["properties"].items()
    ]


def _responses(
    surface: Surface, method: str, handler: HTTPRouteHandler, schemas: "_Schemas"
) -> dict[str, Any]:
    declared: Operation = handler.opt["operation"]
    status = handler.status_code or 200
    answer = {
        "application/json": {
            "schema": schemas.of(_answer_type(handler)),
            "example": schemas.answer_example(_answer_type(handler), declared.id),
        }
    }
    keyed = declared.access != "public"
    headers = ["X-Request-Id"]
    # Health checks do not count.
    if keyed and declared.counted:
        headers += _RATE
    if keyed and method == "POST":
        headers.append("Idempotent-Replayed")
    if declared.query is not None:
        headers += _PAGE
    responses = {str(status): _response(_ANSWERS[status], headers, answer)}
    # A public handler that answers a Response sets the status itself, over the same body.
    own = not keyed and get_origin(get_type_hints(handler.fn)["return"]) is Response
    for status in sorted(_statuses(surface, method, declared)):
        body = answer if own else _refusal(surface, method, declared, status, schemas)
        if own:
            body = {kind: {"schema": each["schema"]} for kind, each in body.items()}
        headers = ["X-Request-Id", *(() if own else _ON_ERROR.get(status, ()))]
        responses[str(status)] = _response(_REASONS[status], headers, body)
    return responses


def _response(
    description: str, headers: Iterable[str], content: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": content,
    }


def _refusal(
    surface: Surface, method: str, declared: Operation, status: int, schemas: "_Schemas"
) -> dict[str, Any]:
    """The error body of a status, with what the surface really makes of such a problem."""
    error = surface.error_types.get(method, surface.error_types["*"])
    example = surface.error_body(_problem(declared, status), _REQUEST_ID, method)
    return {
        surface.media_type: {
            "schema": schemas.of(error),
            "example": msgspec.to_builtins(example),
        }
    }


def _problem(declared: Operation, status: int) -> Problem:
    """A refusal as the operation may give it."""
    if status == 400 and declared.query is not None:
        return invalid("limit", "must be a whole number")
    if status == 400 and declared.request is not None:
        body = next(_alternatives(declared.request))
        return invalid(msgspec.structs.fields(body)[0].encode_name, "is not valid")
    kind = next(each for each in Problem.__subclasses__() if each.status == status)
    messages = {
        401: "The API key is not valid: it is unknown, expired or revoked.",
        403: f"API key missing required scope: {declared.access}",
        429: "Rate limit exceeded",
    }
    return kind(messages.get(status, f"{_REASONS[status]}."))


def _statuses(surface: Surface, method: str, declared: Operation) -> set[int]:
    statuses = set(declared.errors)
    if declared.access == "public":
        return statuses
    statuses |= {401, 429, 500, 503}
    if declared.access != "any key":
        statuses |= {400, 403}
    if method in ("POST", "PATCH"):
        statuses.add(413)
        if surface.needs_length:
            statuses.add(411)
    return statuses


def _answer_type(handler: HTTPRouteHandler) -> Any:
    answer = get_type_hints(handler.fn)["return"]
    return get_args(answer)[0] if get_origin(answer) is Response else answer


class _Schemas:
    """The component schemas of everything that the surfaces take and answer."""

    def __init__(self, surfaces: Sequence[Surface]) -> None:
        types: list[Any] = []
        for surface in surfaces:
            types += surface.error_types.values()
            for _, _, handler in _routes(surface):
                declared: Operation = handler.opt["operation"]
                types.append(_answer_type(handler))
                types += _alternatives(declared.request)
        self.components = dict(sorted(_components(types).items()))

    def of(self, wanted: Any) -> dict[str, Any]:
        """The schema of a type, by reference where it is a struct."""
        alternatives = list(_alternatives(wanted))
        (made, _) = msgspec.json.schema_components(alternatives, ref_template=_REF)
        return made[0] if len(made) == 1 else {"oneOf": list(made)}

    def request_example(self, name: str) -> Any:
        """A short body: what is required, and what the table of samples has for this struct."""
        schema = self.components[name]
        return {
            field: self._sample(described, name, field)
            for field, described in schema["properties"].items()
            if field in schema["required"] or f"{name}.{field}" in _SAMPLES
        }

    def answer_example(self, answer: Any, operation: str) -> Any:
        """A whole answer, as this operation gives it."""
        example = self._sample(self.of(answer), "", "")
        if isinstance(example, dict):
            example |= _ANSWER_SAMPLES.get(operation, {})
        return example

    def _sample(self, schema: Mapping[str, Any], struct: str, field: str) -> Any:
        for name in (f"{struct}.{field}", field):
            if name in _SAMPLES:
                return _SAMPLES[name]
        if "examples" in schema:
            return schema["examples"][0]
        if "anyOf" in schema:
            return self._sample(schema["anyOf"][0], struct, field)
        if "$ref" in schema:
            struct = schema["$ref"].rpartition("/")[2]
            schema = self.components[struct]
        if "properties" in schema:
            made = {
                name: self._sample(described, struct, name)
                for name, described in schema["properties"].items()
            }
            return {name: value for name, value in made.items() if value is not msgspec.UNSET}
        if schema.get("type") == "array":
            return [self._sample(schema["items"], struct, "")]
        return _sample_of_type(schema)


def _sample_of_type(schema: Mapping[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if "default" in schema:
        return schema["default"]
    samples = {
        "uuid": _SIGNAL,
        "date-time": "2026-03-11T14:30:00Z",
        "integer": 1,
        "number": 1.5,
        "boolean": True,
        "object": {},
        "null": None,
    }
    kind = str(schema.get("format", schema.get("type")))
    return samples.get(kind, samples.get(str(schema.get("type")), "text"))


def _alternatives(wanted: Any) -> Iterator[Any]:
    """The members of a union of structs, which msgspec itself could not tell apart."""
    if isinstance(wanted, UnionType):
        yield from get_args(wanted)
    elif wanted is not None:
        yield wanted


# --- from structs to schemas ------------------------------------------------------------------


def _components(types: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """The schemas of all structs in some types, by name."""
    wanted = list(types)
    (_, made) = msgspec.json.schema_components(wanted, ref_template=_REF)
    structs = {each.__name__: each for each in _structs(wanted)}
    for name, schema in made.items():
        # A title that only repeats the name says nothing.
        schema.pop("title", None)
        if name in structs:
            for field in msgspec.structs.fields(structs[name]):
                _refine(field.type, schema["properties"][field.encode_name])
    return made


def _structs(types: Iterable[Any]) -> set[type[msgspec.Struct]]:
    """The structs in some types, at any depth."""
    found: set[type[msgspec.Struct]] = set()
    waiting = list(types)
    while waiting:
        each = waiting.pop()
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and each not in found:
            found.add(each)
            waiting += [field.type for field in msgspec.structs.fields(each)]
        waiting += get_args(each)
    return found


def _refine(kind: Any, schema: dict[str, Any]) -> None:
    """Put right what msgspec's schema leaves out of a field.

    It names no format for a date-time that may lack an offset, sorts the values of a Literal, and
    forgets what a union's Meta adds.
    """
    origin, members = get_origin(kind), get_args(kind)
    if kind is datetime:
        schema["format"] = "date-time"
    elif origin is Literal:
        schema["enum"] = list(members)
    elif origin is Annotated:
        _refine(members[0], schema)
        for meta in members[1:]:
            if isinstance(meta, msgspec.Meta) and meta.extra_json_schema:
                schema.update(meta.extra_json_schema)
    elif origin in (Union, UnionType):
        kinds = [member for member in members if member is not msgspec.UnsetType]
        if len(kinds) == 1:
            _refine(kinds[0], schema)
        elif not _structs(kinds):
            # msgspec puts null at the end.
            kinds.sort(key=lambda member: member is type(None))
            for member, described in zip(kinds, schema["anyOf"], strict=True):
                _refine(member, described)
    elif origin is list and "items" in schema:
        _refine(members[0], schema["items"])
