"""The discovery API holds what its document says, whatever is sent: schemathesis, by its CLI.

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
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

if TYPE_CHECKING:
    from tests.conftest import MakeTenant
    from tests.stack import Stack, Tenant

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = "/external/v1/openapi.json"
PATIENCE = 240

TAGS = ("Signals", "Insights", "Opportunities", "Ideas", "Products")
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
reports.ndjson.path = "events.ndjson"

[generation]
deterministic = true
database = "none"
# Refused by contract, and no JSON Schema says so.
allow-x00 = false

[phases.fuzzing]
generation.max-examples = 8

[phases.stateful]
generation.max-examples = 10
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
    if isinstance(case.body, dict):
        for field in LINKS.keys() & case.body.keys():
            if isinstance(given := case.body[field], list):
                # What is no text, or empty, stays to be refused.
                ids = [
                    records()[LINKS[field]] if each and isinstance(each, str) else each
                    for each in given
                ]
                case.body = {**case.body, field: ids}
    if re.fullmatch("[!-~]{1,255}", case.headers.get("Idempotency-Key", "")):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    in_sequence = case.meta is not None and case.meta.phase.name.value == "stateful"
    if not in_sequence and "id" in case.path_parameters:
        record = records().get(case.path.split("/")[3])
        if case.method == "PATCH" and is_uuid(case.path_parameters["id"]):
            case.path_parameters["id"] = record
        elif case.method == "DELETE" and case.path_parameters["id"] == record:
            case.path_parameters["id"] = str(uuid.uuid4())


@functools.cache
def records() -> dict[str, str]:
    """The ids of the records that `prepare` made, by resource."""
    found: dict[str, str] = json.loads(Path("records.json").read_text())
    return found


def is_uuid(value: object) -> bool:
    try:
        return bool(uuid.UUID(str(value)))
    except ValueError:
        return False


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
    report = json.loads((tmp_path / "report.json").read_text())
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
    await run(stack, tmp_path, "--phases", "stateful", "--include-tag", tag)
    assert set(followed(tmp_path)) == links_of(document, tag)


async def test_every_link_is_followed(acme: Tenant) -> None:
    document = (await acme.http.get(DOCUMENT)).json()
    assert {tag["name"] for tag in document["tags"] if links_of(document, tag["name"])} == set(TAGS)


async def prepare(tenant: Tenant, folder: Path) -> None:
    """Write the configuration of a run, and make the records that its hooks know."""
    config = CONFIG.format(hooks=json.dumps(__file__), key=tenant.key)
    (folder / "schemathesis.toml").write_text(config)
    made = {}
    for resource, body in BODIES.items():
        answer = await tenant.http.post(f"/external/v1/{resource}", json=body)
        made[resource] = answer.json()["id"]
    (folder / "records.json").write_text(json.dumps(made))


async def run(stack: Stack, folder: Path, *choices: str) -> None:
    """Run schemathesis against the discovery document; its output is the failure."""
    done = await asyncio.to_thread(
        subprocess.run,
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
            *("run", stack.base_url + DOCUMENT, "--no-color", *choices),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
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
