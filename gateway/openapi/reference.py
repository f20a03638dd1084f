"""API reference: one HTML page built from the OpenAPI document, without scripts."""

import itertools
import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from gateway.openapi.html import heading, navigation_group, panel, prose, section, slug
from gateway.openapi.reference_topics import topics_of
from gateway.openapi.style import STYLE

Json = Mapping[str, Any]

# Explained once for all operations.
_COMMON_STATUSES: Final = frozenset({401, 403, 411, 413, 429, 500, 503})
_COMMON_HEADERS: Final = re.compile("X-Request-Id|X-RateLimit-.*|Idempotent-Replayed|Retry-After")


def render(document: Json) -> bytes:
    """Render the page: topics, operations with examples, and models."""
    schemas: Json = document["components"]["schemas"]
    groups: dict[str, list[tuple[str, str, Json]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            inlined = _without_references(operation, document["components"])
            groups.setdefault(operation["tags"][0], []).append((method.upper(), path, inlined))
    topics = topics_of(list(itertools.chain(*groups.values())))
    links = [(topic.anchor, topic.title, "") for topic in topics]
    navigation = [navigation_group("Basics", "basics", links)]
    body = [section(*topic) for topic in topics]
    for tag, operations in groups.items():
        links = [(each["operationId"], each["summary"], method) for method, _, each in operations]
        navigation.append(navigation_group(tag, slug(tag), links))
        body.append(heading(tag, slug(tag)))
        body += [_operation(*operation, schemas) for operation in operations]
    links = [(f"schema-{name}", name, "") for name in schemas]
    navigation.append(navigation_group("Models", "models", links))
    body.append(heading("Models", "models"))
    body += [_model(name, schema, schemas) for name, schema in schemas.items()]
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} · API reference</title><style>{STYLE}</style></head>"
        '<body><a class="skip" href="#basics">Skip the navigation</a>'
        f'<nav aria-label="Contents"><strong>{escape(info["title"])}</strong>'
        f"<div>{''.join(navigation)}</div></nav>"
        f'<main><h1 id="basics">API reference</h1><p class="lead">{prose(info["description"])}</p>'
        f'<p class="soft">Version {escape(info["version"])}. OpenAPI 3.1 documents: '
        '<a href="/openapi.json">both APIs</a>, '
        '<a href="/external/v1/openapi.json">discovery</a>, '
        '<a href="/v1/openapi.json">revenue record</a>.</p>'
        f"{''.join(body)}</main></body></html>"
    ).encode()


def _without_references(operation: Json, components: Json) -> Json:
    """The operation with its parameters and responses instead of references."""

    def resolve(value: Json) -> Json:
        path = str(value.get("$ref", "")).split("/")
        found: Json = components[path[-2]][path[-1]] if len(path) > 1 else value
        return found

    parameters = [resolve(parameter) for parameter in operation["parameters"]]
    responses = {status: resolve(each) for status, each in operation["responses"].items()}
    return {**operation, "parameters": parameters, "responses": responses}


# --- operations -------------------------------------------------------------------------------


def _operation(method: str, path: str, operation: Json, schemas: Json) -> str:
    labels = [scope for each in operation["security"] for scope in each["bearer"]]
    if operation.get("x-addition"):
        labels.append("addition")
    chips = "".join(f' <span class="chip">{label}</span>' for label in labels)
    text = [
        f'<div class="at"><span class="m {method}">{method}</span>'
        f"<code>{escape(path)}</code></div>",
        f"<p>{prose(operation['description'])}</p>",
    ]
    for place, title in (("path", "Path"), ("query", "Query"), ("header", "Headers")):
        fields = "".join(
            _field(
                parameter["name"],
                {**parameter["schema"], "description": parameter.get("description", "")},
                parameter["required"],
                schemas,
            )
            for parameter in operation["parameters"]
            if parameter["in"] == place
        )
        if fields:
            text.append(f'<h4>{title}</h4><dl class="fields">{fields}</dl>')
    text += _bodies(operation, schemas)
    text.append(f"<h4>Responses</h4><table>{_responses(operation)}</table>")
    return section(
        operation["operationId"],
        f"{prose(operation['summary'])}{chips}",
        "".join(text),
        _examples(method, path, operation),
    )


def _bodies(operation: Json, schemas: Json) -> list[str]:
    """The body, or each of its alternatives."""
    if "requestBody" not in operation:
        return []
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    alternatives = schema.get("oneOf", [schema])
    titles = ["Body"] if len(alternatives) == 1 else ["Body, either", "or"]
    bodies = []
    for title, reference in zip(titles, alternatives, strict=True):
        model = _resolve(reference, schemas)
        bodies.append(
            f"<h4>{title} {_type(reference)}</h4>"
            f'<p class="soft">{prose(model.get("description", ""))}</p>{_fields(model, schemas)}'
        )
    return bodies


def _responses(operation: Json) -> str:
    """Table rows of the responses. Errors common to all operations share one row."""
    rows, common = [], []
    for status, response in operation["responses"].items():
        if int(status) in _COMMON_STATUSES:
            common.append(f"<code>{status}</code>")
            continue
        schema = next(iter(response["content"].values()))["schema"]
        names = [name for name in response["headers"] if not _COMMON_HEADERS.fullmatch(name)]
        text = f"{prose(response['description'])} · {_type(schema)}"
        if names:
            text += f'<br><span class="soft">Headers: {", ".join(map(escape, names))}</span>'
        rows.append(f"<tr><td><code>{status}</code></td><td>{text}</td></tr>")
    if common:
        rows.append(
            f'<tr><td colspan="2"><span class="soft">As for any request: {" ".join(common)} · '
            '<a href="#errors">Errors</a></span></td></tr>'
        )
    return "".join(rows)


