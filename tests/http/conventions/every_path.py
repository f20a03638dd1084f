"""All paths that serve GET, filled with the ids of records."""

from typing import NamedTuple

from tests.http.published import DOCUMENTS, Json, operations
from tests.stack import Tenant

# Paths that the documents leave out.
_DOCUMENTS = (*DOCUMENTS, "/operations/openapi.json")
YAML_DOCUMENTS = tuple(path.replace(".json", ".yaml") for path in _DOCUMENTS)
PAGES = (
    *("/", "/reference", "/docs", "/llms.txt", "/favicon.ico", "/favicon.svg"),
    *_DOCUMENTS,
    *YAML_DOCUMENTS,
    *(path.replace("openapi.json", "reference.md") for path in _DOCUMENTS),
)
METRICS = "/metrics"


class Records(NamedTuple):
    """A workspace that has a record of each kind. `ids` has their ids by collection.

    The account has the id `account_uuid` in the discovery API.
    """

    owner: Tenant
    ids: dict[str, str]
    account_uuid: str

    def fill(self, template: str) -> str:
        """Replace the parameter in a path by the id of the record of its collection."""
        if template.startswith("/external/v1/accounts/"):
            return template.partition("{")[0] + self.account_uuid
        parts = template.split("/")
        return "/".join(
            self.ids[parts[place - 1]] if part.startswith("{") else part
            for place, part in enumerate(parts)
        )


def documented_gets(document: Json) -> list[str]:
    """Templates of the documented paths that serve GET."""
    return [path for path, method, _ in operations(document) if method == "get"]


def is_record(template: str) -> bool:
    """True for the path of a single record."""
    return template.endswith("}")
