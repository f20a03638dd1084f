"""OpenAPI 3.1, made from what handlers declare and the structs that really decode and encode."""

import inspect
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from domains.kernel.core.problems import Problem, invalid
from domains.kernel.pagination.offset import COUNT_CAP, OffsetQuery
from gateway.surface import Operation, Surface

_REF: Final = "#/components/schemas/{name}"
# In the examples of errors.
_REQUEST_ID: Final = "0199c2f4-7b1e-7c0d-9f55-3a1e6c2b8d10"
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
_FOREIGN: Final = "The key lacks the scope, or the request writes through what is not yours"
_ANSWERS: Final = {200: "The request was carried out", 201: "Created"}

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_FLAG: Final = {"type": "boolean"}
# Meaning, schema, and whether it is on every answer that documents it: `required`.
_HEADERS: Final = {
    "X-Request-Id": (
        "Names this request in the logs; one that the client sent is kept",
        _TEXT,
        True,
    ),
    "X-RateLimit-Limit": (
        "Requests allowed in the window nearest to its limit; absent for a key without limits",
        _WHOLE,
        False,
    ),
    "X-RateLimit-Remaining": ("Requests left in that window", _WHOLE, False),
    "X-RateLimit-Reset": ("Unix time in seconds at which that window frees a place", _WHOLE, False),
    "Retry-After": ("Seconds to wait before the next attempt", _WHOLE, True),
    "WWW-Authenticate": ("Always `Bearer`", _TEXT, True),
    "Idempotent-Replayed": ("`true` where an earlier answer is repeated", _FLAG, False),
    "X-Total-Count": (
        f"Records of the whole list. Counting stops at {COUNT_CAP:,}: then this is {COUNT_CAP} and "
        "`X-Total-Count-Capped` is `true`",
        _WHOLE,
        True,
    ),
    "X-Limit": ("The limit that was in force", _WHOLE, True),
    "X-Offset": ("The offset that was in force", _WHOLE, True),
    "X-Total-Count-Capped": (
        "`true` where there are more records than `X-Total-Count` says; absent otherwise",
        _FLAG,
        False,
    ),
}
_RATE: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_PAGE: Final = ("X-Total-Count", "X-Limit", "X-Offset", "X-Total-Count-Capped")
_ON_ERROR: Final[Mapping[int, Sequence[str]]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
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
    # Printable ASCII; blanks at the ends get lost on the way.
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": "^[!-~]([ -~]*[!-~])?$",
    },
}


def build_document(surfaces: Sequence[Surface]) -> dict[str, Any]:
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
            "schemas": _without_examples(schemas.components),
            "headers": {
                name: {"description": meaning, "required": always, "schema": schema}
                for name, (meaning, schema, always) in _HEADERS.items()
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
        path = re.sub(
            r"\{(\w+):\w+\}",
            lambda found: f"{{{_camel(found[1])}}}",
            min(handler.paths, key=len),
        )
        for method in sorted(handler.http_methods):
            yield prefix + path, str(method), handler


def _camel(name: str) -> str:
    return re.sub("_([a-z])", lambda found: found[1].upper(), name)


def _operation(
    surface: Surface, path: str, method: str, handler: HTTPRouteHandler, schemas: "_Schemas"
) -> dict[str, Any]:
    declared: Operation = handler.opt["operation"]
    described: dict[str, Any] = {
        "operationId": declared.id,
        "summary": declared.summary,
        "tags": [surface.tag_of(path)],
        "parameters": [*_path_parameters(path, declared), *_query_parameters(surface, declared)],
        "responses": _responses(surface, path, method, handler, schemas),
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
                            "summary": schemas.summary(each.__name__),
                            "value": schemas.request_example(each),
                        }
                        for each in _alternatives(declared.request)
                    },
                }
            },
        }
    return described


def _path_parameters(path: str, declared: Operation) -> list[dict[str, Any]]:
    """The id in the path. Its description is the declared one, or is made of the collection."""
    (schema,), _ = msgspec.json.schema_components([declared.path_id])
    found = re.search(r"([\w-]+)/\{(\w+)\}", path)
    if found is None:
        return []
    collection, name = found.groups()
    record = f"{collection[:-3]}y" if collection.endswith("ies") else collection.removesuffix("s")
    description = schema.pop("description", f"The uuid of the {record.replace('-', ' ')}.")
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": description,
            "schema": schema,
        }
    ]


def _query_parameters(surface: Surface, declared: Operation) -> list[dict[str, Any]]:
    if declared.query is None:
        return []
    described = _components([declared.query])[declared.query.__name__]
    vendor = surface.vendor_parameters
    return [
        {
            "name": name,
            "in": "query",
            "required": name in described.get("required", ()),
            "description": schema.pop("description", ""),
            "schema": schema,
            **({"x-addition": True} if vendor is not None and name not in vendor else {}),
        }
        for name, schema in described["properties"].items()
    ]


