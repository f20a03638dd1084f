"""Text extraction from untrusted documents, each read by a child process in a sandbox."""

import asyncio
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from domains.kernel.core.problems import Unavailable
from domains.kernel.core.settings import Settings
from domains.kernel.untrusted import sandbox
from domains.kernel.untrusted.documents import errors
from domains.kernel.untrusted.documents.charset import Detected
from domains.kernel.untrusted.documents.errors import UnreadableDocument
from domains.kernel.untrusted.documents.file_kinds import charset_parameter, detect_kind
from domains.kernel.untrusted.documents.kinds import Kind
from domains.kernel.untrusted.documents.reader_process import ExitCode
from domains.kernel.untrusted.documents.registry import ATTACHED_FILES_VARIABLE

log = structlog.get_logger()

_READER: Final = "domains.kernel.untrusted.documents.registry"

# Memory allocators of native libraries reserve address space for each thread, which is limited.
_ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "1", "PYTHONDONTWRITEBYTECODE": "1"}


# Kinds of documents whose text is complete enough without the files that are attached to them.
_MAILS: Final[frozenset[Kind]] = frozenset({"mail", "outlook"})

# What a reader prints last about an encoding that it guessed.
_GUESS: Final = re.compile(r"\n([a-z0-9_-]{1,20}) ([01]\.[0-9]{1,2})\n\Z")


class ExtractedText(msgspec.Struct, frozen=True):
    """The text of a document. It is not empty."""

    text: str
    guess: Detected | None = None
    """The encoding, if it was guessed. The least certain guess if the document has parts."""


class TextExtractor(msgspec.Struct, frozen=True, kw_only=True):
    """Extracts the text of documents within limits. Durations are in seconds, sizes in bytes."""

    time_limit: float
    max_memory: int
    """Address space of the child process."""
    max_file_bytes: int
    max_text_bytes: int
    """Size of the text as UTF-8."""

    @classmethod
    def from_settings(cls, settings: Settings) -> "TextExtractor":
        """Create an extractor with the limits of the settings. A text may be as large as a file."""
        return cls(
            time_limit=settings.extraction_time_limit,
            max_memory=settings.extraction_memory,
            max_file_bytes=settings.document_max_bytes,
            max_text_bytes=settings.document_max_bytes,
        )

    async def extract(
        self, path: Path, content_type: str, filename: str | None = None
    ) -> ExtractedText:
        """Return the text of a PDF, DOCX, PPTX, XLSX, HTML, EML or text file.

        `content_type` and `filename` are used if the content does not show the type. The text is
        not empty, its lines end in a line feed, and it has no NUL and no outer white space.

        Raises UnreadableDocument if a retry would fail as well, Unavailable if the process was
        killed or could not start, and OSError if the file is inaccessible.
        """
        kind = await asyncio.to_thread(self._detect_kind, path, content_type, filename)
        try:
            completed = await self._read(path, kind, content_type)
        except sandbox.SandboxTimeout:
            raise UnreadableDocument(errors.TIMEOUT) from None
        except sandbox.LimitExceeded as error:
            log.info("extraction_limit_exceeded", kind=kind, limit=str(error))
            raise UnreadableDocument(errors.TOO_LARGE) from None
        except sandbox.KilledBySignal as error:
            log.warning("extraction_killed", kind=kind, signal=error.signal, errors=error.errors)
            if error.is_crash:
                raise UnreadableDocument(errors.DAMAGED) from None
            raise Unavailable("Reading the document was interrupted. Try again later.") from None
        if completed.returncode != 0:
            raise _failure(completed, kind)
        if not completed.output:
            raise UnreadableDocument(errors.SCAN if kind == "pdf" else errors.NO_TEXT)
        return ExtractedText(completed.output.decode(), _guess(completed.errors))

    def _detect_kind(self, path: Path, content_type: str, filename: str | None) -> Kind:
        size = path.stat().st_size
        if size == 0:
            raise UnreadableDocument(errors.EMPTY)
        if size > self.max_file_bytes:
            raise UnreadableDocument(errors.TOO_LARGE)
        return detect_kind(path, content_type, filename)

    async def _read(self, path: Path, kind: Kind, content_type: str) -> sandbox.Completed:
        """Run the reader. If it fails on the attachments of a mail, run it without them."""
        if kind not in _MAILS:
            return await self._run_reader(path, kind, content_type, self.time_limit)
        try:
            completed = await self._run_reader(path, kind, content_type, self.time_limit / 2)
            if completed.returncode != ExitCode.OUT_OF_MEMORY:
                return completed
        except (sandbox.SandboxTimeout, sandbox.LimitExceeded) as error:
            log.info("attachments_not_read", kind=kind, limit=str(error))
        except sandbox.KilledBySignal as error:
            if not error.is_crash:
                raise
            log.warning("attachments_not_read", kind=kind, signal=error.signal, errors=error.errors)
        return await self._run_reader(
            path, kind, content_type, self.time_limit / 2, {ATTACHED_FILES_VARIABLE: "no"}
        )

    async def _run_reader(
        self,
        path: Path,
        kind: Kind,
        content_type: str,
        time_limit: float,
        options: Mapping[str, str] = {},
    ) -> sandbox.Completed:
        charset = charset_parameter(content_type)
        command = [sys.executable, "-P", "-m", _READER, kind]
        # No reader writes files.
        return await sandbox.run(
            [*command, charset] if charset else command,
            sandbox.Limits(time=time_limit, memory=self.max_memory, output=self.max_text_bytes),
            stdin=path,
            environment={**_ENVIRONMENT, **options},
        )


def _guess(stderr: str) -> Detected | None:
    """Return the guess that a reader printed. Its other messages may contain text of the file."""
    printed = _GUESS.search(stderr)
    return Detected(printed[1], min(float(printed[2]), 1.0)) if printed else None


def _failure(completed: sandbox.Completed, kind: Kind) -> Exception:
    reasons: dict[int, str] = {
        ExitCode.DAMAGED: errors.DAMAGED,
        ExitCode.ENCRYPTED: errors.ENCRYPTED,
        ExitCode.OUT_OF_MEMORY: errors.TOO_LARGE,
        ExitCode.OLD_FORMAT: errors.OLD_FORMAT,
        ExitCode.NOT_TEXT: errors.NOT_TEXT,
    }
    reason = reasons.get(completed.returncode)
    log.info("extraction_failed", kind=kind, code=completed.returncode, errors=completed.errors)
    if reason is None:
        # The reader could not start. The file is not the cause.
        return Unavailable("Documents cannot be read just now. Try again later.")
    return UnreadableDocument(reason)
