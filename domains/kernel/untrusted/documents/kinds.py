"""Kinds of documents, with the media types and the suffixes of file names of each."""

from typing import Final, Literal

Kind = Literal[
    "text", "html", "mail", "pdf", "workbook", "word", "slides", "open_document", "book",
    "rich_text", "outlook", "calendar", "xml_workbook", "word_xml", "old_word", "old_slides",
]  # fmt: skip

UNKNOWN_TYPE: Final = "application/octet-stream"

_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_MICROSOFT: Final = "application/vnd.ms-"
_OASIS: Final = "application/vnd.oasis.opendocument"

MEDIA_TYPES: Final[dict[str, Kind]] = {
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    f"{_OFFICE}.wordprocessingml.document": "word",
    f"{_OFFICE}.wordprocessingml.template": "word",
    f"{_MICROSOFT}word.document.macroenabled.12": "word",
    f"{_MICROSOFT}word.template.macroenabled.12": "word",
    f"{_OFFICE}.presentationml.presentation": "slides",
    f"{_OFFICE}.presentationml.slideshow": "slides",
    f"{_OFFICE}.presentationml.template": "slides",
    f"{_MICROSOFT}powerpoint.presentation.macroenabled.12": "slides",
    f"{_MICROSOFT}powerpoint.slideshow.macroenabled.12": "slides",
    f"{_OFFICE}.spreadsheetml.sheet": "workbook",
    f"{_OFFICE}.spreadsheetml.template": "workbook",
    f"{_MICROSOFT}excel.sheet.macroenabled.12": "workbook",
    f"{_MICROSOFT}excel.sheet.binary.macroenabled.12": "workbook",
    f"{_OASIS}.spreadsheet": "workbook",
    f"{_OASIS}.text": "open_document",
    f"{_OASIS}.presentation": "open_document",
    f"{_OASIS}.graphics": "open_document",
    "application/epub+zip": "book",
    "application/rtf": "rich_text",
    "text/rtf": "rich_text",
    "text/richtext": "rich_text",
    "application/vnd.ms-outlook": "outlook",
    "text/calendar": "calendar",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "message/rfc822": "mail",
    "multipart/related": "mail",
    "application/x-mimearchive": "mail",
}

# Media types of the formats from before 2007. Programs declare them for HTML, CSV, XML, web
# archives and RTF as well, because Word and Excel open these.
OLD_OFFICE_TYPES: Final[dict[str, Kind]] = {
    "application/msword": "old_word",
    f"{_MICROSOFT}excel": "workbook",
    "application/msexcel": "workbook",
    "application/x-msexcel": "workbook",
    f"{_MICROSOFT}powerpoint": "old_slides",
}
OLD_OFFICE_SUFFIXES: Final[dict[str, Kind]] = {
    ".doc": "old_word",
    ".dot": "old_word",
    ".xls": "workbook",
    ".xlt": "workbook",
    ".ppt": "old_slides",
    ".pps": "old_slides",
}

# Media types of text outside of text/.
TEXT_TYPES: Final = frozenset(
    "application/" + subtype
    for subtype in (
        "json", "xml", "x-ndjson", "ndjson", "jsonl", "jsonlines", "yaml", "x-yaml", "toml", "csv",
        "markdown", "sql", "x-subrip", "x-tex", "javascript",
    )
)  # fmt: skip
# Declared by clients that do not know the type.
GENERIC_TYPES: Final = frozenset(
    {"", UNKNOWN_TYPE, "binary/octet-stream", "application/binary", "application/x-download",
     "application/force-download", "application/download", "unknown/unknown"}
)  # fmt: skip

SUFFIXES: Final[dict[str, Kind]] = {
    ".pdf": "pdf",
    **dict.fromkeys((".docx", ".docm", ".dotx", ".dotm"), "word"),
    **dict.fromkeys((".pptx", ".pptm", ".ppsx", ".ppsm", ".potx"), "slides"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xltx", ".xlsb", ".ods", ".ots"), "workbook"),
    **dict.fromkeys((".odt", ".ott", ".odp", ".otp", ".odg"), "open_document"),
    ".epub": "book",
    ".rtf": "rich_text",
    ".msg": "outlook",
    **dict.fromkeys((".ics", ".ical", ".ifb"), "calendar"),
    **dict.fromkeys((".htm", ".html", ".xhtml"), "html"),
    **dict.fromkeys((".eml", ".mht", ".mhtml"), "mail"),
    **dict.fromkeys(
        (".txt", ".text", ".md", ".markdown", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml",
         ".yaml", ".yml", ".toml", ".log", ".srt", ".vtt", ".rst", ".tex", ".sql", ".vcf"), "text",
    ),
    **OLD_OFFICE_SUFFIXES,
}  # fmt: skip
