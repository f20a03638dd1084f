"""Processing state of a conversation, which has up to two results: a recording and a summary."""

from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, literal_column, or_

from domains.revenue.tables import conversations

# Stands for any value that is not null.
PRESENT: Final[Any] = literal_column("''")

_c = conversations.c


def state_after(**changes: Any) -> ColumnElement[Any]:
    """SQL for the state of a conversation after an UPDATE that makes these changes, by column.

    `processing` while a result is still to come, else `failed` if one could not be produced, else
    `processed`. A conversation that fails keeps the other result.
    """

    def is_missing(column: str) -> ColumnElement[bool]:
        value: ColumnElement[Any] = changes.get(column, _c[column])
        return value.is_(None)

    awaits_recording = and_(
        ~is_missing("recording_url"), is_missing("recording_key"), is_missing("recording_error")
    )
    # An imported conversation may lack the summary, the category or both.
    has_no_summary = and_(
        is_missing("found_summary"), or_(is_missing("summary"), is_missing("category"))
    )
    awaits_summary = and_(
        is_missing("error"),
        case(
            # Without a transcript, the recording is transcribed.
            (is_missing("transcript"), ~is_missing("recording_key")),
            else_=has_no_summary,
        ),
    )
    return case(
        (or_(awaits_recording, awaits_summary), literal_column("'processing'")),
        (
            and_(is_missing("error"), is_missing("recording_error")),
            literal_column("'processed'"),
        ),
        else_=literal_column("'failed'"),
    )
