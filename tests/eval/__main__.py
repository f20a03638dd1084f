"""Evaluation of the analysis engine against its targets: `make eval DATA=folder`.

The data folder has a folder per task with `dev.jsonl` or `test.jsonl`. Missing tasks are skipped.
The exit code is 1 if a required figure is not reached. `--predictions FOLDER` writes the
predictions to a folder, as TASK.jsonl with a JSON line for each row.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from domains.intelligence.engine import engine
from domains.intelligence.semantic import encoder_files
from domains.intelligence.semantic.embeddings import embedder
from tests.eval import invariants, speed
from tests.eval.rows import Rows, read_rows
from tests.eval.tasks import TASKS, Figures

MODELS_PAGE: Final = encoder_files.WEIGHTS / "MODELS.md"
EXAMPLES: Final = Path(__file__).parents[2] / "examples"
TRANSCRIPT: Final = EXAMPLES / "transcripts" / "ami-ts3009c-remote-control-conceptual-design.txt"
REVIEW: Final = (
    "Users love the product overall, but several reviewers mention that exports are hard to find "
    "and slow to complete for large datasets. I wish there was a button to export to CSV."
)


class Target(NamedTuple):
    """The required and the desired value of a figure: maxima if `is_maximum`, else minima."""

    required: float | None
    desired: float | None
    is_maximum: bool = False


TARGETS: Final[dict[tuple[str, str], Target]] = {
    ("acts", "action F1"): Target(0.38, 0.43),
    ("acts", "action near F1"): Target(0.53, 0.65),
    ("acts", "decision near F1"): Target(0.24, 0.40),
    ("acts", "problem near F1"): Target(0.24, 0.40),
    ("meetings", "rouge1"): Target(34.0, 36.1),
    ("meetings", "rouge2"): Target(8.0, 9.0),
    ("meetings", "rougeLsum"): Target(30.5, 31.5),
    ("reviews", "F1 macro"): Target(0.635, 0.70),
    ("suggestions", "F1"): Target(0.584, 0.70),
    ("issues", "F1 macro"): Target(0.659, 0.75),
    ("clusters", "pair F1"): Target(0.573, 0.65),
    ("clusters", "V"): Target(0.823, 0.86),
    **{
        (task, "needs F1"): Target(required, desired)
        for task, required, desired in (
            ("calls", 0.65, 0.75),
            ("written", 0.65, 0.75),
            ("languages", 0.55, 0.68),
        )
    },
    ("calls", "needs P"): Target(0.60, 0.72),
    ("written", "needs P"): Target(0.62, None),
    ("languages", "needs F1 worst language"): Target(0.40, 0.55),
    **{
        (task, figure): Target(*limits)
        for task in ("calls", "written", "languages")
        for figure, limits in (
            ("needs right type", (0.75, 0.85)),
            ("needs traps", (0.06, 0.03, True)),
        )
    },
    ("calls", "steps F1"): Target(0.70, 0.80),
    ("calls", "steps owner"): Target(0.90, 0.95),
    ("calls", "steps due"): Target(0.85, 0.92),
    ("calls", "competitors F1"): Target(0.70, 0.85),
    ("calls", "prices R"): Target(0.70, 0.85),
    ("calls", "decisions R"): Target(0.50, 0.65),
    ("calls", "objections R"): Target(0.50, 0.65),
    ("calls", "category accuracy"): Target(0.80, 0.90),
    ("languages", "category accuracy"): Target(0.70, 0.85),
    ("pairs", "accuracy"): Target(0.80, 0.90),
    ("engine", "quotes that are slices"): Target(1.0, 1.0),
    ("engine", "same bytes again"): Target(1.0, 1.0),
    ("speed", "ready, s"): Target(0.5, 0.2, is_maximum=True),
    ("speed", "10,000 words, ms"): Target(2_000, 1_000, is_maximum=True),
    ("speed", "one review, ms"): Target(10, 5, is_maximum=True),
}


def _format(task: str, figure: str, value: float) -> tuple[str, bool]:
    """Return a line of the table, and True if the figure misses its required value."""
    target = TARGETS.get((task, figure), Target(None, None))

    def is_reached(limit: float | None) -> bool:
        return limit is None or (value <= limit if target.is_maximum else value >= limit)

    missed = not is_reached(target.required)
    if missed:
        status = "MISSED"
    elif target.desired and is_reached(target.desired):
        status = "aim"
    else:
        status = "must" if target.required is not None else ""
    digits = 1 if value >= 10 else 3
    required, desired = ("" if limit is None else f"{limit:g}" for limit in target[:2])
    line = f"{task:<12} {figure:<24} {value:>9.{digits}f} {required:>7} {desired:>7}  {status}"
    return line, missed


def _evaluate(
    folder: Path, predictions: Path | None, only: Sequence[str], *, errors: bool
) -> list[tuple[str, bool]]:
    lines: list[tuple[str, bool]] = []
    for name, task in TASKS.items():
        splits = read_rows(folder, name) if not only or name in only else {}
        for split, rows in splits.items():
            predicted = task.predict(rows)
            if predictions is not None:
                output = name if len(splits) == 1 else f"{name}.{split}"
                _write(predictions / f"{output}.jsonl", rows, predicted)
            lines += _print(name, task.measure(rows, predicted))
            if errors and task.errors is not None:
                click.echo("\n".join(task.errors(rows, predicted)))
    if not only or "engine" in only:
        lines += _print("engine", invariants.figures(invariants.documents(folder)))
    if not only or "speed" in only:
        lines += _print("speed", speed.figures(TRANSCRIPT.read_text("utf-8"), REVIEW))
    return lines


def _print(task: str, figures: Figures) -> list[tuple[str, bool]]:
    lines = [_format(task, figure, value) for figure, value in figures.items()]
    for line, _ in lines:
        click.echo(line)
    return lines


def _write(file: Path, rows: Rows, predicted: Iterable[Mapping[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"id": row["id"], **prediction})
        for row, prediction in zip(rows, predicted, strict=True)
    ]
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _record(lines: Sequence[str]) -> None:
    before, mark, rest = MODELS_PAGE.read_text("utf-8").partition("<!-- scores -->")
    _, _, after = rest.partition(mark)
    table = "\n".join(["```", *lines, "```"])
    MODELS_PAGE.write_text(f"{before}{mark}\n{table}\n{mark}{after}", "utf-8")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--predictions", type=click.Path(file_okay=False, path_type=Path))
@click.option("--only", multiple=True, help="A task, `engine` or `speed`; may be repeated")
@click.option("--errors", is_flag=True, help="List the wrong predictions of each task")
@click.option("--record", is_flag=True, help="Write the table into MODELS.md")
def main(
    folder: Path, predictions: Path | None, only: Sequence[str], *, errors: bool, record: bool
) -> None:
    """Measure the engine on the rows of FOLDER."""
    head = [
        f"engine {engine()}, vectors {embedder().name}",
        f"{'task':<12} {'figure':<24} {'here':>9} {'must':>7} {'aim':>7}",
    ]
    click.echo("\n".join(head))
    lines = _evaluate(folder, predictions, only, errors=errors)
    if record:
        _record([*head, *(line for line, _ in lines)])
    missed = sum(is_missed for _, is_missed in lines)
    if missed:
        raise click.ClickException(f"{missed} required figures are not reached")


if __name__ == "__main__":
    main()
