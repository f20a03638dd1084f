"""Helpers of the handlers: ids in paths, visibility, and error statuses."""

from typing import Final
from uuid import UUID

from domains.kernel.core.ids import parse_id
from domains.kernel.core.problems import invalid
from domains.kernel.tenancy.keyring import Caller
from domains.revenue.records import not_found

# Error statuses of an operation besides those of every operation.
READ: Final = (404,)
# 403: the source or object type does not accept the caller's writes.
WRITE: Final = (403, 404, 409)


def uuid_in_path(text: str, name: str) -> UUID:
    """Parse a UUID in a path. Raises Invalid."""
    found = parse_id(text)
    if found is None:
        raise invalid(name, "must be a UUID")
    return found


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
