"""Jobs: rows that commit with the data they belong to, and their states.

    queued -> sent -> running -> done
       ^       |         |-----> failed      a Problem, or the last attempt failed
       |       |         |-----> cancelled   by an operator
       |-------|---------|                   retry after a failure, a lost message, a lost lease

PostgreSQL holds the state of every job; the broker carries ids only. A `queued` job waits for a
relay, a `sent` job for a worker. A `running` job belongs to the worker that holds its lease
(`leases.py`). A `queued` job may wait for an unavailable dependency (`outages.py`).
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Final, Literal, get_args

import msgspec
from sqlalchemy import ARRAY, Select, Uuid, any_, func, literal_column, null, text

from domains.kernel.db.tables import jobs

Queue = Literal["ingest", "analysis", "fetch", "housekeeping"]
State = Literal["queued", "sent", "running", "done", "failed", "cancelled"]

QUEUES: Final[tuple[Queue, ...]] = get_args(Queue)

# The notification channel on which relays listen.
CHANNEL: Final = "jobs"


class Job(msgspec.Struct, frozen=True, tag_field="kind"):
    """Base class of all jobs. A subclass defines its `tag`, its queue and its fields.

    Stored payloads outlive deployments: give new fields defaults, rename a tag over two releases.
    """

    queue: ClassVar[Queue]

    @property
    def subject(self) -> str:
        """Deduplication key: `enqueue_debounced` merges jobs of the same kind and subject."""
        return ""


# Jobs that have not ended. Constants, because a parameter cannot use a partial index.
LIVE: Final[Any] = text("jobs.state in ('queued', 'sent', 'running')")

# Queued jobs whose dependency has not responded since their last attempt.
WAITING: Final[Any] = text("jobs.state = 'queued' and jobs.tried_at is not null")

# Values of a job that waits for no dependency.
NOT_WAITING: Final[dict[str, Any]] = {
    "waiting_for": null(),
    "waiting_since": null(),
    "tried_at": null(),
}


def in_state(state: State) -> Any:
    """Condition on the state. The state is a constant, so that a partial index can be used."""
    return jobs.c.state == literal_column(f"'{state}'")


def id_in(ids: Select[Any]) -> Any:
    """Condition that the job's id is one of those selected.

    Uses an array: with a join, PostgreSQL's generic plan would read the whole table.
    """
    return jobs.c.id == any_(func.array(ids.scalar_subquery(), type_=ARRAY(Uuid)))


def payload_decoder(kinds: Iterable[type[Job]]) -> msgspec.json.Decoder[Any]:
    """Return a decoder that creates the job class named by the payload's `kind`."""
    union: Any = None
    for kind in kinds:
        union = kind if union is None else union | kind
    return msgspec.json.Decoder(union)
