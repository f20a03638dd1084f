"""The API reference as one page: plain HTML from the OpenAPI document, no script, no network."""

import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

Json = Mapping[str, Any]

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6069; --line: #e2e4e9; --page: #fff;
  --wash: #f7f8fa; --accent: #0b63c5; --red: #b42318; --green: #1a7f4b; --amber: #8f5200;
  --dark: #16191d; --dark-line: #2c3138; --dark-ink: #e6e8eb; --dark-soft: #9aa3ae; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a0a8b3; --line: #2c3138;
  --page: #101214; --wash: #16191d; --accent: #70b4ff; --red: #ff8b80; --green: #5fd39a;
  --amber: #f0b35c; --dark: #1b1f24; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
code, pre { font: 13px/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
p code, li code, dd code { background: var(--wash); border: 1px solid var(--line);
  border-radius: 4px; padding: .05em .3em; overflow-wrap: anywhere; }
.skip { position: absolute; left: -999px; } .skip:focus { left: 1rem; top: 1rem; z-index: 2;
  background: var(--page); padding: .5rem; }
nav { position: fixed; inset: 0 auto 0 0; width: 16.5rem; overflow-y: auto; padding: 1.5rem 1.25rem;
  background: var(--wash); border-right: 1px solid var(--line); font-size: 14px; }
nav > strong { font-size: 15px; } nav ul { list-style: none; margin: 0; padding: 0; }
nav .group { display: block; margin: 1.3rem 0 .25rem; color: var(--soft); font-size: 12px;
  font-weight: 600; letter-spacing: .04em; text-transform: uppercase; }
nav li a { display: flex; justify-content: space-between; gap: .6rem; padding: .18rem 0;
  color: var(--ink); }
nav li a:hover { color: var(--accent); text-decoration: none; }
.m { font: 600 11px/1 ui-monospace, Menlo, Consolas, monospace; align-self: center; }
.GET { color: var(--accent); } .POST { color: var(--green); } .PATCH { color: var(--amber); }
.DELETE { color: var(--red); }
main { margin-left: 16.5rem; padding: 2.5rem 3rem 8rem; }
h1 { margin: 0 0 .5rem; font-size: 30px; line-height: 1.2; letter-spacing: -.01em; }
h2 { margin: 4rem 0 0; font-size: 23px; line-height: 1.3; letter-spacing: -.01em; }
h3 { margin: 0 0 .6rem; font-size: 18px; line-height: 1.35; }
h2 a, h3 a { color: inherit; }
h4 { margin: 1.6rem 0 0; padding-bottom: .4rem; border-bottom: 1px solid var(--line);
  font-size: 14px; }
p { margin: 0 0 .9rem; max-width: 44rem; } .lead { font-size: 17px; }
.soft { color: var(--soft); }
.row { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 30rem); gap: 3rem;
  padding: 2.2rem 0; border-bottom: 1px solid var(--line); max-width: 82rem; }
.code { position: sticky; top: 1.25rem; align-self: start; }
.at { display: flex; gap: .6rem; align-items: baseline; margin-bottom: .8rem; flex-wrap: wrap; }
.at code { overflow-wrap: anywhere; font-size: 14px; }
.at .m { font-size: 13px; align-self: baseline; }
.chip { border: 1px solid var(--line); border-radius: 99px; padding: 0 .55rem; font-size: 12px;
  font-weight: 500; color: var(--soft); white-space: nowrap; vertical-align: 2px; }
