"""Schemathesis tests of both APIs: every response is as documented.

A failure shows the output of schemathesis, which includes curl commands. The schemathesis CLI
imports this module for its hooks, so the module has few imports.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

from tests.http.openapi.valid_bodies import FIELD_VALUES, REMOTE_IDS, URL, is_uuid, make_valid

if TYPE_CHECKING:
    from domains.kernel.db.database import Database
    from tests.conftest import MakeTenant
    from tests.stack import Stack, Tenant

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[3]
DISCOVERY_DOCUMENT = "/external/v1/openapi.json"
REVENUE_DOCUMENT = "/v1/openapi.json"
TIMEOUT = 240

TAGS = ("Signals", "Insights", "Opportunities", "Ideas", "Products")
# Tags of a run, and its number of sequences. A resource is not in the same run as a resource whose
# id its body needs: no sequence would then begin with it.
REVENUE_TAGS = [
    (("Sources",), 10),
    (("Object types",), 40),
    (("Conversations",), 40),
    (("Messages", "Documents"), 40),
    (("Rows",), 10),
]
NAME_FIELDS = {"name": "Exports", "description": "Exports that finish in seconds"}
# Records that each run finds in its workspace.
RECORDS = {
    "signals": {"signalType": "review", "text": "Exports take minutes."},
    "insights": NAME_FIELDS,
    "opportunities": NAME_FIELDS,
    "ideas": NAME_FIELDS,
}

# Fields of bodies that list the ids of linked records.
LINK_FIELDS = {"insightIds": "insights", "opportunityIds": "opportunities", "ideaIds": "ideas"}

# Ids in paths that are valid by the schema.
RECORD_ID = re.compile("[A-Z]+-[1-9][0-9]{0,17}|[0-9A-Fa-f-]{36}")

# Deterministic, without data of earlier runs, and only with the links of the document.
CONFIG = """
hooks = {hooks}
auth.openapi.bearer.bearer = "{key}"
continue-on-failure = true
cache.enabled = false
output.sanitization.enabled = false
reports.json.path = "report.json"

[generation]
deterministic = true
database = "none"
# NUL is refused, which JSON Schema cannot express.
allow-x00 = false

[phases.fuzzing]
generation.max-examples = {examples}

