"""Documentation of the fields of public structs, shown in the OpenAPI documents."""

from typing import Annotated, Any

from msgspec import Meta


def doc(description: str, *examples: Any, **constraints: Any) -> Meta:
    """Describe a field in `Annotated`. `constraints` are further arguments of `Meta`."""
    return Meta(description=description, examples=list(examples) or None, **constraints)


def named(name: str, description: str, **constraints: Any) -> Meta:
    """Name a type in `Annotated`: the OpenAPI documents show it as a component of this name."""
    return Meta(title=name, description=description, **constraints)


ValueMap = Annotated[
    dict[str, Any],
    named("ValueMap", "Values by name: strings, numbers, booleans, lists, objects or null"),
]
