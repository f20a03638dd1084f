"""How good the engine is, beside the bars that it must reach: `make eval DATA=folder`.

The folder holds one folder a task with `dev.jsonl` or `test.jsonl`; what is missing is left out.
Exit code 1 where a bar that must be reached is missed. With --predictions FOLDER, what was found is
written there, a JSON line for each row.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from domains.intelligence import acts, clusters, phrases, reports
from domains.intelligence.categories import category
from domains.intelligence.digest import predict_meeting
from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document
from domains.intelligence.talk import Audience, Talk, Turn
from tests.eval import metrics
from tests.eval.metrics import Rows

Figures = dict[str, float]

RECORD: Final = embeddings.WEIGHTS / "MODELS.md"
EXAMPLES: Final = Path(__file__).parents[2] / "examples"
TRANSCRIPT: Final = EXAMPLES / "transcripts" / "ami-ts3009c-remote-control-conceptual-design.txt"
REVIEW: Final = (
    "Users love the product overall, but several reviewers mention that exports are hard to find "
    "and slow to complete for large datasets. I wish there was a button to export to CSV."
)


class Bar(NamedTuple):
    """What a figure must reach, and what it is to reach; `most`: it is to stay below."""

    must: float | None
    aim: float | None
    most: bool = False


class Task(NamedTuple):
    """How rows are answered, and how the answers are measured."""

    predict: Callable[[Rows], list[dict[str, Any]]]
    measure: Callable[[Rows, list[dict[str, Any]]], Figures]


# --- the tasks --------------------------------------------------------------------------------


def _reviews(rows: Rows) -> list[dict[str, Any]]:
    return [{"labels": labels} for labels in reports.predict_reviews(rows)]


def _of_reviews(rows: Rows, found: list[dict[str, Any]]) -> Figures:
    labels = ("bug", "feature", "experience", "rating")
    told = metrics.of_labels(
        [row["labels"] for row in rows], [each["labels"] for each in found], labels
    )
    return {f"F1 {label}": f1 for label, f1 in told.items()}


def _suggestions(rows: Rows) -> list[dict[str, Any]]:
    return [{"label": label} for label in reports.predict_suggestions(rows)]


def _of_suggestions(rows: Rows, found: list[dict[str, Any]]) -> Figures:
    gold, told = ([["yes"] if each["label"] else [] for each in some] for some in (rows, found))
    return {"F1": metrics.of_labels(gold, told, ["yes"])["yes"]}


def _issues(rows: Rows) -> list[dict[str, Any]]:
    return [{"label": label} for label in reports.predict_issues(rows)]


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
    return [{"cluster": n} for n in clusters.predict_clusters([row["text"] for row in rows])]


def _of_clusters(rows: Rows, found: list[dict[str, Any]]) -> Figures:
    return metrics.of_pairs([r["cluster"] for r in rows], [each["cluster"] for each in found])


def _meetings(rows: Rows) -> list[dict[str, Any]]:
    return [{"summary": predict_meeting(row)} for row in rows]


def _of_meetings(rows: Rows, found: list[dict[str, Any]]) -> Figures:
    return metrics.of_summaries(
        [(row["summary"], each["summary"]) for row, each in zip(rows, found, strict=True)]
    )


def _acts(rows: Rows) -> list[dict[str, Any]]:
    return [{"labels": acts.predict_acts(row)} for row in rows]


def _of_acts(rows: Rows, found: list[dict[str, Any]]) -> Figures:
    labels = [each["labels"] for each in found]
    return {
        f"{kind} {name}": value
        for kind in ("action", "decision", "problem", "abstract")
        for name, value in metrics.of_acts(rows, labels, kind).items()
    }


def _opinions(rows: Rows) -> list[dict[str, Any]]:
    return [{"features": features} for features in phrases.predict_opinions(rows)]


def _of_opinions(rows: Rows, found: list[dict[str, Any]]) -> Figures:
    gold, told = ([each["features"] for each in some] for some in (rows, found))
    return {
        f"{name} {slack}": value
        for slack in (0, 1, 2)
        for name, value in metrics.of_phrases(gold, told, slack).items()
    }


def _categories(rows: Rows) -> list[dict[str, Any]]:
    return [{"category": _category(row)} for row in rows]


def _category(row: Mapping[str, Any]) -> str:
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
BARS: Final[dict[tuple[str, str], Bar]] = {
    ("acts", "action F1"): Bar(0.38, 0.43),
    ("acts", "action near F1"): Bar(0.53, 0.65),
    ("acts", "decision near F1"): Bar(0.24, 0.40),
    ("acts", "problem near F1"): Bar(0.24, 0.40),
    ("meetings", "rouge1"): Bar(30.5, 34),
    ("meetings", "rouge2"): Bar(6.0, 8.5),
    ("meetings", "rougeLsum"): Bar(27.5, 30),
    ("reviews", "F1 macro"): Bar(0.62, 0.72),
    ("suggestions", "F1"): Bar(0.50, 0.70),
    ("issues", "F1 macro"): Bar(0.50, 0.75),
    ("clusters", "pair F1"): Bar(0.48, 0.65),
    ("clusters", "V"): Bar(0.79, 0.86),
    ("engine", "quotes that are slices"): Bar(1.0, 1.0),
    ("engine", "same bytes again"): Bar(1.0, 1.0),
    ("speed", "ready, s"): Bar(0.5, 0.2, most=True),
    ("speed", "10,000 words, ms"): Bar(300, 100, most=True),
    ("speed", "one review, ms"): Bar(5, 1, most=True),
}


# --- what is promised of every text -----------------------------------------------------------


def documents(folder: Path) -> list[Document]:
    """Texts of every kind in the folder, as documents."""
    found: list[Document] = []
    for row in _some(folder, "reviews"):
        found.append(Document(text=row["text"], profile="survey_response"))
    for row in _some(folder, "issues"):
        text = f"{row['title']}\n{row['body']}"
        found.append(Document(text=text, profile="support_ticket"))
    for row in _some(folder, "meetings")[:12]:
        text = "\n".join(f"{speaker}: {said}" for speaker, said in row["turns"])
        found.append(Document(text=text, profile="transcript"))
    return found


def _some(folder: Path, task: str) -> Rows:
    files = splits(folder / task)
    return read(files[0])[:200] if files else []


def _promises(texts: Sequence[Document]) -> Figures:
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
    same = [
        msgspec.json.encode(one) == other for one, other in zip(found, again, strict=True)
    ]
    return {"quotes that are slices": _mean(quotes), "same bytes again": _mean(same)}


def _encoded(document: Document) -> bytes:
    return msgspec.json.encode(analyse(document))


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 1.0


# --- the table --------------------------------------------------------------------------------


def splits(folder: Path) -> list[Path]:
    """The files of a task that have answers to compare with, not the ones to train on."""
    return [file for name in ("dev", "test") if (file := folder / f"{name}.jsonl").exists()]


def read(file: Path) -> Rows:
    """The rows of a file."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]


