"""Helpers of the handlers: declarations of operations, ids in paths, and visibility."""

from typing import Any
from uuid import UUID

from domains.kernel.core.ids import parse_id
from domains.kernel.core.problems import invalid
from domains.kernel.tenancy.keyring import Caller
from domains.revenue.records import not_found
from gateway.operations import operation


def read_operation(name: str, summary: str, **options: Any) -> dict[str, Any]:
    """Declare an operation that reads; see `Operation`. A list, which has a query, has no 404."""
    errors = () if "query" in options else (404,)
    return operation(name, "read", summary, errors=errors, **options)


def ingest_operation(name: str, summary: str, **options: Any) -> dict[str, Any]:
    """Declare an operation that writes; see `Operation`.

    It responds with 403 if the source or object type does not accept the caller's writes.
    """
    return operation(name, "ingest", summary, errors=(403, 404, 409), **options)


def uuid_in_path(text: str, name: str) -> UUID:
    """Parse a UUID in a path. Raises Invalid."""
    parsed = parse_id(text)
    if parsed is None:
        raise invalid(name, "must be a UUID")
    return parsed


def crm_id_in_path(text: str, noun: str) -> str:
    """Parse a CRM id, which is the rest of the path. It may contain a slash, sent as `%2F`.

    Raises NotFound for an id with the character U+0000, which is never stored.
    """
    if "\0" in text:
        raise not_found(noun, text)
    return text.removeprefix("/")


def visibility_filter(caller: Caller) -> frozenset[str]:
    """Names of the list filters that hide private records from the caller."""
    return frozenset({"public"} if caller.hides_private else ())
