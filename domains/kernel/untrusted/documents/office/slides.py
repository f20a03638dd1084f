"""Reader of PowerPoint files (Office Open XML)."""

import io
import zipfile
from collections.abc import Mapping

from domains.kernel.untrusted.documents.office.blocks import part_text
from domains.kernel.untrusted.documents.office.packages import (
    local_name,
    main_part,
    parse_xml,
    relationships,
)


def read_slides(data: bytes, _charset: str | None) -> str:
    """Return the slides of a presentation in order, each with its speaker notes."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        presentation = main_part(package)
        slides = relationships(package, presentation)
        texts = []
        for slide_id in _slide_order(package.read(presentation)):
            slide = slides[slide_id][1]
            texts.append(part_text(package.read(slide)))
            for kind, target in relationships(package, slide).values():
                if kind == "notesSlide" and (notes := part_text(package.read(target))):
                    texts.append(f"Notes: {notes}")
        return "\n\n".join(filter(None, texts))


def _slide_order(presentation: bytes) -> list[str]:
    """Return the relationship ids of the slides in the order of the presentation."""
    ids: list[str] = []

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        if local_name(tag) == "sldId":
            ids.extend(value for name, value in attributes.items() if name.endswith(":id"))

    parse_xml(presentation, start)
    return ids
