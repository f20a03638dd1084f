"""Run `gateway import` on files, and read the imported records over HTTP."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.cli.gateway_command import CommandResult, Gateway
from tests.stack import Tenant

# The example responses of the API documentation.
DEAL: dict[str, Any] = {
    "dealId": "006ABC000000123456",
    "name": "Acme Enterprise Deal",
    "accountName": "Acme Corp",
    "stage": "Negotiation",
    "pipeline": "Sales Pipeline",
    "amount": 50000.0,
    "closeDate": "2024-03-15T00:00:00Z",
    "closed": False,
    "createdDate": "2023-09-01T10:30:00Z",
    "lastActivityDate": "2024-01-10T15:30:00Z",
    "owner": {"name": "Jane Doe", "email": "jane@example.com"},
    "summary": {
        "Current Status": "Deal is progressing well through negotiation.",
        "Pain Points": ["Budget constraints", "Timeline pressure"],
    },
    "crmAutofill": {"Next Steps": "Schedule follow-up call with legal team"},
    "contacts": [
        {
            "name": "John Smith",
            "email": "john@acme.com",
            "title": "VP Sales",
            "phone": "+1234567890",
        }
    ],
}
ACCOUNT: dict[str, Any] = {
    "accountId": "001ABC000000123456",
    "name": "Acme Corp",
    "website": "https://acme.com",
    "owner": {"name": "Jane Doe", "email": "jane@example.com"},
    "createdDate": "2023-09-01T10:30:00Z",
    "lastActivityDate": "2024-01-10T15:30:00Z",
    "latestDeal": {
        "dealId": "006ABC000000789012",
        "name": "Acme Enterprise Deal",
        "stage": "Negotiation",
        "amount": 50000.0,
        "closeDate": "2024-03-15T00:00:00Z",
    },
    "contacts": DEAL["contacts"],
    "syncedCrmFields": {"Industry": "Technology", "Annual Revenue": "$10M"},
}
CONVERSATION: dict[str, Any] = {
    "conversationId": "550e8400-e29b-41d4-a716-446655440000",
    "sourceId": "gong",
    "title": "Q4 Pipeline Review",
    "startTime": "2023-11-14T22:13:20Z",
    "endTime": "2023-11-15T00:13:20Z",
    "type": "EXTERNAL",
    "category": "prospect_negotiation",
    "participants": [{"name": "Jane Smith", "email": "jane@example.com", "attended": True}],
    "crm": {"id": "006...", "name": "Acme Deal", "type": "opportunity"},
    "recordings": {
        "videoUrl": "https://recordings.example.com/meeting.mp4?...",
        "audioUrl": "https://recordings.example.com/meeting.mp3?...",
    },
    "transcript": [
        {
            "speaker": "Jane Smith",
            "text": "Let's review the pipeline numbers.",
            "startTime": 0.0,
            "endTime": 4.5,
        }
    ],
    "summary": {
        "Outcome": "Deal moved to negotiation stage.",
        "Pain Points": ["Integration complexity", "Timeline concerns"],
    },
}
MESSAGE: dict[str, Any] = {
    "messageId": "9b9f7c2c-2d8e-4a17-9d6e-1234567890ab",
    "sourceId": "gmail",
    "remoteId": "1812af3b9...",
    "threadId": "thread-42",
    "subject": "Re: Demo follow-up questions",
    "sender": {"name": "Alice Smith", "email": "alice@acme.com"},
    "recipients": [{"name": "Sales Rep", "email": "rep@sybill.ai"}],
    "bodyPreview": "Thanks for the demo yesterday — a few follow-up questions...",
    "createdAt": "2024-05-01T15:00:00Z",
    "body": "Thanks for the demo yesterday. We're moving forward with...",
    "attachments": [
        {
            "id": "0a3e2c8a-5d51-4d2f-8d6c-9be0b9f3e2d4",
            "filename": "questions.pdf",
            "contentType": "application/pdf",
            "size": 12345,
        }
    ],
}
# Not the documented example, which belongs to a source: imports accept native records only.
DOCUMENT: dict[str, Any] = {
    "id": "9b9f7c2c-2d8e-4a17-9d6e-1234567890ab",
    "displayName": "Acme onboarding plan",
    "sourceId": "chat_upload",
    "remoteId": "doc-42",
    "url": "https://example.com/doc.pdf",
    "contentType": "application/pdf",
    "createdAt": "2024-05-01T15:00:00Z",
    "updatedAt": "2024-05-02T10:00:00Z",
    "normalizedUrl": "https://normalized.example.com/doc-42.txt",
    "normalizedContentType": "text/plain",
}
PRODUCT = {"id": "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001", "name": "Dashboards"}

# By kind: the example, and the name of its id field.
EXAMPLES: dict[str, tuple[dict[str, Any], str]] = {
    "deals": (DEAL, "dealId"),
    "accounts": (ACCOUNT, "accountId"),
    "conversations": (CONVERSATION, "conversationId"),
    "messages": (MESSAGE, "messageId"),
    "documents": (DOCUMENT, "id"),
}


# The fields that a record of each kind needs, as a JSON line.
CALL: dict[str, Any] = {
    "kind": "conversation",
    "conversationId": "550e8400-e29b-41d4-a716-446655440000",
    "sourceId": "gong",
    "startTime": "2026-03-11T14:00:00Z",
}
MAIL: dict[str, Any] = {
    "kind": "message",
    "messageId": "550e8400-e29b-41d4-a716-446655440001",
    "sourceId": "gmail",
    "createdAt": "2026-03-11T14:00:00Z",
    "body": "Hello",
}
PAPER: dict[str, Any] = {
    "kind": "document",
    "id": "550e8400-e29b-41d4-a716-446655440002",
    "sourceId": "chat_upload",
    "url": "https://example.com/a.pdf",
}


def deal(number: int, **fields: Any) -> dict[str, Any]:
    """A deal with the id `d<number>`, as a JSON line."""
    return {"kind": "deal", "dealId": f"d{number}", **fields}


class ImportResult(CommandResult):
    """Exit code and outputs of an import."""

    @property
    def counts(self) -> tuple[int, int, int]:
        """Records stored, unchanged and refused, of a run with --json."""
        counts = json.loads(self.out)
        return counts["stored"], counts["unchanged"], counts["refused"]

    def refusals(self, path: Path) -> dict[int, str]:
        """Reasons of refusals by line number."""
        reasons: dict[int, str] = {}
        for line in self.err.splitlines():
            assert line.startswith(f"{path}:"), line
            number, _, reason = line.removeprefix(f"{path}:").partition(": ")
            assert int(number) not in reasons
            reasons[int(number)] = reason
        return reasons


class Importer:
    """Writes files and imports them."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def run(self, workspace: Tenant | str, *arguments: str | Path) -> ImportResult:
        """`gateway import` into a workspace."""
        name = workspace if isinstance(workspace, str) else workspace.workspace
        result = await self.gateway("import", "--workspace", name, *map(str, arguments))
        return ImportResult(*result)

    def write_file(self, name: str, text: str | bytes) -> Path:
        path = self.gateway.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def write_jsonl(self, records: Iterable[dict[str, Any]], name: str = "records.jsonl") -> Path:
        return self.write_file(name, "".join(json.dumps(record) + "\n" for record in records))

    async def import_records(self, tenant: Tenant, **records: list[dict[str, Any]]) -> ImportResult:
        """Import records by kind (`deals=[...]`), all of which must be accepted."""
        path = self.write_file("records.json", json.dumps(records, ensure_ascii=False))
        result = await self.run(tenant, path, "--json")
        assert (result.code, result.err) == (0, ""), result
        return result


async def get_record(tenant: Tenant, kind: str, id: Any) -> Any:
    """GET a record, which must exist."""
    response = await tenant.http.get(f"/v1/{kind}/{id}")
    assert response.status_code == 200, response.text
    return response.json()
