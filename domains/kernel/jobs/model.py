"""Jobs: rows that commit with the data they belong to, and the states they go through.

    queued -> sent -> running -> done
       ^       |         |-----> failed      a Problem, or the last of the attempts
       |       |         |-----> cancelled   an operator wanted it so
       |-------|---------|                   retry after a failure, a lost message, a lost lease

Postgres is the truth about every state; the broker carries ids only. `queued` waits for a relay,
`sent` for a worker, `running` belongs to the worker that holds the lease (`leases.py`).
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Final, Literal, get_args

import msgspec
from sqlalchemy import literal_column, text

from domains.kernel.db.tables import jobs

Queue = Literal["ingest", "analysis", "fetch", "housekeeping"]
State = Literal["queued", "sent", "running", "done", "failed", "cancelled"]

QUEUES: Final[tuple[Queue, ...]] = get_args(Queue)

# The notification channel on which relays wait.
CHANNEL: Final = "jobs"


class Job(msgspec.Struct, frozen=True, tag_field="kind"):
    """Base of all jobs. A subclass gives its `tag` (renamed over two releases), queue and fields.

    New fields have defaults, because payloads outlive deployments.
    """

    queue: ClassVar[Queue]

    @property
    def subject(self) -> str:
        """What it is about: `enqueue_debounced` makes one job of those of one kind and subject."""
        return ""


# Neither done nor given up.
# Written out, since a partial index serves no parameter.
LIVE: Final[Any] = text("jobs.state in ('queued', 'sent', 'running')")


def in_state(state: State) -> Any:
    """The condition that a partial index serves."""
    return jobs.c.state == literal_column(f"'{state}'")


def decoder(kinds: Iterable[type[Job]]) -> msgspec.json.Decoder[Any]:
    """Decodes a payload into the job class that its kind names."""
    union: Any = None
    for kind in kinds:
        union = kind if union is None else union | kind
    return msgspec.json.Decoder(union)
