"""Reader of PowerPoint files (Office Open XML)."""

from collections.abc import Iterator, Mapping
from typing import Final

from domains.kernel.untrusted.documents.office.blocks import PartReader, TextBuilder, attribute
from domains.kernel.untrusted.documents.office.charts import reference_reader
from domains.kernel.untrusted.documents.office.packages import Package, local_name, parse_xml

# Placeholders for the date, the number of the slide and the header of printed notes.
_HIDDEN_PLACEHOLDERS: Final = frozenset({"dt", "sldNum", "hdr"})


def read_slides(data: bytes, _charset: str | None) -> str:
    """Return the slides of a presentation in order, each with its speaker notes and comments.

    Charts are given by their title and series, diagrams by their texts. A footer is returned on its
    first slide only; dates and numbers of pages are left out.
    """
    package = Package(data)
    presentation = package.main_part()
    slides = {
        name: target
        for name, (_, target) in package.relationships(presentation).items()
        if package.has(target)
    }
    authors = _authors(package, presentation)
    texts: list[str] = []
    footers: set[str] = set()
    order = dict.fromkeys(_slide_order(package.read(presentation)))
    for slide in (slides[slide_id] for slide_id in order if slide_id in slides):
        texts.append(_text(package.read(slide), footers, reference_reader(package, slide)))
        notes = (
            _text(package.read(part), footers) for part in package.related(slide, "notesSlide")
        )
        texts.extend(f"Notes: {text}" for text in notes if text)
        for part in package.related(slide, "comments"):
            texts.extend(_comments(package.read(part), authors))
    return "\n\n".join(filter(None, texts))


def _text(part: bytes, footers: set[str], read_reference: PartReader | None = None) -> str:
    builder = _SlideBuilder(footers, read_reference)
    parse_xml(part, builder.start, builder.end, builder.data)
    return builder.text


class _SlideBuilder(TextBuilder):
    """Leaves out dates, numbers of pages, and footers that are in `footers`. Adds others to it."""

    def __init__(self, footers: set[str], read_reference: PartReader | None) -> None:
        super().__init__(read_reference)
        self._footers = footers
        # The type of the placeholder that the current shape fills.
        self._placeholder = ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        if name == "sp":
            self._placeholder = ""
        elif name == "ph":
            self._placeholder = attributes.get("type", "")
        super().start(tag, attributes)

    def is_hidden(self, name: str, attributes: Mapping[str, str]) -> bool:
        is_hidden = name == "txBody" and self._placeholder in _HIDDEN_PLACEHOLDERS
        return is_hidden or super().is_hidden(name, attributes)

    def end(self, tag: str) -> None:
        is_footer = local_name(tag) == "txBody" and self._placeholder == "ftr"
        if is_footer and not self._skipped_depth:
            footer = "\n".join(self._blocks.pop())
            if footer not in self._footers:
                self._footers.add(footer)
                self._add(footer)
        else:
            super().end(tag)


def _slide_order(presentation: bytes) -> list[str]:
    """Return the relationship ids of the slides in the order of the presentation."""
    ids: list[str] = []

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        if local_name(tag) == "sldId":
            ids.extend(value for name, value in attributes.items() if name.endswith(":id"))

    parse_xml(presentation, start)
    return ids


def _authors(package: Package, presentation: str) -> dict[str, str]:
    """Return the names of the authors of comments by id."""
    authors: dict[str, str] = {}

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        if local_name(tag) in ("cmAuthor", "author"):
            authors[attribute(attributes, "id")] = attribute(attributes, "name").strip()

    for kind in ("commentAuthors", "authors"):
        for part in package.related(presentation, kind):
            parse_xml(package.read(part), start)
    return authors


def _comments(part: bytes, authors: Mapping[str, str]) -> Iterator[str]:
    """Iterate over the comments and their replies, each with its author."""
    comments: list[tuple[str, list[str]]] = []
    open_comments: list[int] = []
    in_text = False

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        nonlocal in_text
        name = local_name(tag)
        if name in ("cm", "reply"):
            open_comments.append(len(comments))
            comments.append((authors.get(attribute(attributes, "authorId"), ""), []))
        # The element is `text` in files of PowerPoint up to 2019, then `t`.
        in_text = name in ("t", "text")

    def end(tag: str) -> None:
        nonlocal in_text
        in_text = False
        name = local_name(tag)
        if name in ("cm", "reply"):
            open_comments.pop()
        elif name == "p" and open_comments:
            comments[open_comments[-1]][1].append("\n")

    def data(text: str) -> None:
        if in_text and open_comments:
            comments[open_comments[-1]][1].append(text)

    parse_xml(part, start, end, data)
    for author, texts in comments:
        if text := "".join(texts).strip():
            yield f"Comment by {author}: {text}" if author else f"Comment: {text}"
