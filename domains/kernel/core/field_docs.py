"""Documentation of the fields of public structs, shown in the OpenAPI documents."""

from typing import Any

from msgspec import Meta


def doc(description: str, *examples: Any, **constraints: Any) -> Meta:
    """Describe a field in `Annotated`. `constraints` are further arguments of `Meta`."""
    return Meta(description=description, examples=list(examples) or None, **constraints)
