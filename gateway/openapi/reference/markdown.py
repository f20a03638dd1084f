"""Markdown reference of an OpenAPI document, for readers and programs without a browser."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

Json = Mapping[str, Any]

# Headers of all responses, explained by the topics of the document.
_COMMON_HEADERS: Final = re.compile("X-Request-Id|X-RateLimit-.*|Idempotent-Replayed")
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def render(document: Json, base_url: str) -> str:
    """Render the whole document for the server at `base_url`."""
    return _Reference(document).render(base_url)


class _Reference:
    """Renders one document, and at the end the models that the text before names."""

    def __init__(self, document: Json) -> None:
        self._document = document
        # Names of the models in the order in which the text names them.
        self._named: dict[str, None] = {}

    def render(self, base_url: str) -> str:
        info = self._document["info"]
        body = [line for tag in self._document["tags"] for line in self._tag(tag)]
        return "\n".join(
            [
                f"# {info['title']}",
                "",
                str(info["description"]),
                "",
                f"Version {info['version']}. In the examples, `BASE` is `{base_url}` and `KEY` is "
                "an API key.",
                "",
                *body,
                *self._models(),
                *self._headers(),
                *self._statuses(),
            ]
        )

    def _operations(self) -> Iterator[tuple[str, str, Json]]:
        for path, item in self._document["paths"].items():
            for method in _METHODS:
                if method in item:
                    shared = item.get("parameters", [])
                    operation = item[method]
                    parameters = [*shared, *operation.get("parameters", [])]
                    yield method.upper(), path, {**operation, "parameters": parameters}

    # --- operations ---------------------------------------------------------------------------

    def _tag(self, tag: Json) -> Iterator[str]:
        yield from (f"## {tag['name']}", "")
        if "description" in tag:
            yield from (tag["description"], "")
        for method, path, operation in self._operations():
            if tag["name"] == operation["tags"][0]:
                yield from self._operation(method, path, operation)

    def _operation(self, method: str, path: str, operation: Json) -> Iterator[str]:
        scopes = self._scopes(operation)
        notes = [f"`{method} {path}`"]
        if scopes is None:
            notes.append("no key")
        else:
            notes.append(
                "scope " + ", ".join(f"`{scope}`" for scope in scopes) if scopes else "any key"
            )
        if operation.get("x-addition"):
            notes.append("addition")
        if operation.get("deprecated"):
            notes.append("**deprecated**")
        yield from (f"### {operation['summary']}", "", " · ".join(notes), "")
        if operation.get("description"):
            yield from (operation["description"], "")
        parameters = [self._resolve(parameter) for parameter in operation["parameters"]]
        if parameters:
            yield from ("Parameters:", "")
            yield from (self._parameter(parameter) for parameter in parameters)
            yield ""
        yield from self._body(operation)
        yield from self._responses(operation)
        yield from ("```sh", self._curl(method, path, parameters, operation), "```", "")

    def _scopes(self, operation: Json) -> list[str] | None:
        """The scopes that the operation needs; None if it needs no key."""
        security = operation.get("security", self._document.get("security", []))
        if not security or {} in security:
            return None
        return [scope for each in security for names in each.values() for scope in names]

    def _parameter(self, parameter: Json) -> str:
        schema = {**parameter["schema"], "description": parameter.get("description", "")}
        marks = {
            name: parameter[name] for name in ("deprecated", "x-addition") if name in parameter
        }
        return self._field(
            parameter["name"],
            {**schema, **marks},
            parameter.get("required", False),
            parameter["in"],
        )

    def _body(self, operation: Json) -> Iterator[str]:
        """The fields of the body, or of each of its alternatives."""
        if "requestBody" not in operation:
            return
        for media_type, content in self._resolve(operation["requestBody"])["content"].items():
            schema = content["schema"]
            alternatives = schema.get("oneOf", schema.get("anyOf", [schema]))
            for number, alternative in enumerate(alternatives):
                name = _name(alternative)
                title = f"{'Or' if number else 'Body'} `{name}`" if name else "Body"
                yield from (
                    f"{title} (`{media_type}`): {_line(self._resolve(alternative))}".rstrip(),
                    "",
                )
                yield from self._fields(alternative)
                yield ""

    def _responses(self, operation: Json) -> Iterator[str]:
        errors: dict[str, list[str]] = {}
        for status, described in operation["responses"].items():
            response = self._resolve(described)
            content = response.get("content", {})
            types = " or ".join(
                f"{self._type(each['schema'])} (`{media_type}`)"
                for media_type, each in content.items()
            )
            if status >= "400":
                errors.setdefault(types or "no body", []).append(f"`{status}`")
                continue
            headers = [
                name for name in response.get("headers", ()) if not _COMMON_HEADERS.match(name)
            ]
            line = f"Response `{status}`: {types or 'no body'}"
            yield f"{line}; headers {_codes(headers)}." if headers else f"{line}."
        for types, statuses in errors.items():
            yield f"Errors {', '.join(statuses)}: {types}."
        yield ""

    def _curl(self, method: str, path: str, parameters: list[Json], operation: Json) -> str:
        """The request as a command. Ids and required parameters are shell variables."""
        path = re.sub(r"\{(\w+)\}", lambda match: f"${_variable(match[1])}", path)
        query = "&".join(
            f"{each['name']}=${_variable(each['name'])}"
            for each in parameters
            if each["in"] == "query" and each.get("required")
        )
        words = ["curl" if method == "GET" else f"curl -X {method}"]
        words.append(f'"$BASE{path}?{query}"' if query else f'"$BASE{path}"')
        if self._scopes(operation) is not None:
            words.append('-H "Authorization: Bearer $KEY"')
        if "requestBody" in operation:
            media_type, content = next(
                iter(self._resolve(operation["requestBody"])["content"].items())
            )
            # Within single quotes, the shell needs '\'' for a quote.
            text = json.dumps(self._example(content), ensure_ascii=False).replace("'", "'\\''")
            words.append(f"-H \"Content-Type: {media_type}\" \\\n  -d '{text}'")
        return " ".join(words)

    def _example(self, content: Json) -> Any:
        """The first example of a body."""
        if "examples" in content:
            return self._resolve(next(iter(content["examples"].values())))["value"]
        schema = self._resolve(content["schema"])
        return content.get("example", next(iter(schema.get("examples", ())), {}))

    # --- sections at the end ------------------------------------------------------------------

    def _models(self) -> Iterator[str]:
        """The named models, and those that their fields name."""
        yield from ("## Models", "")
        described: set[str] = set()
        while missing := [name for name in self._named if name not in described]:
            for name in missing:
                described.add(name)
                reference = {"$ref": f"#/components/schemas/{name}"}
                yield from (f"### {name}", "")
                if description := _line(self._resolve(reference)):
                    yield from (description, "")
                yield from self._fields(reference)
                yield ""

    def _headers(self) -> Iterator[str]:
        headers: Json = self._document["components"].get("headers", {})
        if headers:
            yield from ("## Response headers", "")
            yield from (f"- `{name}`: {_line(header)}" for name, header in headers.items())
            yield ""

    def _statuses(self) -> Iterator[str]:
        """The meanings of all error statuses."""
        meanings: dict[str, dict[str, None]] = {}
        for _, _, operation in self._operations():
            for status, response in operation["responses"].items():
                if status >= "400":
                    meanings.setdefault(status, {})[_line(self._resolve(response))] = None
        if meanings:
            yield from ("## Error statuses", "")
            yield from (f"- `{each}`: {'; or '.join(meanings[each])}" for each in sorted(meanings))
            yield ""

    # --- schemas ------------------------------------------------------------------------------

    def _resolve(self, value: Json) -> Json:
        """Follow the references of a value to a component."""
        while "$ref" in value:
            target: Any = self._document
            for part in value["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            value = target
        return value

    def _fields(self, schema: Json) -> Iterator[str]:
        """Lines of the properties, also those of the parts of `allOf`."""
        schema = self._resolve(schema)
        for part in schema.get("allOf", ()):
            yield from self._fields(part)
        required = schema.get("required", ())
        for name, field in schema.get("properties", {}).items():
            yield self._field(name, field, name in required)

    def _field(self, name: str, schema: Json, required: bool, place: str = "") -> str:
        marks = [place] if place else []
        marks.append(self._type(schema))
        if required:
            marks.append("required")
        for mark, word in (("deprecated", "deprecated"), ("x-addition", "addition")):
            if schema.get(mark):
                marks.append(word)
        marks += self._constraints(schema)
        resolved = self._resolve(schema)
        description = _line(schema) or ("" if "properties" in resolved else _line(resolved))
        return f"- `{name}` ({', '.join(marks)}): {description}".removesuffix(": ")

    def _type(self, schema: Json) -> str:
        """The type in words. Objects with fields are named and described as models."""
        resolved = self._resolve(schema)
        name = _name(schema)
        if name and ("properties" in resolved or "allOf" in resolved):
            self._named[name] = None
            return f"`{name}`"
        if "const" in resolved:
            return f"`{json.dumps(resolved['const'])}`"
        if "enum" in resolved:
            return " | ".join(f"`{value}`" for value in resolved["enum"])
        for keyword in ("anyOf", "oneOf", "allOf"):
            if keyword in resolved:
                return " or ".join(dict.fromkeys(map(self._type, resolved[keyword])))
        kind = resolved.get("type")
        if isinstance(kind, list):
            return " or ".join(self._type({**resolved, "type": each}) for each in kind)
        if kind == "array":
            return f"array of {self._type(resolved.get('items', {}))}"
        if kind == "object" and isinstance(resolved.get("additionalProperties"), Mapping):
            return f"object of {self._type(resolved['additionalProperties'])}"
        return str(resolved.get("format", kind or "any JSON")) if kind != "null" else "null"

    def _constraints(self, schema: Json) -> Iterator[str]:
        """Bounds, pattern and default in words."""
        merged = dict(self._resolve(schema)) | {key: schema[key] for key in schema if key != "$ref"}
        for member in itertools.chain(merged.get("anyOf", ()), merged.get("oneOf", ())):
            merged = {**self._resolve(member), **merged}
        for keyword, words in _CONSTRAINTS.items():
            if keyword in merged:
                yield words.format(merged[keyword])
        if merged.get("default") not in (None, [], {}, ""):
            yield f"default `{json.dumps(merged['default'], ensure_ascii=False)}`"


_CONSTRAINTS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "greater than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "min. length {}",
    "maxLength": "max. length {}",
    "minItems": "min. {} items",
    "maxItems": "max. {} items",
    "minProperties": "min. {} properties",
    "maxProperties": "max. {} properties",
    "pattern": "pattern `{}`",
}


def _name(schema: Json) -> str:
    """Name of the component that the schema refers to, or an empty string."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _line(described: Json) -> str:
    """The description in one line."""
    return " ".join(str(described.get("description", "")).split())


def _codes(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _variable(name: str) -> str:
    """`REMOTE_ID` for `remoteId`."""
    return re.sub("([A-Z])", r"_\1", name).upper()