def _responses(
    surface: Surface, path: str, method: str, handler: HTTPRouteHandler, schemas: "_Schemas"
) -> dict[str, Any]:
    declared: Operation = handler.opt["operation"]
    status = handler.status_code or 200
    answer = {
        "application/json": {
            "schema": schemas.of(_answer_type(handler)),
            "example": schemas.answer_example(_answer_type(handler), declared),
        }
    }
    keyed = declared.access != "public"
    headers = ["X-Request-Id"]
    # Health checks do not count.
    if keyed and declared.counted:
        headers += _RATE
    if keyed and method == "POST":
        headers.append("Idempotent-Replayed")
    if declared.query is not None and issubclass(declared.query, OffsetQuery):
        headers += _PAGE
    responses = {str(status): _response(_ANSWERS[status], headers, answer)}
    if links := _links(surface, path, declared) if status == 201 else None:
        responses[str(status)]["links"] = links
    # A public handler that answers a Response sets the status itself, over the same body.
    own = not keyed and get_origin(get_type_hints(handler.fn)["return"]) is Response
    for status in sorted(_statuses(surface, method, declared)):
        body = answer if own else _refusal(surface, path, method, declared, status, schemas)
        if own:
            body = {kind: {"schema": each["schema"]} for kind, each in body.items()}
        headers = ["X-Request-Id", *(() if own else _ON_ERROR.get(status, ()))]
        # What admission refuses is not counted, everything else is.
        admitted = status not in (401, 403) or status in declared.errors
        if status == 429 or (keyed and declared.counted and admitted):
            headers += _RATE
        reason = _FOREIGN if status == 403 and admitted else _REASONS[status]
        responses[str(status)] = _response(reason, headers, body)
    return responses


def _links(surface: Surface, collection: str, creating: Operation) -> dict[str, Any]:
    """Operations on the record that a POST to the collection has created."""
    links = {}
    for path, method, handler in _routes(surface):
        declared: Operation = handler.opt["operation"]
        changes = path == collection and method != "POST"
        if not changes and not path.startswith(f"{collection}/{{"):
            continue
        required = [
            parameter["name"]
            for parameter in (
                *_path_parameters(path, declared),
                *_query_parameters(surface, declared),
            )
            if parameter["required"]
        ]
        if required:
            links[declared.id] = {
                "operationId": declared.id,
                "parameters": {
                    name: f"$response.body#/{creating.links.get(name, 'id')}" for name in required
                },
                "description": f"{declared.summary}: the one just created",
            }
    return links


def _response(
    description: str, headers: Iterable[str], content: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": content,
    }


def _refusal(
    surface: Surface,
    path: str,
    method: str,
    declared: Operation,
    status: int,
    schemas: "_Schemas",
) -> dict[str, Any]:
    """The error body of a status, with what the surface really makes of such a problem."""
    error = surface.error_types.get(method, surface.error_types["*"])
    problem = _problem(surface, path, declared, status, schemas)
    example = surface.error_body(problem, _REQUEST_ID, method)
    return {
        surface.media_type: {
            "schema": schemas.of(error),
            "example": msgspec.to_builtins(example),
        }
    }


def _problem(
    surface: Surface, path: str, declared: Operation, status: int, schemas: "_Schemas"
) -> Problem:
    """A refusal as the operation may give it."""
    if status == 400 and declared.query is not None:
        return _query_fault(surface, declared)
    if status == 400 and declared.request is not None:
        return _fault(schemas.components[next(_alternatives(declared.request)).__name__])
    if status == 400 and surface.refuses_malformed_ids:
        for parameter in _path_parameters(path, declared):
            if parameter["schema"].get("format") == "uuid":
                return invalid(parameter["name"], "must be a UUID")
    kind = next(each for each in Problem.__subclasses__() if each.status == status)
    messages = {
        400: "The request could not be read.",
        401: "The API key is not valid: it is unknown, expired or revoked.",
        403: f"API key missing required scope: {declared.access}",
        429: "Rate limit exceeded",
    }
    return kind(messages.get(status, f"{_REASONS[status]}."))


def _query_fault(surface: Surface, declared: Operation) -> Problem:
    """What is usually wrong with a query: a missing parameter, or a limit that is no number."""
    parameters = _query_parameters(surface, declared)
    for each in parameters:
        if each["required"]:
            return invalid(each["name"], "is required")
        if each["name"] == "limit":
            return invalid("limit", "must be a whole number")
    name, schema = parameters[0]["name"], parameters[0]["schema"]
    if schema.get("format") == "uuid":
        return invalid(name, "is not a valid UUID")
    return invalid(name, f"must be a string of at most {schema['maxLength']} characters")


