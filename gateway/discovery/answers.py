"""Answers that several resources of discovery share."""

from typing import Final

import msgspec


class Deleted(msgspec.Struct):
    """The answer to every DELETE."""

    message: str


DELETED: Final = Deleted("Deleted")
