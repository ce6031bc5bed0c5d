"""Write a report that is one HTML file: tables, pictures and settings, readable anywhere."""

import base64
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from handvit.atomic_file import atomic_file

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1100px; margin: 2em auto;
       padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.2em; margin-top: 2em; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .3em .8em; border-bottom: 1px solid #ddd; text-align: right;
         font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td.best { font-weight: bold; background: #eef6ee; }
figure { margin: 1em 0; } img { max-width: 100%; height: auto; }
figcaption, p.note { color: #555; }
pre { background: #f6f6f6; padding: 1em; overflow-x: auto; font-size: 13px; }
"""
_MIME_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}


class HandReport:
    """Collect the parts of a report in reading order, then write them.

    Args:
        title: heading of the page.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []

    def add_heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def add_text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f'<p class="note">{escape(text)}</p>')

    def add_table(
        self,
        columns: list[str],
        rows: Mapping[str, list[str]],
        *,
        best: Mapping[str, str] | None = None,
    ) -> None:
        """Add a table of ready-made texts.

        Args:
            columns: names of the columns after the first.
            rows: first cell -> the others.
            best: column -> first cell of the row to be marked there.
        """
        head = "".join(f"<th>{escape(name)}</th>" for name in ["", *columns])
        body = "".join(_table_row(columns, name, cells, best or {}) for name, cells in rows.items())
        self._parts.append(f"<table><tr>{head}</tr>{body}</table>")

    def add_picture(self, image: bytes, caption: str) -> None:
        """Embed a picture.

        Args:
            image: an encoded PNG or JPEG.

        Raises:
            ValueError: the bytes are neither.
        """
        types = [mime for start, mime in _MIME_TYPES.items() if image.startswith(start)]
        if not types:
            raise ValueError(f"picture {caption!r}: bytes are neither PNG nor JPEG")
        source = f"data:{types[0]};base64,{base64.b64encode(image).decode()}"
        self._parts.append(
            f'<figure><img src="{source}" alt="{escape(caption)}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )

    def add_settings(self, settings: Mapping[str, Any]) -> None:
        """Add JSON values the way they are."""
        self._parts.append(f"<pre>{escape(json.dumps(settings, indent=2))}</pre>")

    def to_html(self) -> str:
        """Return the page."""
        title = escape(self.title)
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
            f"<body><h1>{title}</h1>\n" + "\n".join(self._parts) + "\n</body></html>\n"
        )

    def write(self, path: str | Path) -> None:
        """Write the page; it loads nothing from anywhere."""
        with atomic_file(Path(path)) as file:
            file.write(self.to_html().encode())


def _table_row(columns: list[str], name: str, cells: list[str], best: Mapping[str, str]) -> str:
    marks = [' class="best"' if best.get(column) == name else "" for column in columns]
    texts = (f"<td{mark}>{escape(cell)}</td>" for mark, cell in zip(marks, cells, strict=True))
    return f"<tr><td>{escape(name)}</td>{''.join(texts)}</tr>"
