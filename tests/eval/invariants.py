"""Invariants of all findings: quotes are slices of the text, and the result is deterministic."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import msgspec

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document
from domains.intelligence.training.json_lines import read_json_lines
from tests.eval.rows import Rows, splits


def documents(folder: Path) -> list[Document]:
    """Return a sample of the folder's texts of every kind, as documents."""
    reviews = [
        Document(text=row["text"], profile="survey_response") for row in _sample(folder / "reviews")
    ]
    issues = [
        Document(text=f"{row['title']}\n{row['body']}", profile="support_ticket")
        for row in _sample(folder / "issues")
    ]
    meetings = [
        Document(
            text="\n".join(f"{speaker}: {text}" for speaker, text in row["turns"]),
            profile="transcript",
        )
        for row in _sample(folder / "meetings")[:12]
    ]
    return reviews + issues + meetings


def _sample(folder: Path) -> Rows:
    files = splits(folder)
    return read_json_lines(files[0])[:200] if files else []


def figures(texts: Sequence[Document]) -> dict[str, float]:
    """Return two shares from 0 to 1 by name.

    They are the share of quotes that equal their slice of the text, and the share of texts whose
    findings are byte-identical in a second process.
    """
    results = [analyse(text) for text in texts]
    are_slices = [
        text.text[quote.start : quote.end] == quote.text
        for text, findings in zip(texts, results, strict=True)
        for insight in findings.insights
        for quote in insight.quotes
    ]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        repeated = list(pool.map(_encoded, texts, chunksize=50))
    are_equal = [
        msgspec.json.encode(findings) == encoded
        for findings, encoded in zip(results, repeated, strict=True)
    ]
    return {"quotes that are slices": _mean(are_slices), "same bytes again": _mean(are_equal)}


def _encoded(document: Document) -> bytes:
    return msgspec.json.encode(analyse(document))


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 1.0
