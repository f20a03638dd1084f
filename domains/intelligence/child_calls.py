"""Functions for child processes. Each imports the engine when it runs, not when it is named.

A process that only passes the functions to its pool does not load the engine, which takes 0.3 s
and 50 MB.
"""

from collections.abc import Sequence

from domains.intelligence.findings import Document, Findings
from domains.kernel.models.llm_types import LLMRequest


def find_insights(document: Document) -> Findings:
    """See `engine.analyse`."""
    from domains.intelligence import engine

    return engine.analyse(document)


def insights_question(document: Document) -> LLMRequest:
    """See `prompts.insights_question`."""
    from domains.intelligence.llm import prompts

    return prompts.insights_question(document)


def insights_found(document: Document, content: bytes, model: str) -> Findings:
    """See `prompts.insights_found`."""
    from domains.intelligence.llm import prompts

    return prompts.insights_found(document, content, model)


def most_similar_sketches(sketches: bytes, queries: Sequence[bytes], count: int) -> list[list[int]]:
    """See `near_duplicates.most_similar_sketches`."""
    from domains.intelligence.semantic import near_duplicates

    return near_duplicates.most_similar_sketches(sketches, queries, count)
