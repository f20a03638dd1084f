"""What the handlers of the revenue record read of a request besides body and query."""

from typing import Final
from uuid import UUID

from domains.kernel.core.ids import parse_id
from domains.kernel.core.problems import invalid
from domains.kernel.tenancy.keyring import Caller
from domains.revenue.records import not_found

# Statuses that an operation may answer with besides those of every one.
READ: Final = (404,)
# 403: through a source that is not the caller's.
WRITE: Final = (403, 404, 409)

_EVERYTHING: Final[frozenset[str]] = frozenset()
_PUBLIC: Final = frozenset({"public"})


def uuid_in_path(text: str, name: str) -> UUID:
    """The UUID that stands in a path; Invalid for anything else."""
    found = parse_id(text)
    if found is None:
        raise invalid(name, "must be a UUID")
    return found


def crm_id_in_path(text: str, noun: str) -> str:
    """The id of a CRM that ends a path; NotFound for what no text may contain.

    It may hold a slash, which is sent as `%2F`: so it is all the rest of the path.
    """
    if "\0" in text:
        raise not_found(noun, text)
    return text.removeprefix("/")


def visibility_filter(caller: Caller) -> frozenset[str]:
    """The filters by which a list shows a caller what may be seen."""
    return _PUBLIC if caller.hides_private else _EVERYTHING