def _fault(body: Mapping[str, Any]) -> Problem:
    """What is usually wrong with a body: a missing field, or a value outside an enumeration."""
    for name in body.get("required", ()):
        return invalid(name, "is required")
    for name, field in body["properties"].items():
        if "enum" in field:
            return invalid(name, f"must be one of {', '.join(map(str, field['enum']))}")
    return invalid(next(iter(body["properties"])), "is not valid")


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

    def summary(self, name: str) -> str:
        """The first line of a struct's description."""
        return str(self.components[name].get("description", "")).partition("\n")[0]

    def request_example(self, request: type[Any]) -> Any:
        return self._example(self.of(request))

    def answer_example(self, answer: Any, declared: Operation) -> Any:
        """The example of the answer's type, with what the operation changes in it.

        Fields of the request's example appear in the answer.
        """
        example = self._example(self.of(answer))
        if isinstance(example, list):
            return [_changed(item, declared.example) for item in example]
        for request in itertools.islice(_alternatives(declared.request), 1):
            sent = self.request_example(request)
            example |= {name: value for name, value in sent.items() if name in example}
        return _changed(example, declared.example)

    def _example(self, schema: Mapping[str, Any]) -> Any:
        if "examples" in schema:
            return schema["examples"][0]
        if "anyOf" in schema:
            return self._example(schema["anyOf"][0])
        if "$ref" in schema:
            schema = self.components[schema["$ref"].rpartition("/")[2]]
        if "properties" in schema:
            return {
                name: self._example(field)
                for name, field in schema["properties"].items()
                if name in schema.get("required", ()) or _has_example(field)
            }
        if schema.get("type") == "array":
            return [self._example(schema["items"])]
        if "enum" in schema:
            return schema["enum"][0]
        if "default" in schema:
            return schema["default"]
        return _EXAMPLES.get(schema.get("format", schema.get("type")))


def _changed(example: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in {**example, **changes}.items() if value is not msgspec.UNSET
    }


# Of fields that declare none, by format or type.
_EXAMPLES: Final[Mapping[str | None, Any]] = {
    "uuid": "0199c2f0-1c22-7b64-b0f5-9e8d7c6b5a40",
    "date-time": "2026-03-16T13:00:00Z",
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "object": {},
}


def _has_example(schema: Mapping[str, Any]) -> bool:
    """True if a field, or a struct within it, declares examples."""
    if "examples" in schema or "$ref" in schema:
        return True
    within = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]
    return any(map(_has_example, within))


def _without_examples(schema: Any) -> Any:
    """The schema without those of fields: they are shown in whole requests and answers."""
    if isinstance(schema, list):
        return [_without_examples(each) for each in schema]
    if isinstance(schema, dict):
        return {
            name: _without_examples(each)
            for name, each in schema.items()
            if name != "examples" or not isinstance(each, list)
        }
    return schema


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
        # A title that only repeats the name says nothing, nor does an empty list.
        schema.pop("title", None)
        if not schema.get("required"):
            schema.pop("required", None)
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
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

    It names no format for a date-time that may lack an offset, sorts the values of a Literal and
    names no type for them, and forgets what a union's Meta adds.
    """
    origin, members = get_origin(kind), get_args(kind)
    if kind is datetime:
        schema["format"] = "date-time"
    elif origin is Literal:
        schema["enum"] = list(members)
        for each, name in ((str, "string"), (int, "integer")):
            if all(type(member) is each for member in members):
                schema["type"] = name
    elif origin is Annotated:
        _refine_annotated(members[0], members[1:], schema)
    elif origin in (Union, UnionType):
        _refine_union([each for each in members if each is not msgspec.UnsetType], schema)
    elif origin is list and "items" in schema:
        _refine(members[0], schema["items"])


def _refine_annotated(kind: Any, added: Iterable[Any], schema: dict[str, Any]) -> None:
    """What a field says stands before what its type says."""
    metas = [meta for meta in added if isinstance(meta, msgspec.Meta)]
    schema.pop("description", None)
    _refine(kind, schema)
    said = [schema.get("description"), *(meta.description for meta in metas)]
    if any(said):
        schema["description"] = ": ".join(each for each in reversed(said) if each)
    for meta in metas:
        schema.update(meta.extra_json_schema or {})
        if meta.examples:
            schema["examples"] = meta.examples


def _refine_union(kinds: list[Any], schema: dict[str, Any]) -> None:
    if len(kinds) == 1:
        _refine(kinds[0], schema)
    elif not _structs(kinds):
        # msgspec puts null at the end.
        kinds.sort(key=lambda member: member is type(None))
        flat: list[Any] = []
        for member, described in zip(kinds, schema["anyOf"], strict=True):
            _refine(member, described)
            if "description" in described:
                schema["description"] = described.pop("description")
            flat += described["anyOf"] if described.keys() == {"anyOf"} else [described]
        schema["anyOf"] = flat
