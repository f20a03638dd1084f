"""Push records through a source and read them back over HTTP."""

from collections.abc import Iterable
from typing import Any

import httpx

from tests.stack import Tenant

Json = dict[str, Any]

STARTED = "2026-03-11T14:00:00Z"

# The required fields of each kind of record, besides id and source.
MINIMAL_FIELDS: dict[str, Json] = {
    "conversations": {
        "createdAt": STARTED,
        "startedAt": STARTED,
        "participants": [{"email": "ana@acme.com", "name": "Ana Ruiz"}],
        "recordingUrl": "https://example.com/call.mp4",
    },
    "messages": {
        "createdAt": STARTED,
        "body": "The export fails every day.",
        "sender": {"email": "ana@acme.com", "name": "Ana Ruiz"},
        "recipients": [{"email": "rep@ours.io", "name": "Rep"}],
    },
    "documents": {"url": "https://example.com/plan.pdf"},
    "rows": {"name": "T-1", "fields": {"title": {"value": "x", "fieldType": "string"}}},
}
FIELD_DEFINITIONS: list[Json] = [
    {"name": "title", "fieldType": "string", "required": True},
    {"name": "notes", "fieldType": "textarea"},
    {"name": "open", "fieldType": "boolean"},
    {"name": "score", "fieldType": "int"},
    {"name": "ratio", "fieldType": "double"},
    {"name": "at", "fieldType": "datetime"},
    {"name": "on", "fieldType": "date"},
    {"name": "tags", "fieldType": "list"},
]


class Source:
    """A source with an object type of all eight field types."""

    def __init__(self, tenant: Tenant, id: str, object_type: str) -> None:
        self.tenant = tenant
        self.http = tenant.http
        self.id = id
        self.object_type = object_type

    def body(self, kind: str, id: str, **fields: Any) -> Json:
        """A valid body for a POST. Fields that are None are left out."""
        body = {"id": id, "sourceId": self.id, **MINIMAL_FIELDS[kind]}
        if kind == "rows":
            body["objectTypeId"] = self.object_type
        return {name: value for name, value in (body | fields).items() if value is not None}

    async def post(self, kind: str, id: str, **fields: Any) -> httpx.Response:
        """POST a record."""
        return await self.http.post(f"/v1/{kind}", json=self.body(kind, id, **fields))

    async def push(self, kind: str, id: str, **fields: Any) -> str:
        """POST a record, which must succeed, and return its record id."""
        response = await self.post(kind, id, **fields)
        assert response.status_code == 201, response.text
        record: str = response.json()["recordId"]
        return record

    async def patch(self, kind: str, id: str, **fields: Any) -> httpx.Response:
        """PATCH a record."""
        params = {"remoteId": id, "sourceId": self.id}
        return await self.http.patch(f"/v1/{kind}", params=params, json=fields)

    async def delete(self, kind: str, id: str) -> httpx.Response:
        """DELETE a record."""
        params = {"remoteId": id, "sourceId": self.id}
        return await self.http.delete(f"/v1/{kind}", params=params)


async def create_source(tenant: Tenant, name: str = "crm") -> Source:
    """Create a source and an object type."""
    created = await tenant.http.post("/v1/sources", json={"name": name, "displayName": name})
    assert created.status_code == 201, created.text
    source = created.json()["id"]
    body = {
        "sourceId": source,
        "name": "ticket",
        "displayName": "Ticket",
        "fieldDefinitions": FIELD_DEFINITIONS,
    }
    created = await tenant.http.post("/v1/object-types", json=body)
    assert created.status_code == 201, created.text
    return Source(tenant, source, created.json()["id"])


async def assert_refused(
    source: Source, kind: str, cases: Iterable[tuple[Json, str | None]]
) -> None:
    """POST a record per case (fields, wrong field). Each error must name the wrong field."""
    for fields, field in cases:
        response = await source.post(kind, "one", **fields)
        assert response.status_code == 400, (fields, response.text)
        detail = response.json()["detail"]
        assert (detail["error"], detail["field"]) == ("validation_error", field), fields
    assert (await get_json(source.tenant, kind))[kind] == []


def refusal(response: httpx.Response) -> tuple[int, str | None]:
    """Status of an error, and the field that it names."""
    return response.status_code, response.json()["detail"]["field"]


async def get_json(tenant: Tenant, path: str, **params: Any) -> Any:
    """GET a path below /v1, which must succeed."""
    response = await tenant.http.get(f"/v1/{path}", params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def listed_ids(tenant: Tenant, kind: str, **params: Any) -> list[str]:
    """Return the ids on the first page of a list."""
    return ids_of(kind, (await get_json(tenant, kind, **params))[kind])


def ids_of(kind: str, records: Iterable[Json]) -> list[str]:
    """The ids of listed records.

    They are CRM ids of deals and accounts, record ids of conversations, and remote ids otherwise.
    """
    name = {"conversations": "conversationId", "deals": "dealId", "accounts": "accountId"}.get(
        kind, "remoteId"
    )
    return [record[name] for record in records]
