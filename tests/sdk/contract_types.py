"""A TypeScript program with the types that a customer writes from the documented contract.

It compiles if the generated types accept the customer's requests, and if the customer's types
accept the responses. The contract is `tests/contracts`, not the OpenAPI document.
"""

import json
from collections.abc import Iterator, Mapping

import pytest

from tests.http.contracts import DISCOVERY, REVENUE, Contract, Field, Json, Operation
from tests.sdk import toolbox
from tests.sdk.scenarios import generate_types

_PRIMITIVES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def program(contract: Contract) -> str:
    """Interfaces of the models, and assignments to and from the types of every operation."""
    return "\n".join(
        [
            'import type { operations } from "./schema";',
            "declare function accept<T>(value: T): void;",
            *(f"type {name} = {_type(schema)};" for name, schema in contract.named.items()),
            *(f"interface {name} {_object(fields)}" for name, fields in contract.models.items()),
            *(line for operation in contract.operations.values() for line in _uses(operation)),
        ]
    )


def _uses(operation: Operation) -> Iterator[str]:
    ours = f'operations["{operation.name}"]'
    if operation.query:
        query = f'NonNullable<{ours}["parameters"]["query"]>'
        yield f"accept<{query}>({{}} as {_object(operation.query)});"
    for body in operation.bodies:
        request = f'NonNullable<{ours}["requestBody"]>["content"]["application/json"]'
        yield f"accept<{request}>({{}} as {body});"
    response = f'{ours}["responses"][{operation.status}]["content"]["application/json"]'
    yield f"accept<{_type(operation.answer)}>({{}} as {response});"


def _object(fields: Mapping[str, Field]) -> str:
    lines = (
        f"  {name}{'' if field.required else '?'}: {_type(field.schema)}"
        f"{' | null' if field.nullable else ''};"
        for name, field in fields.items()
    )
    return "{\n" + "\n".join(lines) + "\n}"


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " | ".join(_type(each) for each in schema[union])
    if schema.get("type") == "array":
        return f"({_type(schema['items'])})[]"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties", {})
        return f"{{ [name: string]: {_type(values) if isinstance(values, dict) else 'unknown'} }}"
    return _PRIMITIVES.get(schema.get("type", ""), "unknown")


@pytest.mark.parametrize(("surface", "contract"), [("revenue", REVENUE), ("discovery", DISCOVERY)])
def test_types_of_the_contract_are_compatible(surface: str, contract: Contract) -> None:
    folder = toolbox.new_folder(f"contract-{surface}")
    document = folder / "openapi.json"
    document.write_text(toolbox.run("gateway", "openapi", "--surface", surface), encoding="utf-8")
    toolbox.install_node_packages()
    generate_types(document, folder / "schema.ts")
    (folder / "customer.ts").write_text(program(contract), encoding="utf-8")
    toolbox.compile_typescript(folder, "customer.ts")
