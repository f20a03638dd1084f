"""Train the weights of all detectors: `make train`, or `make train DATA=folder`.

Models of the project's own texts need no folder. The others are trained on the data in it whose
licence allows training. The same data and the same versions of numpy, scipy and scikit-learn give
the same files on one machine.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import click
from threadpoolctl import threadpool_limits

from domains.intelligence.semantic.embeddings import encoder
from domains.intelligence.semantic.encoder_files import WEIGHTS
from domains.intelligence.training import dialogue_acts, issues, reviews, suggestions
from domains.intelligence.training.heads.fitting import Trained, train
from domains.intelligence.training.heads.marked_documents import read_documents
from domains.intelligence.training.heads.report import heads_table

RECORD: Final = WEIGHTS / "MODELS.md"
_FILES: Final = "<!-- files -->"
_HEADS: Final = "<!-- heads -->"


class Source(NamedTuple):
    """Training function, purpose and data of a model, for its notice."""

    train: Callable[[Path], bytes]
    purpose: str
    data: str


MODELS: Final[dict[str, Source]] = {
    "acts": Source(
        dialogue_acts.train,
        "action items, decisions, open problems and what belongs in a summary",
        "AMI manual annotations 1.6, CC BY 4.0",
    ),
    # Before reviews, which use its probabilities as features.
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
_OWN_DOCUMENTS: Final = "our own documents (CC0)"
HEADS: Final[dict[str, str]] = {
    "heads_use": "labels of sentences, from USE vectors",
    "heads_hashed": "the same from hashed words, if the encoder is not installed",
    "heads_ngrams": "the same from n-grams, added to both",
    "roles_use": "sides of speakers, from USE vectors",
    "roles_hashed": "the same from hashed words",
    "categories_use": "categories of external conversations, from USE vectors",
    "categories_hashed": "the same from hashed words",
    "competitors_use": "competing products among names, from USE vectors",
    "competitors_hashed": "the same from hashed words",
}
"""Files that are trained together, on the documents in `data`."""


@click.command()
@click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--only", multiple=True, type=click.Choice([*MODELS, "heads"]))
@click.option(
    "--into", type=click.Path(file_okay=False, path_type=Path), default=WEIGHTS, show_default=False
)
def main(folder: Path | None, only: tuple[str, ...], into: Path) -> None:
    """Train the heads and, if there is a FOLDER with data, the other models.

    Writes the weight files; for those of the package MODELS.md, too.
    """
    chosen = only or (["heads"] if folder is None else [*MODELS, "heads"])
    into.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        if name == "heads":
            trained = _train_heads()
            for each in HEADS:
                _write(into / f"{each}.bin", trained.files[each])
            if into == WEIGHTS:
                _replace(_HEADS, heads_table(trained))
        elif folder is None:
            raise click.UsageError(f"{name} is trained on a data folder: make train DATA=folder")
        else:
            # More threads add in another order, and the last bit of a weight decides its rounding.
            with threadpool_limits(1):
                _write(into / f"{name}.bin", MODELS[name].train(folder))
    if into == WEIGHTS:
        record()


def _train_heads() -> Trained:
    documents = list(read_documents())
    with threadpool_limits(1):
        trained = train(documents, encoder("use"), "use")
        fallback = train(documents, encoder("use", Path("no weights")), "hashed")
    return trained._replace(files=fallback.files | trained.files)


def _write(file: Path, content: bytes) -> None:
    before = file.read_bytes() if file.exists() else None
    file.write_bytes(content)
    word = "as before" if content == before else "new" if before is None else "changed"
    click.echo(f"{file.stem:<12} {len(content):>8} bytes  {_hash(content)[:12]}  {word}")


def record() -> None:
    """Write which files the package has into MODELS.md."""
    files = [(name, source.purpose, source.data) for name, source in MODELS.items()]
    files += [(name, purpose, _OWN_DOCUMENTS) for name, purpose in HEADS.items()]
    rows = ["| file | bytes | sha256 | finds | trained on |", "|---|---|---|---|---|"]
    for name, purpose, data in files:
        content = (WEIGHTS / f"{name}.bin").read_bytes()
        rows.append(
            f"| `{name}.bin` | {len(content):,} | `{_hash(content)}` | {purpose} | {data} |"
        )
    _replace(_FILES, "\n".join(rows))


def _replace(mark: str, table: str) -> None:
    """Replace what MODELS.md has between two marks."""
    before, _, rest = RECORD.read_text("utf-8").partition(mark)
    _, _, after = rest.partition(mark)
    RECORD.write_text(f"{before}{mark}\n{table}\n{mark}{after}", "utf-8")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