def _line(task: str, figure: str, value: float) -> tuple[str, bool]:
    """A line of the table, and whether it misses what must be reached."""
    bar = BARS.get((task, figure), Bar(None, None))

    def reached(wanted: float | None) -> bool:
        return wanted is None or (value <= wanted if bar.most else value >= wanted)

    digits = 1 if value >= 10 else 3
    must, aim = ("" if each is None else f"{each:g}" for each in (bar.must, bar.aim))
    word = "MISSED" if not reached(bar.must) else "aim" if bar.aim and reached(bar.aim) else ""
    word = word or ("must" if bar.must is not None else "")
    line = f"{task:<12} {figure:<24} {value:>9.{digits}f} {must:>7} {aim:>7}  {word}"
    return line, not reached(bar.must)


def _evaluate(folder: Path, predictions: Path | None, only: Sequence[str]) -> list[tuple[str, bool]]:
    lines: list[tuple[str, bool]] = []
    for name, task in TASKS.items():
        for file in splits(folder / name) if not only or name in only else ():
            rows = read(file)
            found = task.predict(rows)
            if predictions is not None:
                _write(predictions / f"{name}.{file.stem}.jsonl", rows, found)
            lines += _shown(name, task.measure(rows, found))
    if not only or "engine" in only:
        lines += _shown("engine", _promises(documents(folder)))
    if not only or "speed" in only:
        lines += _shown("speed", speed.figures(TRANSCRIPT.read_text("utf-8"), REVIEW))
    return lines


def _shown(task: str, figures: Figures) -> list[tuple[str, bool]]:
    lines = [_line(task, figure, value) for figure, value in figures.items()]
    for line, _ in lines:
        click.echo(line)
    return lines


def _write(file: Path, rows: Rows, found: Iterable[Mapping[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    told = (
        json.dumps({"id": row["id"], **each}) for row, each in zip(rows, found, strict=True)
    )
    file.write_text("".join(f"{line}\n" for line in told), "utf-8")


def _record(lines: Sequence[str]) -> None:
    before, mark, rest = RECORD.read_text("utf-8").partition("<!-- scores -->")
    _, _, after = rest.partition(mark)
    table = "\n".join(["```", *lines, "```"])
    RECORD.write_text(f"{before}{mark}\n{table}\n{mark}{after}", "utf-8")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--predictions", type=click.Path(file_okay=False, path_type=Path))
@click.option("--only", multiple=True, help="A task, engine or speed; may be repeated")
@click.option("--record", is_flag=True, help="Write the table into MODELS.md")
def main(folder: Path, predictions: Path | None, only: Sequence[str], *, record: bool) -> None:
    """Measure the engine on the rows of FOLDER."""
    head = [
        f"engine {engine()}, vectors {embeddings.embedder().name}",
        f"{'task':<12} {'figure':<24} {'here':>9} {'must':>7} {'aim':>7}",
    ]
    click.echo("\n".join(head))
    lines = _evaluate(folder, predictions, only)
    if record:
        _record([*head, *(line for line, _ in lines)])
    missed = sum(fault for _, fault in lines)
    if missed:
        raise click.ClickException(f"{missed} of the bars that must be reached are missed")


if __name__ == "__main__":
    main()
