"""Validated records of an import, and the outcome of storing them."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from domains.kernel.core.problems import FieldError, invalid

# Bytes of the id of a CRM record, which a cursor contains.
_MAX_ID_LENGTH: Final = 128


class PreparedRecord(NamedTuple):
    """A validated record: its id, and its values by column."""

    id: Any
    values: dict[str, Any]


class Outcome(NamedTuple):
    """Ids of the records of a batch that were, or would be, stored; and refused ones, and why."""

    changed: list[Any]
    refused: dict[Any, FieldError]


def crm_id(value: str, field: str) -> str:
    """Return the id of a CRM record. Raises Invalid."""
    if not value:
        raise invalid(field, "must not be empty")
    if len(value.encode()) > _MAX_ID_LENGTH:
        raise invalid(field, f"must have at most {_MAX_ID_LENGTH} bytes in UTF-8")
    if "/" in value or value in (".", ".."):
        raise invalid(field, "must contain no slash and must not be . or .., to fit into a path")
    return value


def optional_crm_id(value: str | None, field: str) -> str | None:
    """Return the id of a CRM record; None if it is missing or empty. Raises Invalid."""
    return crm_id(value, field) if value else None


def array_literal(texts: Iterable[str]) -> str:
    """A Postgres array literal."""
    listed = list(texts)
    if any('"' in text or "\\" in text for text in listed):
        listed = [text.replace("\\", "\\\\").replace('"', '\\"') for text in listed]
    elements = '","'.join(listed)
    return f'{{"{elements}"}}' if elements else "{}"
