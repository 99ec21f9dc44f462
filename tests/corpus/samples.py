"""Minimal valid PDFs, written by hand, with text at exact positions."""

from __future__ import annotations

import io
import textwrap
import zlib
from collections.abc import Sequence

Line = tuple[float, float, float, str]


def pdf(pages: Sequence[Sequence[Line]], title: str | None = None) -> bytes:
    """A PDF with Helvetica lines (x, y, size, text) on US letter pages; text in Windows-1252."""
    streams = [
        "\n".join(f"BT /F1 {s} Tf 1 0 0 1 {x} {y} Tm ({_quoted(t)}) Tj ET" for x, y, s, t in page)
        for page in pages
    ]
    return pdf_of_streams([stream.encode("cp1252") for stream in streams], title=title)


def pdf_of_streams(streams: Sequence[bytes], title: str | None = None, compress: bool = False) -> bytes:
    """A PDF whose pages have these content streams."""
    bodies: list[bytes] = [
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    ]
    root = 2 + 2 * len(streams)
    kids = []
    for stream in streams:
        data = zlib.compress(stream) if compress else stream
        extra = b"/Filter /FlateDecode " if compress else b""
        bodies.append(b"<< %s/Length %d >>\nstream\n%s\nendstream" % (extra, len(data), data))
        bodies.append(
            b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 1 0 R >> >> >>" % (root, len(bodies))
        )
        kids.append(b"%d 0 R" % len(bodies))
    bodies.append(b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids)))
    bodies.append(b"<< /Type /Catalog /Pages %d 0 R >>" % root)
    bodies.append(b"<< /Title (%s) >>" % _quoted(title or "").encode("cp1252"))
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    places = []
    for number, body in enumerate(bodies, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer << /Size %d /Root %d 0 R /Info %d 0 R >>\n" % (len(bodies) + 1, root + 1, root + 2))
    out.write(b"startxref\n%d\n%%%%EOF\n" % start)
    return out.getvalue()


def column(text: str, x: float = 72.0, top: float = 720.0, width: int = 80, size: float = 10.0) -> list[Line]:
    """`text` wrapped to `width` characters as consecutive lines."""
    return [(x, top - 1.2 * size * i, size, line) for i, line in enumerate(textwrap.wrap(text, width))]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
