"""Files that are attached to a mail, read within the process that reads the mail."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from domains.kernel.untrusted.documents.registry import read_attached_file

# Limits of the files that are read of one document, including the files attached to those.
_MAX_FILES: Final = 50
_MAX_TEXT: Final = 5_000_000
_MAX_SECONDS: Final = 15.0

_MAX_NAME: Final = 200


class _Budget:
    """Remaining limits on the files attached to one document."""

    def __init__(self) -> None:
        self.files = _MAX_FILES
        self.characters = _MAX_TEXT
        self.deadline = time.monotonic() + _MAX_SECONDS


_budget: Final[ContextVar[_Budget | None]] = ContextVar("budget", default=None)


class Attachments:
    """The names of attached files, and the texts of those that can be read.

    Only the names are kept of files that cannot be read and, within `attachment_limits`, of those
    after the first 50, those that are begun after 15 s, and those whose texts would together have
    more than 5 million characters.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._texts: list[tuple[str, str]] = []

    def add(self, name: str | None, content_type: str, data: bytes | None) -> None:
        """Add a file. Without a name it is called by its type; without data it is only named."""
        media_type = content_type.partition(";")[0].strip()
        label = re.sub(r"\s+", " ", name or "").strip()[:_MAX_NAME] or media_type
        self._names.append(label)
        text = self._read(name, content_type, data) if data else None
        if text:
            self._texts.append((label, text))

    def sections(self) -> list[str]:
        """Return the list of the names, and each text under its name. Empty without files."""
        if not self._names:
            return []
        texts = [f"Attachment: {name}\n\n{text}" for name, text in self._texts]
        return ["Attachments: " + ", ".join(self._names), *texts]

    def _read(self, name: str | None, content_type: str, data: bytes) -> str | None:
        budget = _budget.get() or _Budget()
        if not budget.files or time.monotonic() > budget.deadline:
            return None
        budget.files -= 1
        text = read_attached_file(data, content_type, name)
        if text is None or len(text) > budget.characters:
            return None
        budget.characters -= len(text)
        return text


@contextmanager
def attachment_limits() -> Iterator[None]:
    """Apply the limits of one document to all `Attachments` within, unless they apply already."""
    if _budget.get() is not None:
        yield
        return
    token = _budget.set(_Budget())
    try:
        yield
    finally:
        _budget.reset(token)
