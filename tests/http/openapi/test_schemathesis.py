"""Both APIs hold what their documents say, whatever is sent: schemathesis, by its CLI.

A failure prints what schemathesis prints, with the curl commands that show it. Each run imports
this module for its hooks, so it imports little itself.
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
from schemathesis.openapi.checks import RejectedPositiveData

from tests.http.openapi.generated import REMOTE, VALUES, WEB_ADDRESS, is_uuid, made_valid

if TYPE_CHECKING:
    from domains.kernel.db.database import Database
    from tests.conftest import MakeTenant
    from tests.stack import Stack, Tenant

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = "/external/v1/openapi.json"
OF_REVENUE = "/v1/openapi.json"
PATIENCE = 240

TAGS = ("Signals", "Insights", "Opportunities", "Ideas", "Products")
# Those that go together, and how many sequences these need: beside what brings forth the id that
# another's body needs, that other would begin no sequence.
REVENUE_TAGS = [
    (("Sources",), 10),
    (("Object types", "Conversations", "Messages", "Documents"), 60),
    (("Rows",), 10),
]
NAMED = {"name": "Exports", "description": "Exports that finish in seconds"}
# What a run finds in its workspace, to be changed and linked to.
BODIES = {
    "signals": {"signalType": "review", "text": "Exports take minutes."},
    "insights": NAMED,
    "opportunities": NAMED,
    "ideas": NAMED,
}

# The fields of bodies that name linked records.
LINKS = {"insightIds": "insights", "opportunityIds": "opportunities", "ideaIds": "ideas"}

# The same every time, no memory of earlier runs; of links only those that the document has.
CONFIG = """
hooks = {hooks}
auth.openapi.apiKey.bearer = "{key}"
continue-on-failure = true
cache.enabled = false
output.sanitization.enabled = false
reports.json.path = "report.json"

[generation]
deterministic = true
database = "none"
# Refused by contract, and no JSON Schema says so.
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
    """Let valid requests get further than to "no such record" and "this key was used before"."""
    if re.fullmatch("[!-~]{1,255}", case.headers.get("Idempotency-Key", "")):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    in_sequence = case.meta is not None and case.meta.phase.name.value == "stateful"
    if case.path.startswith("/v1/"):
        before_call_of_revenue(case, in_sequence=in_sequence)
        return
    if isinstance(case.body, dict):
        for field in LINKS.keys() & case.body.keys():
            if isinstance(given := case.body[field], list):
                # What is no text, or empty, stays to be refused.
                ids = [
                    records()[LINKS[field]] if each and isinstance(each, str) else each
                    for each in given
                ]
                case.body = {**case.body, field: ids}
    if not in_sequence and "id" in case.path_parameters:
        record = records().get(case.path.split("/")[3])
        if case.method == "PATCH" and is_uuid(case.path_parameters["id"]):
            case.path_parameters["id"] = record
        elif case.method == "DELETE" and case.path_parameters["id"] == record:
            case.path_parameters["id"] = str(uuid.uuid4())


def before_call_of_revenue(case: schemathesis.Case[Any], *, in_sequence: bool) -> None:
    """The same for the revenue record. What a schema forbids stays as it is, to be refused."""
    kind = case.path.split("/")[2]
    if isinstance(case.body, dict):
        case.body = made_valid(kind, case.method, case.body, records())
    query = case.query
    # A cursor is the API's own word, for a list with the same filters.
    if isinstance(cursor := query.get("cursor"), str) and len(cursor) <= 512:
        del query["cursor"]
        if not query.keys() - {"limit"}:
            query["cursor"] = records()[f"cursor of {kind}"]
    if in_sequence:
        return
    sourced = query.get("sourceId")
    # In these lists a source may have any name, says the schema.
    named = case.method == "GET" and kind in ("conversations", "documents", "messages")
    if (named and isinstance(sourced, str)) or is_uuid(sourced):
        query["sourceId"] = records()["sourceId"]
    if case.method == "DELETE":
        return
    if case.method == "PATCH" and kind in REMOTE and 0 < len(query.get("remoteId", "")) <= 512:
        query["remoteId"] = REMOTE[kind]
    for name, value in case.path_parameters.items():
        if is_uuid(value) or name in ("dealId", "accountId"):
            case.path_parameters[name] = records()[name]


