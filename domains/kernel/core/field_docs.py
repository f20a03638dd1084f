"""Documentation of the fields of public structs, shown in the OpenAPI documents."""

from typing import Annotated, Any, Final

from msgspec import Meta

_VALUES: Final = [
    {"type": "string"},
    {"type": "integer", "format": "int64"},
    {"type": "number", "format": "double"},
    {"type": "boolean"},
    {"type": "array", "items": {}},
    {"type": "object", "additionalProperties": True},
]


def doc(description: str, *examples: Any, **constraints: Any) -> Meta:
    """Describe a field in `Annotated`. `constraints` are further arguments of `Meta`."""
    return Meta(description=description, examples=list(examples) or None, **constraints)


def named(name: str, description: str, **constraints: Any) -> Meta:
    """Name a type in `Annotated`: the OpenAPI documents show it as a component of this name."""
    return Meta(title=name, description=description, **constraints)


# --- types --------------------------------------------------------------------------------------

# Free-form objects of which clients know that values are typed.
ValueMap = Annotated[
    dict[str, Any],
    named(
        "ValueMap",
        "Values of any type but null, by name",
        extra_json_schema={"additionalProperties": {"anyOf": _VALUES}},
    ),
]
NullableValueMap = Annotated[
    dict[str, Any],
    named(
        "NullableValueMap",
        "Values of any type, by name",
        extra_json_schema={"additionalProperties": {"anyOf": [*_VALUES, {"type": "null"}]}},
    ),
]
