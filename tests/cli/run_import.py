"""Run `gateway import` on files, and read the imported records over HTTP."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.cli.gateway_command import CommandResult, Gateway
from tests.stack import Tenant

_CONTRACTS = Path(__file__).parents[1] / "contracts" / "examples"


def _documented(operation: str, **changes: Any) -> dict[str, Any]:
    """The documented response of an operation, with changes."""
    response = json.loads((_CONTRACTS / f"{operation}.response.json").read_bytes())
    return {**response, **changes}


# Imported with all values, which nothing processes.
PROCESSED = {"status": "processed", "error": None, "note": None}

DEAL = _documented("getDeal")
ACCOUNT = _documented("getAccount")
CONVERSATION = _documented("getConversation", processing=PROCESSED, language=None)
MESSAGE = _documented("getMessage", language=None)
# Omit the documented source, because imports accept native records only.
DOCUMENT = _documented("getDocument", sourceId="chat_upload", processing=PROCESSED, language=None)
PRODUCT = {"id": "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001", "name": "Dashboards"}

# Kind -> the example, and the name of its id field.
EXAMPLES: dict[str, tuple[dict[str, Any], str]] = {
    "deals": (DEAL, "dealId"),
    "accounts": (ACCOUNT, "accountId"),
    "conversations": (CONVERSATION, "conversationId"),
    "messages": (MESSAGE, "messageId"),
    "documents": (DOCUMENT, "id"),
}


# Records with the required fields only, to be written as JSON Lines.
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
        for line in self._reported(path):
            number, _, reason = line.partition(": ")
            if not number.startswith(" "):
                assert int(number) not in reasons
                reasons[int(number)] = reason
        return reasons

    def notes(self, path: Path) -> list[str]:
        """Notes about how a table was read."""
        return [line.strip() for line in self._reported(path) if line.startswith(" ")]

    def _reported(self, path: Path) -> list[str]:
        lines = self.err.splitlines()
        assert all(line.startswith(f"{path}:") for line in lines), lines
        return [line.removeprefix(f"{path}:") for line in lines]


class Importer:
    """Writes files and imports them."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def run(self, workspace: Tenant | str, *arguments: str | Path) -> ImportResult:
        """Run `gateway import` into a workspace."""
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
