"""Tasks of the evaluation: predictions of the engine, and their metrics."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from domains.intelligence.dialogue import dialogue_acts, extractive_summary
from domains.intelligence.dialogue.categories import category
from domains.intelligence.dialogue.classified_items import classify_talk
from domains.intelligence.dialogue.dialogue_acts import ActKind, Utterance
from domains.intelligence.dialogue.turns import Talk, Turn
from domains.intelligence.engine import analyse
from domains.intelligence.findings import Audience, Document
from domains.intelligence.insights import classifiers
from domains.intelligence.semantic import clusters
from domains.intelligence.semantic.embeddings import Embedder, embedder, encoder
from domains.intelligence.semantic.near_duplicates import (
    Statement,
    most_similar,
    statement_text,
)
from tests.eval import metrics, needs
from tests.eval.rows import Rows

Predictions = list[dict[str, Any]]
Figures = dict[str, float]


class Task(NamedTuple):
    """A task: predicts the answers of rows, and compares the predictions with the true answers.

    `errors` describes the wrong predictions, one a line.
    """

    predict: Callable[[Rows], Predictions]
    measure: Callable[[Rows, Predictions], Figures]
    errors: Callable[[Rows, Predictions], Iterable[str]] | None = None


def _predict_reviews(rows: Rows) -> Predictions:
    texts, stars = [row["text"] for row in rows], [row.get("stars") for row in rows]
    return [{"labels": labels} for labels in classifiers.reviews_labels(texts, stars)]


def _measure_reviews(rows: Rows, predicted: Predictions) -> Figures:
    labels = ("bug", "feature", "experience", "rating")
    f1 = metrics.label_f1(
        [row["labels"] for row in rows], [each["labels"] for each in predicted], labels
    )
    return {f"F1 {label}": value for label, value in f1.items()}


def _predict_suggestions(rows: Rows) -> Predictions:
    return [{"label": int(classifiers.is_suggestion(row["text"]))} for row in rows]


def _measure_suggestions(rows: Rows, predicted: Predictions) -> Figures:
    gold, found = (
        [["yes"] if answer["label"] else [] for answer in answers] for answers in (rows, predicted)
    )
    return {"F1": metrics.label_f1(gold, found, ["yes"])["yes"]}


def _predict_issues(rows: Rows) -> Predictions:
    issues = [(row["title"], row["body"]) for row in rows]
    return [{"label": label} for label, _ in classifiers.issue_labels(issues)]


def _measure_single_label(field: str) -> Callable[[Rows, Predictions], Figures]:
    def measure(rows: Rows, predicted: Predictions) -> Figures:
        gold, found = ([[answer[field]] for answer in answers] for answers in (rows, predicted))
        labels = sorted({row[field] for row in rows})
        correct = sum(one == other for one, other in zip(gold, found, strict=True))
        return {
            "F1 macro": metrics.label_f1(gold, found, labels)["macro"],
            "accuracy": correct / len(gold),
        }

    return measure


def _predict_clusters(rows: Rows) -> Predictions:
    """Group English texts by the vectors for English."""
    vectors = np.rint(127 * encoder("minilm").unit_vectors([row["text"] for row in rows]))
    groups = clusters.grouped(vectors.astype(np.int8), clusters.RELATED)
    return [{"cluster": number} for number in groups]


def _measure_clusters(rows: Rows, predicted: Predictions) -> Figures:
    return metrics.cluster_scores(
        [row["cluster"] for row in rows], [each["cluster"] for each in predicted]
    )


def _predict_pairs(rows: Rows) -> Predictions:
    """Compare the insights of the two texts, or the texts themselves if there is none."""
    maker = embedder()
    predictions = []
    for row in rows:
        one, other = (_statement(row[side], maker) for side in ("a", "b"))
        predictions.append({"same": most_similar(maker.name, one, [other]) is not None})
    return predictions


def _statement(text: str, maker: Embedder) -> Statement:
    found = analyse(Document(text=text, profile="survey_response")).insights
    shown = statement_text(found[0].name, found[0].quotes[0].text) if found else text
    kind = found[0].kind if found else None
    return Statement(shown, kind, maker.vectors([shown])[0].tobytes())


def _measure_pairs(rows: Rows, predicted: Predictions) -> Figures:
    pairs = zip(rows, predicted, strict=True)
    return {"accuracy": sum(row["same"] == each["same"] for row, each in pairs) / len(rows)}


def _pair_errors(rows: Rows, predicted: Predictions) -> Iterator[str]:
    for row, each in zip(rows, predicted, strict=True):
        if row["same"] != each["same"]:
            yield f"{'missed' if row['same'] else 'wrong '} pair {row['a']} | {row['b']}"


def _predict_meetings(rows: Rows) -> Predictions:
    return [{"summary": _summary(row["turns"])} for row in rows]


def _summary(turns: list[tuple[str, str]]) -> str:
    utterances = [Utterance(speaker, words) for speaker, words in turns]
    return extractive_summary.text(extractive_summary.digest(utterances))


def _measure_meetings(rows: Rows, predicted: Predictions) -> Figures:
    return metrics.summary_rouge(
        [(row["summary"], each["summary"]) for row, each in zip(rows, predicted, strict=True)]
    )


def _predict_acts(rows: Rows) -> Predictions:
    return [{"labels": _act_numbers(row["acts"])} for row in rows]


def _act_numbers(acts: list[dict[str, Any]]) -> dict[ActKind, list[int]]:
    """Return the numbers of the dialogue acts of each kind."""
    utterances = [Utterance(act["speaker"], act["text"], act["start"]) for act in acts]
    marked = dialogue_acts.marked(dialogue_acts.score(utterances))
    return {kind: [acts[index]["i"] for index in indexes] for kind, indexes in marked.items()}


def _measure_acts(rows: Rows, predicted: Predictions) -> Figures:
    labels = [each["labels"] for each in predicted]
    return {
        f"{kind} {name}": value
        for kind in ("action", "decision", "problem", "abstract")
        for name, value in metrics.act_f1(rows, labels, kind).items()
    }


def _predict_categories(rows: Rows) -> Predictions:
    return [{"category": _category(row)} for row in rows]


def _category(row: dict[str, Any]) -> str:
    """Predict the category. The audience is taken from the true category.

    In the product, e-mail domains decide the audience.
    """
    turns = [Turn(entry["speakerName"], entry["text"]) for entry in row["transcript"]]
    internal = row["category"].endswith("_team") or row["category"] in {
        "one_on_one",
        "company_wide",
    }
    audience: Audience = "INTERNAL" if internal else "EXTERNAL"
    talk, classified = classify_talk(Talk(turns, audience))
    return category(talk, classified, "")


TASKS: Final[dict[str, Task]] = {
    "acts": Task(_predict_acts, _measure_acts),
    "meetings": Task(_predict_meetings, _measure_meetings),
    "reviews": Task(_predict_reviews, _measure_reviews),
    "suggestions": Task(_predict_suggestions, _measure_suggestions),
    "issues": Task(_predict_issues, _measure_single_label("label")),
    "clusters": Task(_predict_clusters, _measure_clusters),
    "calls": Task(needs.predict, needs.measure, needs.errors),
    "written": Task(needs.predict, needs.measure, needs.errors),
    "languages": Task(needs.predict, needs.measure, needs.errors),
    "pairs": Task(_predict_pairs, _measure_pairs, _pair_errors),
    "categories": Task(_predict_categories, _measure_single_label("category")),
}