@functools.cache
def records() -> dict[str, str]:
    """The ids of the records that `prepare` made, by resource, or by their parameters."""
    found: dict[str, str] = json.loads(Path("records.json").read_text())
    return found


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,  # noqa: ARG001
    failure: Exception,
    case: schemathesis.Case[Any],
    response: schemathesis.Response,
) -> bool:
    """Whether a failure counts: refusals that are by contract, but in no schema, do not."""
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 400:
        return True
    faults = response.json().get("errors", [])
    return not (faults and all(by_contract(case, **fault) for fault in faults))


def by_contract(case: schemathesis.Case[Any], field: str, message: str) -> bool:
    """Whether a schema cannot say, or does not say, why this field was refused."""
    if field in LINKS:
        return message.startswith(f"no such {LINKS[field]} in this workspace: ")
    if field == "signalId":
        return message == "must be a uuid or a public id such as SIGNAL-42"
    # Blank to Python, but not to the regular expressions of JSON Schema: U+001C to U+001F, U+0085.
    sent: Any = case.body if isinstance(case.body, dict) else case.query
    return message == "must be a string that is not blank" and not sent[field].strip()


# --- runs -------------------------------------------------------------------------------------


async def test_every_operation_answers_as_documented(
    stack: Stack, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    """Each alone, with valid and invalid data: examples, every boundary, and random values."""
    tenant = await make_tenant()
    document = (await tenant.http.get(DOCUMENT)).json()
    await prepare(tenant, tmp_path)
    await run(stack, tmp_path, "--phases", "examples,coverage,fuzzing")
    check_report(document, tmp_path)


def check_report(document: Json, folder: Path) -> None:
    """Every operation was tried often enough, and what is valid was mostly accepted."""
    report = json.loads((folder / "report.json").read_text())
    operations = sum(len(methods) for methods in document["paths"].values())
    assert report["operations"]["tested"] == operations
    assert report["test_cases"]["generated"] > 20 * operations
    assert report["filtered"] < report["test_cases"]["generated"] / 50
    # A run in which valid data is mostly refused would look at nothing but refusals.
    rates = report["valid_rates"]
    assert len(rates) == operations
    for operation, phases in rates.items():
        accepted, rejected = (
            sum(phase[outcome] for phase in phases.values()) for outcome in ("accepted", "rejected")
        )
        assert accepted > rejected, operation


@pytest.mark.parametrize("tag", TAGS)
async def test_what_was_created_is_found_changed_and_deleted(
    stack: Stack, make_tenant: MakeTenant, tmp_path: Path, tag: str
) -> None:
    """Sequences along the document's links; each link leads to a success at least once."""
    tenant = await make_tenant()
    document = (await tenant.http.get(DOCUMENT)).json()
    await prepare(tenant, tmp_path)
    events = ["--report-ndjson-path", "events.ndjson"]
    await run(stack, tmp_path, "--phases", "stateful", "--include-tag", tag, *events)
    assert set(followed(tmp_path)) == links_of(document, tag)


async def test_every_operation_of_revenue_answers_as_documented(
    stack: Stack, database: Database, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    tenant = await make_tenant()
    document = (await tenant.http.get(OF_REVENUE)).json()
    await prepare_revenue(tenant, database, tmp_path)
    phases = "examples,coverage,fuzzing"
    await run(stack, tmp_path, "--phases", phases, "-n", "2", document=OF_REVENUE)
    check_report(document, tmp_path)


@pytest.mark.parametrize(("tags", "sequences"), REVENUE_TAGS)
async def test_what_was_pushed_is_found_changed_and_deleted(
    stack: Stack,
    database: Database,
    make_tenant: MakeTenant,
    tmp_path: Path,
    tags: tuple[str, ...],
    sequences: int,
) -> None:
    """The same for the revenue record."""
    tenant = await make_tenant()
    document = (await tenant.http.get(OF_REVENUE)).json()
    await prepare_revenue(tenant, database, tmp_path, sequences)
    chosen = [choice for tag in tags for choice in ("--include-tag", tag)]
    events = ["--report-ndjson-path", "events.ndjson"]
    await run(stack, tmp_path, "--phases", "stateful", *chosen, *events, document=OF_REVENUE)
    assert set(followed(tmp_path)) == {link for tag in tags for link in links_of(document, tag)}


@pytest.mark.parametrize(
    ("path", "tags"),
    [(DOCUMENT, TAGS), (OF_REVENUE, [tag for tags, _ in REVENUE_TAGS for tag in tags])],
)
async def test_every_link_is_followed(acme: Tenant, path: str, tags: Sequence[str]) -> None:
    document = (await acme.http.get(path)).json()
    assert {tag["name"] for tag in document["tags"] if links_of(document, tag["name"])} == set(tags)


async def prepare_revenue(
    tenant: Tenant, database: Database, folder: Path, sequences: int = 10
) -> None:
    """The same for the revenue record."""
    configure(tenant, folder, 4, sequences)

    async def create(kind: str, **body: Any) -> str:
        answer = await tenant.http.post(f"/v1/{kind}", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json().get("recordId") or answer.json()["id"])

    source = {"sourceId": await create("sources", name="prepared", displayName="Prepared")}
    definitions = [{"name": each, "fieldType": each} for each in VALUES]
    names = {"name": "prepared", "displayName": "Prepared", "fieldDefinitions": definitions}
    made = {**source, "objectTypeId": await create("object-types", **source, **names)}
    started = {"createdAt": "2026-03-11T14:00:00Z", "startedAt": "2026-03-11T14:00:00Z"}
    person = {"email": "ana@halden.example"}
    bodies: dict[str, Json] = {
        "rows": {
            "objectTypeId": made["objectTypeId"],
            "name": "row",
            "fields": {"int": {"value": 7, "fieldType": "int"}},
        },
        "documents": {"url": WEB_ADDRESS},
        "conversations": {**started, "participants": [person], "recordingUrl": WEB_ADDRESS},
        "messages": {**started, "body": "Hello", "sender": person, "recipients": [person]},
    }
    for kind, body in bodies.items():
        await create(kind, id="another", **source, **body)
        made[f"{kind[:-1]}Id"] = await create(kind, id=REMOTE[kind], **source, **body)
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
    (folder / "records.json").write_text(json.dumps(made))


def configure(tenant: Tenant, folder: Path, examples: int, sequences: int) -> None:
    known = {"hooks": json.dumps(__file__), "key": tenant.key}
    config = CONFIG.format(**known, examples=examples, sequences=sequences)
    (folder / "schemathesis.toml").write_text(config)


async def prepare(tenant: Tenant, folder: Path) -> None:
    """Write the configuration of a run, and make the records that its hooks know."""
    configure(tenant, folder, 8, 10)
    made = {}
    for resource, body in BODIES.items():
        answer = await tenant.http.post(f"/external/v1/{resource}", json=body)
        made[resource] = answer.json()["id"]
    (folder / "records.json").write_text(json.dumps(made))


async def run(stack: Stack, folder: Path, *choices: str, document: str = DOCUMENT) -> None:
    """Run schemathesis against a document; its output is the failure."""
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
            # Its tables of Unicode, which take seconds to make, are made once for all runs.
            "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis"),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    if done.returncode:
        pytest.fail(f"{done.stdout}\nThe log of the API: {stack.api.log}", pytrace=False)


def followed(folder: Path) -> Iterator[str]:
    """The names of the links that a run took with the id it was given, and that led to a 2xx."""
    for line in (folder / "events.ndjson").read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for name, case in recorder.get("cases", {}).items():
            response = recorder.get("interactions", {}).get(name, {}).get("response") or {}
            if case.get("is_transition_applied") and 200 <= response.get("status_code", 0) < 300:
                yield re.sub(r".*\[\d+\] (\w+) -> .*", r"\1", case["transition"]["id"])


def links_of(document: Json, tag: str) -> set[str]:
    """The links that start at operations of a tag."""
    return {
        name
        for methods in document["paths"].values()
        for described in methods.values()
        if tag in described["tags"]
        for answer in described["responses"].values()
        for name in answer.get("links", ())
    }