def _examples(method: str, path: str, operation: Json) -> str:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    bodies: Json = content.get("examples", {}) or {"": {"value": None}}
    panels = [
        panel(
            f"Request · {name}" if len(bodies) > 1 else "Request",
            _curl(method, path, operation, body["value"]),
        )
        for name, body in bodies.items()
    ]
    for status, response in operation["responses"].items():
        if int(status) < 300:
            example = next(iter(response["content"].values())).get("example")
            panels.append(panel(f"Response · {status}", example))
    return "".join(panels)


def _curl(method: str, path: str, operation: Json, body: Any) -> str:
    """The request as a command. Ids and required parameters are shell variables."""
    path = re.sub(r"\{\w+\}", "$ID", path)
    query = "&".join(
        f"{parameter['name']}=${_variable(parameter['name'])}"
        for parameter in operation["parameters"]
        if parameter["in"] == "query" and parameter["required"]
    )
    url = f"$BASE{path}?{query}" if query else f"$BASE{path}"
    lines = ["curl" + ("" if method == "GET" else f" -X {method}") + f' "{url}"']
    if operation["security"]:
        lines.append('-H "Authorization: Bearer $KEY"')
    if body is not None:
        # Within single quotes, the shell needs '\'' for a quote.
        text = json.dumps(body, indent=2, ensure_ascii=False).replace("'", "'\\''")
        lines += ['-H "Content-Type: application/json"', f"-d '{text}'"]
    return " \\\n  ".join(lines)


def _variable(name: str) -> str:
    """`REMOTE_ID` for `remoteId`."""
    return re.sub("([A-Z])", r"_\1", name).upper()


# --- models -----------------------------------------------------------------------------------


def _model(name: str, schema: Json, schemas: Json) -> str:
    text = f"<p>{prose(schema.get('description', ''))}</p>{_fields(schema, schemas)}"
    return section(f"schema-{name}", f"<code>{escape(name)}</code>", text, "")


def _fields(schema: Json, schemas: Json, depth: int = 0) -> str:
    required = schema.get("required", [])
    rows = "".join(
        _field(name, field, name in required, schemas, depth)
        for name, field in schema.get("properties", {}).items()
    )
    return f'<dl class="fields">{rows}</dl>' if rows else ""


def _field(name: str, schema: Json, required: bool, schemas: Json, depth: int = 0) -> str:
    inner = _innermost(schema)
    model = _resolve(inner, schemas)
    description = schema.get("description", "" if model is inner else model.get("description", ""))
    texts = (prose(description), _constraints(schema))
    notes = "".join(f"<p>{text}</p>" for text in texts if text)
    if model is not inner and depth < 2:
        title = f"Fields of {inner['$ref'].rpartition('/')[2]}"
        notes += (
            f"<details><summary>{escape(title)}</summary>{_fields(model, schemas, depth + 1)}"
            "</details>"
        )
    mark = '<span class="req">required</span>' if required else ""
    return (
        f'<div><dt><code>{escape(name)}</code><span class="soft">{_type(schema)}</span>{mark}</dt>'
        f"<dd>{notes}</dd></div>"
    )


def _innermost(schema: Json) -> Json:
    """The reference to a model within arrays, objects and unions, or the schema itself."""
    inner: Any = schema
    while isinstance(inner, Mapping) and "$ref" not in inner:
        # Null comes last in a union.
        inner = inner.get("items", inner.get("additionalProperties", inner.get("anyOf", [0])[0]))
    return inner if isinstance(inner, Mapping) else schema


def _resolve(schema: Json, schemas: Json) -> Json:
    """The model that the schema refers to, or the schema itself."""
    model: Json = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    return model


def _type(schema: Json) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return escape(str(schema.get("type", "string")))
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type(schema['additionalProperties'])}"
    return escape(str(schema.get("format", schema.get("type", "any JSON"))))


def _constraints(schema: Json) -> str:
    """Bounds, pattern and default in words."""
    for member in schema.get("anyOf", ()):
        if member.get("type") != "null":
            schema = {**member, **schema}
    words = []
    if "enum" in schema:
        values = (f"<code>{escape(str(value))}</code>" for value in schema["enum"])
        words.append(f"One of {', '.join(values)}.")
    minimum, maximum = schema.get("minimum"), schema.get("maximum")
    if minimum is not None:
        upper = f", at most {maximum:,}" if maximum is not None else ""
        words.append(f"At least {minimum:,}{upper}.")
    if 1 in (schema.get("minLength"), schema.get("minItems"), schema.get("minProperties")):
        words.append("Not empty.")
    for keyword, noun in (("maxItems", "items"), ("maxProperties", "fields")):
        if keyword in schema:
            words.append(f"At most {schema[keyword]:,} {noun}.")
    if "maxLength" in schema:
        words.append(f"At most {schema['maxLength']:,} characters.")
    if "pattern" in schema:
        words.append(f"Matches <code>{escape(schema['pattern'])}</code>.")
    if schema.get("default") not in (None, [], ""):
        words.append(f"Default <code>{escape(json.dumps(schema['default']))}</code>.")
    return f'<span class="soft">{" ".join(words)}</span>' if words else ""
