"""How the engine answers the rows of each task, and how its answers are measured."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from domains.intelligence.dialogue import dialogue_acts, extractive_summary
from domains.intelligence.dialogue.categories import category
from domains.intelligence.dialogue.dialogue_acts import ActKind, Utterance
from domains.intelligence.dialogue.turns import Audience, Talk, Turn
from domains.intelligence.insights import classifiers
from domains.intelligence.semantic import clusters
from domains.intelligence.semantic.embeddings import embedder
from domains.intelligence.text.phrases import tagger
from tests.eval import metrics
from tests.eval.rows import Rows

Figures = dict[str, float]


class Task(NamedTuple):
    """How rows are answered, and how the answers are measured."""

    predict: Callable[[Rows], list[dict[str, Any]]]
    measure: Callable[[Rows, list[dict[str, Any]]], Figures]


def _reviews(rows: Rows) -> list[dict[str, Any]]:
    texts, stars = [row["text"] for row in rows], [row.get("stars") for row in rows]
    return [{"labels": labels} for labels in classifiers.reviews_labels(texts, stars)]


def _of_reviews(rows: Rows, found: list[dict[str, Any]]) -> Figures:
    labels = ("bug", "feature", "experience", "rating")
    told = metrics.of_labels(
        [row["labels"] for row in rows], [each["labels"] for each in found], labels
    )
    return {f"F1 {label}": f1 for label, f1 in told.items()}


def _suggestions(rows: Rows) -> list[dict[str, Any]]:
    return [{"label": int(classifiers.is_suggestion(row["text"]))} for row in rows]


def _of_suggestions(rows: Rows, found: list[dict[str, Any]]) -> Figures:
    gold, told = ([["yes"] if each["label"] else [] for each in some] for some in (rows, found))
    return {"F1": metrics.of_labels(gold, told, ["yes"])["yes"]}


def _issues(rows: Rows) -> list[dict[str, Any]]:
    issues = [(row["title"], row["body"]) for row in rows]
    return [{"label": label} for label, _ in classifiers.issue_labels(issues)]


def _single(field: str) -> Callable[[Rows, list[dict[str, Any]]], Figures]:
    def measure(rows: Rows, found: list[dict[str, Any]]) -> Figures:
        gold, told = ([[each[field]] for each in some] for some in (rows, found))
        labels = sorted({row[field] for row in rows})
        right = sum(g == t for g, t in zip(gold, told, strict=True))
        return {
            "F1 macro": metrics.of_labels(gold, told, labels)["macro"],
            "accuracy": right / len(gold),
        }

    return measure


def _clusters(rows: Rows) -> list[dict[str, Any]]:
    maker = embedder()
    vectors = maker.vectors([row["text"] for row in rows])
    related = clusters.bars(maker.name).related
    return [{"cluster": number} for number in clusters.grouped(vectors, related)]


def _of_clusters(rows: Rows, found: list[dict[str, Any]]) -> Figures:
    return metrics.of_pairs([r["cluster"] for r in rows], [each["cluster"] for each in found])


def _meetings(rows: Rows) -> list[dict[str, Any]]:
    return [{"summary": _summary(row["turns"])} for row in rows]


def _summary(turns: list[tuple[str, str]]) -> str:
    utterances = [Utterance(speaker, words) for speaker, words in turns]
    return extractive_summary.text(extractive_summary.digest(utterances))


def _of_meetings(rows: Rows, found: list[dict[str, Any]]) -> Figures:
    return metrics.of_summaries(
        [(row["summary"], each["summary"]) for row, each in zip(rows, found, strict=True)]
    )


def _acts(rows: Rows) -> list[dict[str, Any]]:
    return [{"labels": _act_numbers(row["acts"])} for row in rows]


def _act_numbers(acts: list[dict[str, Any]]) -> dict[ActKind, list[int]]:
    """The numbers of the dialogue acts that carry each kind."""
    utterances = [Utterance(act["speaker"], act["text"], act["start"]) for act in acts]
    marked = dialogue_acts.marked(dialogue_acts.score(utterances))
    return {kind: [acts[index]["i"] for index in found] for kind, found in marked.items()}


def _of_acts(rows: Rows, found: list[dict[str, Any]]) -> Figures:
    labels = [each["labels"] for each in found]
    return {
        f"{kind} {name}": value
        for kind in ("action", "decision", "problem", "abstract")
        for name, value in metrics.of_acts(rows, labels, kind).items()
    }


def _opinions(rows: Rows) -> list[dict[str, Any]]:
    return [
        {
            "id": row["id"],
            "features": [
                {"text": phrase.text, "sentiment": phrase.sentiment}
                for phrase in tagger().phrases(str(row["text"]))
            ],
        }
        for row in rows
    ]


def _of_opinions(rows: Rows, found: list[dict[str, Any]]) -> Figures:
    gold, told = ([each["features"] for each in some] for some in (rows, found))
    return {
        f"{name} {slack}": value
        for slack in (0, 1, 2)
        for name, value in metrics.of_phrases(gold, told, slack).items()
    }


def _categories(rows: Rows) -> list[dict[str, Any]]:
    return [{"category": _category(row)} for row in rows]


def _category(row: dict[str, Any]) -> str:
    """Of the kind of talk that its true category belongs to: e-mail domains tell that elsewhere."""
    turns = [Turn(each["speakerName"], each["text"]) for each in row["transcript"]]
    internal = row["category"].endswith("_team") or row["category"] in {
        "one_on_one",
        "company_wide",
    }
    audience: Audience = "INTERNAL" if internal else "EXTERNAL"
    return category(Talk(turns, audience), "")


TASKS: Final[dict[str, Task]] = {
    "acts": Task(_acts, _of_acts),
    "meetings": Task(_meetings, _of_meetings),
    "reviews": Task(_reviews, _of_reviews),
    "suggestions": Task(_suggestions, _of_suggestions),
    "issues": Task(_issues, _single("label")),
    "clusters": Task(_clusters, _of_clusters),
    "opinions": Task(_opinions, _of_opinions),
    "categories": Task(_categories, _single("category")),
}
