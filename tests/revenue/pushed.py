"""A source of a workspace and what is pushed through it, for tests of the revenue record."""

from typing import Any

import httpx

from tests.stack import Tenant

Json = dict[str, Any]

STARTED = "2026-03-11T14:00:00Z"

# The least that each kind of record needs besides its id and source.
LEAST: dict[str, Json] = {
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
FIELDS: list[Json] = [
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

    def __init__(self, tenant: Tenant, id: str, object_type: str) -> None:  # noqa: A002
        self.tenant = tenant
        self.http = tenant.http
        self.id = id
        self.object_type = object_type

    def body(self, kind: str, id: str, **fields: Any) -> Json:  # noqa: A002
        """A valid body for a POST; fields of None are left out."""
        body = {"id": id, "sourceId": self.id, **LEAST[kind]}
        if kind == "rows":
            body["objectTypeId"] = self.object_type
        return {name: value for name, value in (body | fields).items() if value is not None}

    async def post(self, kind: str, id: str, **fields: Any) -> httpx.Response:  # noqa: A002
        """POST a record; the answer, whatever it is."""
        return await self.http.post(f"/v1/{kind}", json=self.body(kind, id, **fields))

    async def push(self, kind: str, id: str, **fields: Any) -> str:  # noqa: A002
        """POST a record; its record id."""
        answer = await self.post(kind, id, **fields)
        assert answer.status_code == 201, answer.text
        record: str = answer.json()["recordId"]
        return record

    async def patch(self, kind: str, id: str, **fields: Any) -> httpx.Response:  # noqa: A002
        """PATCH a record; the answer, whatever it is."""
        params = {"remoteId": id, "sourceId": self.id}
        return await self.http.patch(f"/v1/{kind}", params=params, json=fields)

    async def delete(self, kind: str, id: str) -> httpx.Response:  # noqa: A002
        """DELETE a record; the answer, whatever it is."""
        params = {"remoteId": id, "sourceId": self.id}
        return await self.http.delete(f"/v1/{kind}", params=params)


async def source_of(tenant: Tenant, name: str = "crm") -> Source:
    """A new source of the workspace."""
    made = await tenant.http.post("/v1/sources", json={"name": name, "displayName": name})
    assert made.status_code == 201, made.text
    source = made.json()["id"]
    body = {
        "sourceId": source,
        "name": "ticket",
        "displayName": "Ticket",
        "fieldDefinitions": FIELDS,
    }
    made = await tenant.http.post("/v1/object-types", json=body)
    assert made.status_code == 201, made.text
    return Source(tenant, source, made.json()["id"])


async def read(tenant: Tenant, path: str, **params: Any) -> Any:
    """GET below the revenue record's prefix; the answer to a 200."""
    answer = await tenant.http.get(f"/v1/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ids(tenant: Tenant, kind: str, **params: Any) -> list[str]:
    """The ids in the source system of the records on the first page of a list, in their order."""
    page = await read(tenant, kind, **params)
    name = {"conversations": "conversationId", "deals": "dealId", "accounts": "accountId"}.get(
        kind, "remoteId"
    )
    return [record[name] for record in page[kind]]
