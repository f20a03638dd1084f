"""Types of job functions: the tools that they receive and the write function they return."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from domains.kernel.core.settings import Settings
from domains.kernel.db.database import Read, Tx
from domains.kernel.jobs.process_pool import ProcessPool
from domains.kernel.storage.blobs import Blobs

# The API process imports the jobs of discovery, but neither fetches nor transcribes.
if TYPE_CHECKING:
    from domains.kernel.models.llm_provider import LLMProvider
    from domains.kernel.models.speech import Transcriber
    from domains.kernel.untrusted.documents.extraction import TextExtractor
    from domains.kernel.untrusted.fetch import Fetcher

# Stores the results of a job, in the transaction that marks the job as done.
Write = Callable[[Tx], Awaitable[None]]


class Tools(msgspec.Struct, frozen=True):
    """Connections and clients of a worker process, shared by its jobs.

    `speech` is None if no speech-to-text service is configured.
    """

    read: Read
    blobs: Blobs
    process_pool: ProcessPool
    fetcher: "Fetcher"
    text_extractor: "TextExtractor"
    speech: "Transcriber | None"
    provider: "LLMProvider"
    settings: Settings
