"""How good the engine is, beside the bars that it must reach: `make eval DATA=folder`.

The folder holds one folder a task with `dev.jsonl` or `test.jsonl`; what is missing is left out.
Exit code 1 where a bar that must be reached is missed. With --predictions FOLDER, what was found is
written there, a JSON line for each row.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from domains.intelligence.engine import engine
from domains.intelligence.semantic import embeddings
from tests.eval import promises, speed
from tests.eval.rows import Rows, read, splits
from tests.eval.tasks import TASKS, Figures

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


# --- the table --------------------------------------------------------------------------------


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


def _evaluate(
    folder: Path, predictions: Path | None, only: Sequence[str]
) -> list[tuple[str, bool]]:
    lines: list[tuple[str, bool]] = []
    for name, task in TASKS.items():
        for file in splits(folder / name) if not only or name in only else ():
            rows = read(file)
            found = task.predict(rows)
            if predictions is not None:
                _write(predictions / f"{name}.{file.stem}.jsonl", rows, found)
            lines += _shown(name, task.measure(rows, found))
    if not only or "engine" in only:
        lines += _shown("engine", promises.figures(promises.documents(folder)))
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
    told = (json.dumps({"id": row["id"], **each}) for row, each in zip(rows, found, strict=True))
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
