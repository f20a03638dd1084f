"""What is promised of every text: quotes are its slices, and a second reading finds the same."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import msgspec

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document
from tests.eval.rows import Rows, read, splits


def documents(folder: Path) -> list[Document]:
    """Texts of every kind in the folder, as documents."""
    found: list[Document] = []
    found += [
        Document(text=row["text"], profile="survey_response") for row in _some(folder / "reviews")
    ]
    for row in _some(folder / "issues"):
        text = f"{row['title']}\n{row['body']}"
        found.append(Document(text=text, profile="support_ticket"))
    for row in _some(folder / "meetings")[:12]:
        text = "\n".join(f"{speaker}: {said}" for speaker, said in row["turns"])
        found.append(Document(text=text, profile="transcript"))
    return found


def _some(folder: Path) -> Rows:
    files = splits(folder)
    return read(files[0])[:200] if files else []


def figures(texts: Sequence[Document]) -> dict[str, float]:
    """The share of quotes that are slices of their text, and of texts in which a second process
    finds the same, to the byte.
    """
    found = [analyse(each) for each in texts]
    quotes = [
        text.text[quote.start : quote.end] == quote.text
        for text, findings in zip(texts, found, strict=True)
        for insight in findings.insights
        for quote in insight.quotes
    ]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        again = list(pool.map(_encoded, texts, chunksize=50))
    same = [msgspec.json.encode(one) == other for one, other in zip(found, again, strict=True)]
    return {"quotes that are slices": _mean(quotes), "same bytes again": _mean(same)}


def _encoded(document: Document) -> bytes:
    return msgspec.json.encode(analyse(document))


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 1.0
