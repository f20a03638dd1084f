"""What the handlers of the revenue record read of a request besides body and query."""

from typing import Final
from uuid import UUID

from domains.kernel.ids import parse_id
from domains.kernel.keys import Caller
from domains.kernel.problems import invalid

# Statuses that an operation may answer with besides those of every one.
READ: Final = (404,)
WRITE: Final = (404, 409)

_EVERYTHING: Final[frozenset[str]] = frozenset()
_PUBLIC: Final = frozenset({"public"})


def uuid_in_path(text: str, name: str) -> UUID:
    """The UUID that stands in a path; Invalid for anything else."""
    found = parse_id(text)
    if found is None:
        raise invalid(name, "must be a UUID")
    return found


def shown_to(caller: Caller) -> frozenset[str]:
    """The filters by which a list shows a caller what may be seen."""
    return _PUBLIC if caller.hides_private else _EVERYTHING
