"""Answers that several resources of discovery share."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta


class Deleted(msgspec.Struct):
    """The answer to every DELETE."""

    message: Annotated[str, Meta(description="Always `Deleted`", examples=["Deleted"])]


DELETED: Final = Deleted("Deleted")