[phases.stateful]
generation.max-examples = {sequences}
inference.algorithms = []
link-calibration = false
"""


# --- hooks ------------------------------------------------------------------------------------


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext,  # noqa: ARG001 - the name is part of the hook
    case: schemathesis.Case[Any],
    kwargs: Json,  # noqa: ARG001
) -> None:
    """Put existing ids, a new Idempotency-Key and an If-Match that holds into valid requests."""
    if re.fullmatch("[!-~]{1,255}", case.headers.get("Idempotency-Key", "")):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    if "If-Match" in case.headers:
        # No schema describes the tag that a record has at the moment.
        case.headers["If-Match"] = "*"
    in_sequence = case.meta is not None and case.meta.phase.name.value == "stateful"
    if case.path.startswith("/v1/"):
        adjust_revenue_call(case, in_sequence=in_sequence)
        return
    if isinstance(case.body, dict):
        for field in LINK_FIELDS.keys() & case.body.keys():
            if isinstance(given := case.body[field], list):
                # Keep values that violate the schema.
                ids = [
                    prepared_ids()[LINK_FIELDS[field]] if each and isinstance(each, str) else each
                    for each in given
                ]
                case.body = {**case.body, field: ids}
    if not in_sequence and "id" in case.path_parameters:
        kind = case.path.split("/")[3]
        record = prepared_ids().get(kind)
        # No operation creates an account, whose id could be read.
        is_replaced = case.method == "PATCH" or kind == "accounts"
        if is_replaced and RECORD_ID.fullmatch(str(case.path_parameters["id"])):
            case.path_parameters["id"] = record
        elif case.method == "DELETE" and case.path_parameters["id"] == record:
            case.path_parameters["id"] = str(uuid.uuid4())


def adjust_revenue_call(case: schemathesis.Case[Any], *, in_sequence: bool) -> None:
    """Do the same as `before_call` for the revenue record. Keeps values that violate the schema."""
    kind = case.path.split("/")[2]
    if isinstance(case.body, dict):
        case.body = make_valid(kind, case.method, case.body, prepared_ids())
    query = case.query
    # Only a cursor from the API is valid, and only with the filters of its list.
    if isinstance(cursor := query.get("cursor"), str) and len(cursor) <= 512:
        del query["cursor"]
        if not query.keys() - {"limit"}:
            query["cursor"] = prepared_ids()[f"cursor of {kind}"]
    if in_sequence:
        return
    sourced = query.get("sourceId")
    # In these lists the schema allows any text as a source.
    named = case.method == "GET" and kind in ("conversations", "documents", "messages")
    if (named and isinstance(sourced, str)) or is_uuid(sourced):
        query["sourceId"] = prepared_ids()["sourceId"]
    if case.method == "DELETE":
        return
    if case.method == "PATCH" and kind in REMOTE_IDS and 0 < len(query.get("remoteId", "")) <= 512:
        query["remoteId"] = REMOTE_IDS[kind]
    for name, value in case.path_parameters.items():
        if is_uuid(value) or name in ("dealId", "accountId"):
            # Updates replace the fields of a type, so the type of the prepared rows is not updated.
            updates_type = kind == "object-types" and case.method == "PATCH"
            case.path_parameters[name] = prepared_ids()["updatedTypeId" if updates_type else name]


@functools.cache
def prepared_ids() -> dict[str, str]:
    """Ids of the records that `prepare` created, by resource or by parameter."""
    ids: dict[str, str] = json.loads(Path("prepared_ids.json").read_text())
    return ids


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,  # noqa: ARG001
    failure: Exception,
    case: schemathesis.Case[Any],
    response: schemathesis.Response,
) -> bool:
    """Return False to ignore refusals that the contract requires but no schema can express.

    Also ignores that requests are accepted which the documents do not show on purpose.
    """
    if isinstance(failure, AcceptedNegativeData):
        # Larger limits are clamped, however large: the format int64 has a bound, `limit` has none.
        limit = str(case.query.get("limit", ""))
        return not is_tolerated(case) and not (limit.isdigit() and int(limit) > 2**63 - 1)
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 400:
        return True
    faults = response.json().get("errors", [])
    return not (faults and all(is_undocumented_refusal(case, **fault) for fault in faults))


def is_tolerated(case: schemathesis.Case[Any]) -> bool:
    """True for a request with an empty parameter, or with a null in the body of a create."""
    names = [name for name, value in case.query.items() if value == ""]
    return bool(names) or (case.method == "POST" and has_null(case.body))


def has_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(has_null, value.values()))
    return any(map(has_null, value)) if isinstance(value, list) else value is None


def is_undocumented_refusal(case: schemathesis.Case[Any], field: str, message: str) -> bool:
    """True if the schema does not express the rule that this field violates."""
    if field in LINK_FIELDS:
        return message.startswith(f"no such {LINK_FIELDS[field]} in this workspace: ")
    if field == "duplicateOf":
        return message == "no such insight in this workspace"
    if field == "signalId":
        return message == "must be a uuid or a public id such as SIGNAL-42"
    # Blank to Python, but not to the regular expressions of JSON Schema: U+001C to U+001F, U+0085.
    sent: Any = case.body if isinstance(case.body, dict) else case.query
    return message == "must be a string that is not blank" and not sent[field].strip()


# --- runs -------------------------------------------------------------------------------------


async def test_every_operation_answers_as_documented(
    stack: Stack, database: Database, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    """Single requests with examples, boundary values and random data, valid or not."""
    tenant = await make_tenant()
    document = (await tenant.http.get(DISCOVERY_DOCUMENT)).json()
    await prepare(tenant, database, tmp_path)
    await run(stack, tmp_path, "--phases", "examples,coverage,fuzzing")
    check_report(document, tmp_path)


def check_report(document: Json, folder: Path) -> None:
    """Assert that each operation was called often, and that most valid requests succeeded."""
    report = json.loads((folder / "report.json").read_text())
    operations = sum(len(methods) for methods in document["paths"].values())
    assert report["operations"]["tested"] == operations
    assert report["test_cases"]["generated"] > 20 * operations
    assert report["filtered"] < report["test_cases"]["generated"] / 25
    # Otherwise the run would mostly test error responses.
    rates = report["valid_rates"]
    assert len(rates) == operations
    for operation, phases in rates.items():
        accepted, rejected = (
            sum(phase[outcome] for phase in phases.values()) for outcome in ("accepted", "rejected")
        )
        assert accepted > rejected, operation


@pytest.mark.parametrize("tag", TAGS)
async def test_sequences_of_discovery_operations(
    stack: Stack, database: Database, make_tenant: MakeTenant, tmp_path: Path, tag: str
) -> None:
    """Sequences follow the links of the document. Each link must succeed at least once."""
    tenant = await make_tenant()
    document = (await tenant.http.get(DISCOVERY_DOCUMENT)).json()
    await prepare(tenant, database, tmp_path)
    events = ["--report-ndjson-path", "events.ndjson"]
    await run(stack, tmp_path, "--phases", "stateful", "--include-tag", tag, *events)
    assert set(followed_links(tmp_path)) == links_of(document, tag)


async def test_every_operation_of_revenue_answers_as_documented(
    stack: Stack, database: Database, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    tenant = await make_tenant()
    document = (await tenant.http.get(REVENUE_DOCUMENT)).json()
    await prepare_revenue(tenant, database, tmp_path)
    phases = "examples,coverage,fuzzing"
    await run(stack, tmp_path, "--phases", phases, "-n", "2", document=REVENUE_DOCUMENT)
    check_report(document, tmp_path)


@pytest.mark.parametrize(("tags", "sequences"), REVENUE_TAGS)
async def test_sequences_of_revenue_operations(
    stack: Stack,
    database: Database,
    make_tenant: MakeTenant,
    tmp_path: Path,
    tags: tuple[str, ...],
    sequences: int,
) -> None:
    tenant = await make_tenant()
    document = (await tenant.http.get(REVENUE_DOCUMENT)).json()
    await prepare_revenue(tenant, database, tmp_path, sequences)
    chosen = [choice for tag in tags for choice in ("--include-tag", tag)]
    events = ["--report-ndjson-path", "events.ndjson"]
    await run(stack, tmp_path, "--phases", "stateful", *chosen, *events, document=REVENUE_DOCUMENT)
    assert set(followed_links(tmp_path)) == {
        link for tag in tags for link in links_of(document, tag)
    }


@pytest.mark.parametrize(
    ("path", "tags"),
    [
        (DISCOVERY_DOCUMENT, TAGS),
        (REVENUE_DOCUMENT, [tag for tags, _ in REVENUE_TAGS for tag in tags]),
    ],
)
async def test_every_resource_with_links_is_in_a_run(
    acme: Tenant, path: str, tags: Sequence[str]
) -> None:
    document = (await acme.http.get(path)).json()
    assert {tag["name"] for tag in document["tags"] if links_of(document, tag["name"])} == set(tags)


async def prepare_revenue(
    tenant: Tenant, database: Database, folder: Path, sequences: int = 10
) -> None:
    """Do the same as `prepare` for the revenue record."""
    configure(tenant, folder, 4, sequences)

    async def create(kind: str, **body: Any) -> str:
        answer = await tenant.http.post(f"/v1/{kind}", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json().get("recordId") or answer.json()["id"])

    source = {"sourceId": await create("sources", name="prepared", displayName="Prepared")}
    definitions = [{"name": each, "fieldType": each} for each in FIELD_VALUES]
    names = {"name": "prepared", "displayName": "Prepared", "fieldDefinitions": definitions}
    made = {**source, "objectTypeId": await create("object-types", **source, **names)}
    made["updatedTypeId"] = await create("object-types", **source, **names | {"name": "updated"})
    started = {"createdAt": "2026-03-11T14:00:00Z", "startedAt": "2026-03-11T14:00:00Z"}
    person = {"email": "ana@halden.example"}
    bodies: dict[str, Json] = {
        "rows": {
            "objectTypeId": made["objectTypeId"],
            "name": "row",
            "fields": {"int": {"value": 7, "fieldType": "int"}},
        },
        "documents": {"url": URL},
        "conversations": {**started, "participants": [person], "recordingUrl": URL},
        "messages": {**started, "body": "Hello", "sender": person, "recipients": [person]},
    }
    for kind, body in bodies.items():
        await create(kind, id="another", **source, **body)
        made[f"{kind[:-1]}Id"] = await create(kind, id=REMOTE_IDS[kind], **source, **body)
    async with database.connection() as connection:
        for kind in ("deals", "accounts"):
            made[f"{kind[:-1]}Id"] = "one"
            await connection.execute(
                f"insert into {kind} (workspace_id, id) values ($1, 'one'), ($1, 'two')",
                tenant.workspace,
            )
    for kind in (*bodies, "deals", "accounts"):
        page = (await tenant.http.get(f"/v1/{kind}", params={"limit": 1})).json()
        made[f"cursor of {kind}"] = page["pagination"]["nextCursor"]
    (folder / "prepared_ids.json").write_text(json.dumps(made))


def configure(tenant: Tenant, folder: Path, examples: int, sequences: int) -> None:
    known = {"hooks": json.dumps(__file__), "key": tenant.key}
    config = CONFIG.format(**known, examples=examples, sequences=sequences)
    (folder / "schemathesis.toml").write_text(config)


async def prepare(tenant: Tenant, database: Database, folder: Path) -> None:
    """Write the configuration of a run, and create the records that its hooks use."""
    configure(tenant, folder, 8, 10)
    made = {}
    for resource, body in RECORDS.items():
        answer = await tenant.http.post(f"/external/v1/{resource}", json=body)
        made[resource] = answer.json()["id"]
    async with database.connection() as connection:
        made["accounts"] = await connection.fetchval(
            "insert into accounts (workspace_id, id, name) values ($1, 'one', 'One')"
            " returning account_uuid(workspace_id, id)::text",
            tenant.workspace,
        )
    (folder / "prepared_ids.json").write_text(json.dumps(made))


async def run(
    stack: Stack, folder: Path, *choices: str, document: str = DISCOVERY_DOCUMENT
) -> None:
    """Run schemathesis on a document. Its output is the message of the failure."""
    done = await asyncio.to_thread(
        subprocess.run,
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
            *("run", stack.base_url + document, "--no-color", *choices),
        ],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            # All runs share the Unicode tables, which take seconds to build.
            "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis"),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )
    if done.returncode:
        pytest.fail(f"{done.stdout}\nThe log of the API: {stack.api.log}", pytrace=False)


def followed_links(folder: Path) -> Iterator[str]:
    """Names of the links that a run followed with the linked id and a 2xx response."""
    for line in (folder / "events.ndjson").read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for name, case in recorder.get("cases", {}).items():
            response = recorder.get("interactions", {}).get(name, {}).get("response") or {}
            if case.get("is_transition_applied") and 200 <= response.get("status_code", 0) < 300:
                yield re.sub(r".*\[\d+\] (\w+) -> .*", r"\1", case["transition"]["id"])


def links_of(document: Json, tag: str) -> set[str]:
    """Names of the links of the operations with a tag."""
    return {
        name
        for methods in document["paths"].values()
        for described in methods.values()
        if tag in described["tags"]
        for answer in described["responses"].values()
        for name in answer.get("links", ())
    }