dl { margin: 0; }
dl.fields > div { padding: .7rem 0; border-bottom: 1px solid var(--line); }
dl.fields > div:last-child { border-bottom: 0; }
dt { overflow-wrap: anywhere; } dt code { font-weight: 600; }
dt .soft { margin-left: .35rem; font-size: 13px; }
dt .req { margin-left: .35rem; font-size: 12px; font-weight: 600; color: var(--amber); }
dd { margin: .15rem 0 0; font-size: 14px; } dd p { margin: 0; }
dl dl { border-left: 2px solid var(--line); padding-left: 1rem; }
details summary { cursor: pointer; color: var(--accent); font-size: 13px; width: fit-content; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
td { vertical-align: top; padding: .45rem .8rem .45rem 0; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; } td:first-child { white-space: nowrap; width: 4rem; }
.panel { background: var(--dark); color: var(--dark-ink); border-radius: 8px; overflow: hidden;
  margin-bottom: 1rem; }
.panel > b, .panel summary { display: block; padding: .55rem 1rem; width: auto;
  border-bottom: 1px solid var(--dark-line); font-size: 12px; font-weight: 500;
  color: var(--dark-soft); }
.panel details + details { border-top: 1px solid var(--dark-line); }
.panel details:not([open]) summary { border-bottom: 0; }
.panel pre { margin: 0; padding: .9rem 1rem; overflow: auto; max-height: 54rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.panel:focus-within pre { outline-offset: -2px; }
.k { color: #9ecbff; } .s { color: #a5d6a7; } .n { color: #f0b35c; }
@media (max-width: 80rem) {
  .row { grid-template-columns: minmax(0, 1fr); gap: 1.2rem; max-width: 48rem; }
  .code { position: static; }
}
@media (max-width: 56rem) {
  nav { position: static; width: auto; border: 0; border-bottom: 1px solid var(--line);
    padding: 1rem; }
  nav > div { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin-top: .4rem; }
  nav .group { margin: 0; letter-spacing: 0; text-transform: none; font-size: 14px;
    color: var(--accent); font-weight: 500; }
  nav ul { display: none; }
  main { margin: 0; padding: 1.5rem 1rem 4rem; }
  h1 { font-size: 26px; } h2 { margin-top: 3rem; }
}
@media print { nav { display: none; } main { margin: 0; padding: 0; } .code { position: static; } }
"""


# Refusals and headers that are explained once for all operations.
_USUAL: Final = frozenset({401, 403, 411, 413, 429, 500, 503})
_USUAL_HEADERS: Final = frozenset(
    {
        "X-Request-Id",
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "X-RateLimit-Reset",
        "Idempotent-Replayed",
        "Retry-After",
    }
)


def render(document: Json) -> bytes:
    """The page: how every request works, each operation with examples, and every model."""
    schemas: Json = document["components"]["schemas"]
    groups: dict[str, list[tuple[str, str, Json]]] = {}
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            groups.setdefault(described["tags"][0], []).append((method.upper(), path, described))
    operations = [each for listed in groups.values() for each in listed]
    topics = _topics(operations)
    navigation = (
        _group("Basics", "basics", ((name, title, "") for name, title, _, _ in topics))
        + "".join(
            _group(
                tag, _slug(tag), ((each["operationId"], each["summary"], m) for m, _, each in ops)
            )
            for tag, ops in groups.items()
        )
        + _group("Models", "models", ((f"schema-{name}", name, "") for name in schemas))
    )
    body = (
        "".join(_row(name, title, left, right) for name, title, left, right in topics)
        + "".join(
            _heading(tag, _slug(tag)) + "".join(_operation(*each, schemas) for each in ops)
            for tag, ops in groups.items()
        )
        + _heading("Models", "models")
        + "".join(_model(name, schema, schemas) for name, schema in schemas.items())
    )
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} · API reference</title><style>{_STYLE}</style></head>"
        '<body><a class="skip" href="#basics">Skip the navigation</a>'
        f'<nav aria-label="Contents"><strong>{escape(info["title"])}</strong>'
        f"<div>{navigation}</div></nav>"
        f'<main><h1 id="basics">API reference</h1><p class="lead">{_prose(info["description"])}</p>'
        f'<p class="soft">Version {escape(info["version"])}. As OpenAPI 3.1: '
        '<a href="/openapi.json">everything</a>, '
        '<a href="/external/v1/openapi.json">discovery</a>, '
        '<a href="/v1/openapi.json">revenue record</a>.</p>'
        f"{body}</main></body></html>"
    ).encode()


def _group(title: str, anchor: str, entries: Iterable[tuple[str, str, str]]) -> str:
    items = "".join(
        f'<li><a href="#{escape(name)}">{escape(text)}'
        + (f'<span class="m {method}">{method}</span>' if method else "")
        + "</a></li>"
        for name, text, method in entries
    )
    return f'<a class="group" href="#{anchor}">{escape(title)}</a><ul>{items}</ul>'


def _heading(title: str, anchor: str) -> str:
    return f'<h2 id="{anchor}"><a href="#{anchor}">{escape(title)}</a></h2>'


def _row(anchor: str, title: str, left: str, right: str) -> str:
    return (
        f'<section class="row" id="{escape(anchor)}"><div>'
        f'<h3><a href="#{escape(anchor)}">{title}</a></h3>{left}</div>'
        f'<div class="code">{right}</div></section>'
    )


# --- what holds for every request -------------------------------------------------------------


def _topics(operations: list[tuple[str, str, Json]]) -> list[tuple[str, str, str, str]]:
    """Anchor, title, text and code of each."""
    return [
        (
            "authentication",
            "Authentication",
            _paragraphs(
                "Send an API key with every request, in the header `Authorization`. A key belongs "
                "to one workspace and sees nothing of any other: what is in another workspace "
                "looks exactly like what does not exist.",
                "A key holds scopes, and each operation names the one that it needs. Without a "
                "valid key the answer is `401`, without the scope `403`. A revoked key stops "
                "working at once. `gateway keys create` makes keys; their text is shown once.",
            ),
            _panel(
                "Request",
                'export BASE=http://127.0.0.1:8000\nexport KEY=sk_live_...\n\ncurl "$BASE'
                '/external/v1/auth/context" \\\n  -H "Authorization: Bearer $KEY"',
            ),
        ),
        (
            "errors",
            "Errors",
            _paragraphs(
                "A refused request stores nothing. The status says what kind of refusal it is, "
                "the body says what to do about it. Discovery answers RFC 9457 problem details "
                "(`application/problem+json`) and lists the fields at fault in `errors`. The "
                'revenue-record API answers `{"detail": "..."}` to reads and an object with '
                "`error`, `message`, `field` and `request_id` to writes.",
                "Refusals come in a fixed order: `401` key, `403` scope, `429` limit, `411` and "
                "`413` length, `400` content, then `404` and `409` for the record itself.",
            )
            + _statuses(operations),
            _error_panels(operations),
        ),
        (
            "pagination",
            "Pagination",
            _paragraphs(
                "Discovery lists are bare arrays, newest first. `limit` (20 unless given, 100 at "
                "the most) and `offset` choose the page, `order=asc` starts with the oldest, which "
                "walks without repeats while records are added.",
                "The headers `X-Total-Count`, `X-Limit` and `X-Offset` describe the page. Counting "
                "stops at 10,000; then `X-Total-Count-Capped: true` says so.",
                "Lists of the revenue-record API are objects with the records and `pagination`. "
                "While `hasMore` is true, send `nextCursor` as `cursor` for the next page. A "
                "cursor holds the filters of its first page: they may be repeated, but not "
                "changed. `limit` is at most 50. Records that come or go meanwhile neither "
                "repeat nor hide others. Sources and object types come all at once.",
            ),
            _panel(
                "Request",
                'curl -i "$BASE/external/v1/signals?limit=50&offset=100" \\\n'
                '  -H "Authorization: Bearer $KEY"',
            )
            + _panel("Headers", "X-Total-Count: 1284\nX-Limit: 50\nX-Offset: 100")
            + _panel(
                "Request",
                'curl "$BASE/v1/messages?limit=20&cursor=$NEXT_CURSOR" \\\n'
                '  -H "Authorization: Bearer $KEY"',
            ),
        ),
        (
            "rate-limits",
            "Rate limits",
            _paragraphs(
                "Each key has three moving windows: 60 requests a minute, 1,000 an hour and 10,000 "
                "a day, unless the key or the deployment says otherwise. Refused requests and "
                "health checks do not count.",
                "The `X-RateLimit` headers speak of the window that is nearest to its limit. After "
                "a `429` wait for as many seconds as `Retry-After` says.",
            ),
            _panel(
                "Headers",
                "X-RateLimit-Limit: 60\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1773239460\n"
                "Retry-After: 17",
            ),
        ),
        (
            "idempotency",
            "Idempotency",
            _paragraphs(
                "Any `POST` may carry an `Idempotency-Key` of up to 255 characters. For 24 hours "
                "the same key with the same body gets the first answer again, marked by "
                "`Idempotent-Replayed: true`, and has no second effect.",
                "The same key with another body or path, or while the first request still runs, is "
                "refused with `409`. A request that was refused leaves its key free.",
            ),
            _panel(
                "Request",
                'curl -X POST "$BASE/external/v1/signals" \\\n'
                '  -H "Authorization: Bearer $KEY" \\\n'
                '  -H "Idempotency-Key: survey-7-answer-318" \\\n  -d @signal.json',
            ),
        ),
        (
            "requests",
            "Bodies, times and request ids",
            _paragraphs(
                "Bodies are JSON of at most 10 MB. Fields that an operation does not know are "
                "ignored, a `PATCH` changes only the fields that it names, and `null` clears a "
                "field that may be empty. Times are ISO 8601 in UTC.",
                "The revenue-record API takes times in bodies also as Unix seconds or "
                "milliseconds, and a time without an offset as UTC. Its `POST` replaces a record "
                "of the same `sourceId` and `id` as a whole; its `PATCH` takes `null` for a field "
                "as if it were not there. It needs `Content-Length` and JSON as the "
                "`Content-Type`.",
                "Every answer carries `X-Request-Id`. Send one of your own (up to 64 letters, "
                "digits and `._:+/=-`) and it is kept, in the answer and in the logs.",
            ),
            "",
        ),
    ]


def _paragraphs(*texts: str) -> str:
    return "".join(f"<p>{_prose(text)}</p>" for text in texts)


def _statuses(operations: list[tuple[str, str, Json]]) -> str:
    """The meaning of every error status that some operation documents."""
    meanings = {
        status: answer["description"]
        for _, _, described in operations
        for status, answer in described["responses"].items()
        if int(status) >= 400
    }
    rows = "".join(
        f"<tr><td><code>{status}</code></td><td>{_prose(meaning)}</td></tr>"
        for status, meaning in sorted(meanings.items())
    )
    return f"<table>{rows}</table>"


def _error_panels(operations: list[tuple[str, str, Json]]) -> str:
    """One example of every error body there is, from the operations themselves."""
    shown: dict[str, str] = {}
    for method, _, described in operations:
        for status, answer in described["responses"].items():
            for media, content in answer["content"].items():
                example = content.get("example")
                if int(status) < 400 or example is None:
                    continue
                title = f"{media} · {'reads' if method == 'GET' else 'writes'}"
                if media.endswith("problem+json"):
                    title = media
                shown.setdefault(title, _panel(title, example))
    return "".join(shown.values())


# --- one operation ----------------------------------------------------------------------------


def _operation(method: str, path: str, described: Json, schemas: Json) -> str:
    chips = "".join(
        f' <span class="chip">{text}</span>'
        for text in (
            *described.get("x-required-scopes", ()),
            *(("addition",) if described.get("x-addition") else ()),
        )
    )
    left = [
        f'<div class="at"><span class="m {method}">{method}</span>'
        f"<code>{escape(path)}</code></div>",
        f"<p>{_prose(described['description'])}</p>",
    ]
    for place, title in (("path", "Path"), ("query", "Query"), ("header", "Headers")):
        listed = [each for each in described["parameters"] if each["in"] == place]
        if listed:
            rows = "".join(
                _field(
                    each["name"],
                    {**each["schema"], "description": each.get("description", "")},
                    each["required"],
                    schemas,
                )
                for each in listed
            )
            left.append(f'<h4>{title}</h4><dl class="fields">{rows}</dl>')
    left += _body(described, schemas)
    left.append(f"<h4>Answers</h4><table>{_answers(described)}</table>")
    title = f"{escape(described['summary'])}{chips}"
    return _row(described["operationId"], title, "".join(left), _examples(method, path, described))


def _body(described: Json, schemas: Json) -> list[str]:
    if "requestBody" not in described:
        return []
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    alternatives = schema.get("oneOf", [schema])
    made = []
    for number, each in enumerate(alternatives):
        title = "Body" if len(alternatives) == 1 else "Body, either" if number == 0 else "or"
        about = _follow(each, schemas).get("description", "")
        made.append(
            f"<h4>{title} {_type(each)}</h4>"
            f'<p class="soft">{_prose(about)}</p>{_fields(_follow(each, schemas), schemas)}'
        )
    return made


def _answers(described: Json) -> str:
    """What this operation answers; refusals that any request may meet are named on one line."""
    rows, usual = [], []
    for status, answer in described["responses"].items():
        if int(status) in _USUAL:
            usual.append(f"<code>{status}</code>")
            continue
        schema = next(iter(answer["content"].values()))["schema"]
        own = [name for name in answer.get("headers", {}) if name not in _USUAL_HEADERS]
        headers = (
            f'<br><span class="soft">Headers: {", ".join(map(escape, own))}</span>' if own else ""
        )
        rows.append(
            f"<tr><td><code>{status}</code></td>"
            f"<td>{_prose(answer['description'])} · {_type(schema)}{headers}</td></tr>"
        )
    if usual:
        rows.append(
            f'<tr><td colspan="2"><span class="soft">As for any request: {" ".join(usual)} · '
            '<a href="#errors">Errors</a></span></td></tr>'
        )
    return "".join(rows)


def _examples(method: str, path: str, described: Json) -> str:
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    bodies: Json = body.get("examples", {}) or {"": {"value": None}}
    panels = [
        _panel(
            f"Request · {name}" if len(bodies) > 1 else "Request",
            _curl(method, path, described, each["value"]),
        )
        for name, each in bodies.items()
    ]
    for status, answer in described["responses"].items():
        example = next(iter(answer["content"].values())).get("example")
        if int(status) < 300:
            panels.append(_panel(f"Answer · {status}", example))
    return "".join(panels)


def _curl(method: str, path: str, described: Json, body: Any) -> str:
    shown = re.sub(r"\{\w+\}", "SIGNAL-42" if "/signals/" in path else "$ID", path)
    asked = [each["name"] for each in described["parameters"] if each["in"] == "query"]
    if {"remoteId", "sourceId"} == set(asked):
        shown += "?remoteId=$REMOTE_ID&sourceId=$SOURCE_ID"
    lines = ["curl" + ("" if method == "GET" else f" -X {method}") + f' "$BASE{shown}"']
    if "security" in described:
        lines.append('-H "Authorization: Bearer $KEY"')
    if body is not None:
        # A quote inside single quotes, as a shell wants it.
        text = json.dumps(body, indent=2, ensure_ascii=False).replace("'", "'\\''")
        lines += ['-H "Content-Type: application/json"', f"-d '{text}'"]
    return " \\\n  ".join(lines)


# --- models -----------------------------------------------------------------------------------


def _model(name: str, schema: Json, schemas: Json) -> str:
    left = f"<p>{_prose(schema.get('description', ''))}</p>{_fields(schema, schemas)}"
    return _row(f"schema-{name}", f"<code>{escape(name)}</code>", left, "")


def _fields(schema: Json, schemas: Json, depth: int = 0) -> str:
    required = schema.get("required", [])
    rows = "".join(
        _field(name, field, name in required, schemas, depth)
        for name, field in schema.get("properties", {}).items()
    )
    return f'<dl class="fields">{rows}</dl>' if rows else ""


def _field(name: str, schema: Json, required: bool, schemas: Json, depth: int = 0) -> str:
    inner = _inner(schema)
    nested = _follow(inner, schemas)
    about = schema.get("description", "" if nested is inner else nested.get("description", ""))
    notes = "".join(f"<p>{text}</p>" for text in (_prose(about), _constraints(schema)) if text)
    if nested is not inner and depth < 2:
        title = f"Fields of {inner['$ref'].rpartition('/')[2]}"
        notes += (
            f"<details><summary>{escape(title)}</summary>{_fields(nested, schemas, depth + 1)}"
            "</details>"
        )
    mark = '<span class="req">required</span>' if required else ""
    return (
        f'<div><dt><code>{escape(name)}</code><span class="soft">{_type(schema)}</span>{mark}</dt>'
        f"<dd>{notes}</dd></div>"
    )


def _inner(schema: Json) -> Json:
    """The model that a field holds, one or many of, or else the field itself."""
    inner: Any = schema
    while isinstance(inner, Mapping) and "$ref" not in inner:
        # What may also be null is that first.
        inner = inner.get("items", inner.get("additionalProperties", inner.get("anyOf", [0])[0]))
    return inner if isinstance(inner, Mapping) else schema


def _follow(schema: Json, schemas: Json) -> Json:
    reference = schema.get("$ref", "")
    found: Json = schemas.get(reference.rpartition("/")[2], schema)
    return found


def _type(schema: Json) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return escape(str(schema.get("type", "string")))
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    if schema.get("type") == "object" and "additionalProperties" in schema:
        return f"object of {_type(schema['additionalProperties'])}"
    return escape(str(schema.get("format", schema.get("type", "any JSON"))))


def _constraints(schema: Json) -> str:
    """What else a value has to be, in words."""
    for each in schema.get("anyOf", ()):
        if each.get("type") != "null":
            schema = {**each, **schema}
    words = []
    if "enum" in schema:
        words.append(
            "One of "
            + ", ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
            + "."
        )
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None:
        words.append(f"At least {least:,}" + (f", at most {most:,}." if most is not None else "."))
    if 1 in (schema.get("minLength"), schema.get("minItems"), schema.get("minProperties")):
        words.append("Not empty.")
    for limit, what in (("maxItems", "items"), ("maxProperties", "fields")):
        if limit in schema:
            words.append(f"At most {schema[limit]:,} {what}.")
    if "maxLength" in schema:
        words.append(f"At most {schema['maxLength']:,} characters.")
    if "pattern" in schema:
        words.append(f"Matches <code>{escape(schema['pattern'])}</code>.")
    if schema.get("default") not in (None, [], ""):
        words.append(f"Default <code>{escape(json.dumps(schema['default']))}</code>.")
    return f'<span class="soft">{" ".join(words)}</span>' if words else ""


# --- text -------------------------------------------------------------------------------------


def _prose(text: str) -> str:
    """A sentence with `code` in it."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))


def _panel(title: str, content: Any) -> str:
    shown = escape(content, quote=False) if isinstance(content, str) else _coloured(content)
    return f'<div class="panel"><b>{escape(title)}</b><pre tabindex="0">{shown}</pre></div>'


_TOKEN: Final = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|\b(-?\d[\d.eE+-]*|true|false|null)\b')


def _coloured(value: Any) -> str:
    def colour(found: re.Match[str]) -> str:
        text, colon, other = found.groups()
        if other is not None:
            return f'<span class="n">{other}</span>'
        return f'<span class="{"k" if colon else "s"}">{text}</span>{colon or ""}'

    # Quotes stay as they are: inside an element they need no escaping, and they mark the tokens.
    plain = escape(json.dumps(value, indent=2, ensure_ascii=False), quote=False)
    return _TOKEN.sub(colour, plain)


def _slug(text: str) -> str:
    return "group-" + re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
