"""The weights of all detectors again: `make train DATA=folder`.

Reads what may be trained on, and nothing of a file whose licence forbids it. The same data and the
same versions of numpy, scipy and scikit-learn give the same files, to the byte.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import click
from threadpoolctl import threadpool_limits

from domains.intelligence.training import dialogue_acts, issues, phrases, reviews, suggestions

WEIGHTS: Final = Path(__file__).parents[1] / "weights"
RECORD: Final = WEIGHTS / "MODELS.md"
_TABLE: Final = "<!-- files -->"


class Source(NamedTuple):
    """What a model is made of, as its notice wants it."""

    train: Callable[[Path], bytes]
    purpose: str
    data: str


MODELS: Final[dict[str, Source]] = {
    "acts": Source(
        dialogue_acts.train,
        "action items, decisions, open problems and what belongs in a summary",
        "AMI manual annotations 1.6, CC BY 4.0",
    ),
    "phrases": Source(
        phrases.train,
        "feature phrases of a product",
        "IS-22, MIT, (c) 2022 Jacek Dąbrowski",
    ),
    # Before reviews, which have its answers among their features.
    "suggestions": Source(
        suggestions.train,
        "suggestions to a vendor",
        "our own sentences (CC0), IS-22 (MIT)",
    ),
    "reviews": Source(
        reviews.train,
        "bug reports, feature requests, experiences and ratings in reviews",
        "app_review_analysis, CC0 1.0 by its publisher's statement; labels of Maalej et al. 2016",
    ),
    "issues": Source(
        issues.train,
        "bug, feature or question",
        "our own titles and bodies (CC0)",
    ),
}


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", multiple=True, type=click.Choice(list(MODELS)))
@click.option(
    "--into", type=click.Path(file_okay=False, path_type=Path), default=WEIGHTS, show_default=False
)
def main(folder: Path, only: tuple[str, ...], into: Path) -> None:
    """Train on FOLDER and write the weight files; for those of the package MODELS.md, too."""
    into.mkdir(parents=True, exist_ok=True)
    for name, source in MODELS.items():
        if only and name not in only:
            continue
        # More threads add up in another order, and the last bit of a weight decides its rounding.
        with threadpool_limits(1):
            content = source.train(folder)
        file = into / f"{name}.bin"
        before = file.read_bytes() if file.exists() else None
        file.write_bytes(content)
        word = "as before" if content == before else "new" if before is None else "changed"
        click.echo(f"{name:<12} {len(content):>8} bytes  {_hash(content)[:12]}  {word}")
    if into == WEIGHTS:
        record()


def record() -> None:
    """Write which files the package has into MODELS.md."""
    rows = ["| file | bytes | sha256 | finds | trained on |", "|---|---|---|---|---|"]
    for name, source in MODELS.items():
        content = (WEIGHTS / f"{name}.bin").read_bytes()
        rows.append(
            f"| `{name}.bin` | {len(content):,} | `{_hash(content)}` | {source.purpose} "
            f"| {source.data} |"
        )
    before, _, rest = RECORD.read_text("utf-8").partition(_TABLE)
    _, _, after = rest.partition(_TABLE)
    table = "\n".join(rows)
    RECORD.write_text(f"{before}{_TABLE}\n{table}\n{_TABLE}{after}", "utf-8")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
