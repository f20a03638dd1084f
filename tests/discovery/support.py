"""Helpers of the discovery tests."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.stack import Stack, Tenant

PRODUCT = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001"
ACCOUNT = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002"

# The required fields of a create.
MINIMAL: dict[str, dict[str, Any]] = {
    "signals": {"source": {"type": "crm"}},
    "insights": {"description": "Three of five users did not find the billing page."},
    "opportunities": {"name": "Reduce churn", "description": "Users leave after two days."},
    "ideas": {"name": "One-click checkout", "description": "Store what users prefer."},
    "products": {"name": "Atlas"},
}

TRANSCRIPT = (
    "[00:00:05] Interviewer: How do you use the dashboard today?\n"
    "[00:00:12] Maria: Honestly the dashboard is really slow and it crashes every morning.\n"
    "[00:00:31] Maria: I would love to export the numbers as a spreadsheet.\n"
)


async def create_minimal(tenant: Tenant, resource: str, **fields: Any) -> str:
    """Create a record with the required fields and `fields`. Returns its id."""
    record: str = (await tenant.create(resource, **MINIMAL[resource], **fields))["id"]
    return record


async def queue_analysis(tenant: Tenant, signal_id: str) -> str:
    """POST to a signal's `process` and expect 201. Returns the job's id."""
    response = await tenant.http.post(f"/external/v1/signals/{signal_id}/process")
    assert response.status_code == 201, response.text
    assert list(response.json()) == ["jobId"]
    job: str = response.json()["jobId"]
    return job


async def reprocess(tenant: Tenant, signal_id: str) -> Any:
    """Analyse a signal again. Returns the signal."""
    await queue_analysis(tenant, signal_id)
    return await tenant.wait_until_processed(signal_id)


async def insights_of(tenant: Tenant, signal: Any) -> list[Any]:
    return [await tenant.get(f"insights/{insight}") for insight in signal["insightIds"]]


async def evidence_of(tenant: Tenant, signal: Any) -> list[Any]:
    """The evidence of all insights of a signal."""
    return [
        quote
        for insight in signal["insightIds"]
        for quote in await tenant.get(f"insights/{insight}/evidence")
    ]


@contextmanager
def paused_worker(stack: Stack) -> Iterator[None]:
    """Suspend the worker, so that new jobs stay queued."""
    stack.worker.send(signal.SIGSTOP)
    try:
        yield
    finally:
        stack.worker.send(signal.SIGCONT)
