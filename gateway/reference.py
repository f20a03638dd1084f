"""The API reference as one page: plain HTML from the OpenAPI document, no script, no network."""

import json
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { --ink: #1c2024; --soft: #60646c; --line: #e0e1e6; --wash: #f9f9fb; --accent: #0d74ce; }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.55 system-ui, sans-serif; color: var(--ink); }
nav { position: fixed; inset: 0 auto 0 0; width: 17rem; overflow-y: auto; padding: 1.25rem;
      background: var(--wash); border-right: 1px solid var(--line); font-size: 14px; }
nav b { display: block; margin: 1.1rem 0 .3rem; }
nav a { display: flex; gap: .5rem; padding: .15rem 0; color: inherit; text-decoration: none; }
nav a:hover { color: var(--accent); }
main { margin-left: 17rem; padding: 2rem 3rem 6rem; max-width: 62rem; }
h1 { margin-top: 0; } h2 { margin: 3rem 0 0; padding-top: 1rem; border-top: 2px solid var(--ink); }
section { padding: 1.5rem 0; border-bottom: 1px solid var(--line); }
h3 { margin: 0 0 .3rem; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
pre { background: #1c2024; color: #edeef0; padding: .9rem 1rem; border-radius: 6px;
      overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; font-size: 14px; }
td, th { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0;
         border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; }
.m { display: inline-block; min-width: 3.4rem; font: 600 11px/1.9 ui-monospace, monospace; }
.GET { color: #0d74ce; } .POST { color: #218358; } .PATCH { color: #ab6400; }
.DELETE { color: #ce2c31; }
.soft { color: var(--soft); } .req { color: #ce2c31; font-size: 12px; }
.tag { border: 1px solid var(--line); border-radius: 4px; padding: 0 .35rem; font-size: 12px; }
@media (max-width: 60rem) {
  nav { position: static; width: auto; }
  main { margin: 0; padding: 1rem; }
}
"""


def render(document: dict[str, Any]) -> bytes:
    """The page: navigation, then each operation with parameters, body, answers and a curl call."""
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            groups.setdefault(described["tags"][0], []).append((method.upper(), path, described))
    schemas = document["components"]["schemas"]
    navigation = "".join(
        f"<b>{escape(tag)}</b>" + "".join(_entry(*each) for each in listed)
        for tag, listed in groups.items()
    )
    body = "".join(
        f"<h2>{escape(tag)}</h2>" + "".join(_section(*each, schemas) for each in listed)
        for tag, listed in groups.items()
    )
    models = "".join(
        f'<section id="schema-{escape(name)}"><h3><code>{escape(name)}</code></h3>'
        f"{_fields(schema, schemas)}</section>"
        for name, schema in schemas.items()
    )
    info = document["info"]
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body>"
        f"<nav><strong>{escape(info['title'])}</strong>{navigation}<b>Models</b>"
        + "".join(f'<a href="#schema-{escape(n)}">{escape(n)}</a>' for n in schemas)
        + f"</nav><main><h1>API reference</h1><p class=soft>Version {escape(info['version'])}. "
        "Every request carries <code>Authorization: Bearer sk_live_…</code>. "
        'The same as data: <a href="/openapi.json">everything</a>, '
        '<a href="/external/v1/openapi.json">discovery</a>, '
        '<a href="/v1/openapi.json">revenue record</a> (OpenAPI 3.1).</p>'
        f"{body}<h2>Models</h2>{models}</main></body></html>"
    ).encode()


def _entry(method: str, path: str, described: dict[str, Any]) -> str:
    return (
        f'<a href="#{escape(described["operationId"])}" title="{escape(path)}">'
        f'<span class="m {method}">{method}</span>{escape(described["summary"])}</a>'
    )


def _section(method: str, path: str, described: dict[str, Any], schemas: dict[str, Any]) -> str:
    mark = " <span class=tag>addition</span>" if described.get("x-addition") else ""
    parts = [
        f'<section id="{escape(described["operationId"])}"><h3>{escape(described["summary"])}{mark}'
        f'</h3><p><span class="m {method}">{method}</span><code>{escape(path)}</code></p>',
        f"<p class=soft>{escape(described.get('description', 'No key needed.'))}</p>",
    ]
    if described["parameters"]:
        rows = "".join(
            f"<tr><td><code>{escape(each['name'])}</code> <span class=soft>{each['in']}</span>"
            f"{_required(each['required'])}<td>{_type(each['schema'])}"
            f"<td>{escape(each.get('description', ''))}{_default(each['schema'])}"
            for each in described["parameters"]
        )
        parts.append(f"<table><tr><th>Parameter<th>Type<th>{rows}</table>")
    if "requestBody" in described:
        schema = described["requestBody"]["content"]["application/json"]["schema"]
        parts += [
            f"<p>Body: {_type(each)}</p>{_fields(_follow(each, schemas), schemas)}"
            for each in schema.get("oneOf", [schema])
        ]
    answers = "".join(
        f"<tr><td><code>{status}</code><td>{_type(_content(answer))}"
        f"<td>{escape(answer['description'])}"
        for status, answer in described["responses"].items()
    )
    parts.append(f"<table><tr><th>Status<th>Body<th>{answers}</table>")
    parts.append(f"<pre>{escape(_curl(method, path, described, schemas))}</pre></section>")
    return "".join(parts)


def _content(answer: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = next(iter(answer["content"].values()))["schema"]
    return schema


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code>{_required(name in required)}<td>{_type(field)}"
        f"<td>{escape(_follow(field, schemas).get('description', ''))}{_default(field)}"
        for name, field in schema.get("properties", {}).items()
    )
    return f"<table>{rows}</table>" if rows else ""


def _required(required: bool) -> str:
    return " <span class=req>required</span>" if required else ""


def _default(schema: dict[str, Any]) -> str:
    if "default" not in schema or schema["default"] in (None, []):
        return ""
    return f" <span class=soft>Default {escape(json.dumps(schema['default']))}.</span>"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_type(each) for each in schema[key])
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("format") or schema.get("type") or "any"))


def _follow(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "")
    found: dict[str, Any] = schemas.get(reference.rpartition("/")[2], schema)
    return found


def _curl(method: str, path: str, described: dict[str, Any], schemas: dict[str, Any]) -> str:
    lines = ["curl" + ("" if method == "GET" else f" -X {method}") + f' "$BASE{path}"']
    if "security" in described:
        lines.append('-H "Authorization: Bearer $KEY"')
    if "requestBody" in described:
        schema = described["requestBody"]["content"]["application/json"]["schema"]
        schema = _follow(schema.get("oneOf", [schema])[0], schemas)
        wanted = schema.get("required") or list(schema.get("properties", {}))[:1]
        example = {name: _example(schema["properties"][name]) for name in wanted}
        lines += ['-H "Content-Type: application/json"', f"-d '{json.dumps(example)}'"]
    return " \\\n  ".join(lines)


def _example(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    return {"array": [], "object": {}, "integer": 1, "boolean": True}.get(
        schema.get("type", ""), "…"
    )
