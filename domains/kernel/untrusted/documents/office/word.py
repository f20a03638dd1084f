"""Reader of Word files (Office Open XML)."""

import io
import zipfile

from domains.kernel.untrusted.documents.office.blocks import part_text
from domains.kernel.untrusted.documents.office.packages import main_part, relationships


def read_word(data: bytes, _charset: str | None) -> str:
    """Return the body of a Word document, then its notes. Deleted text is left out."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        document = main_part(package)
        notes = [
            target
            for kind, target in relationships(package, document).values()
            if kind in ("footnotes", "endnotes")
        ]
        return "\n\n".join(part_text(package.read(part)) for part in (document, *notes))
