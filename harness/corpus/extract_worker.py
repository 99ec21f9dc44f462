"""The process that reads one PDF: sets its own limits, runs pypdf, and prints one line of JSON.

`python -m harness.corpus.extract_worker PATH LIMITS`; the parent (extract.py) enforces the deadline.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any


def main(path: Path, limits: dict[str, float]) -> dict[str, Any]:
    """Print {"title", "pages": [[number, text], …], "total"} or {"refused": reason}."""
    _limit(limits)
    try:
        return read(path, limits)
    except MemoryError:
        return {"refused": f"needs more than {int(limits['memory_bytes']) >> 20} MiB of memory to read"}
    except RecursionError:
        return {"refused": "broken (its objects are nested without end)"}


def _limit(limits: dict[str, float]) -> None:
    seconds = int(limits["time_s"]) + 1
    for kind, value in (
        (resource.RLIMIT_AS, int(limits["memory_bytes"])),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (value, hard))
        except (ValueError, OSError):
            # macOS knows RLIMIT_AS but rejects it; the deadline and pypdf's own limits remain.
            continue


def read(path: Path, limits: dict[str, float]) -> dict[str, Any]:
    """The result that `main` prints, within the limits on pages and text; time and memory are limited by the
    process.
    """
    import pypdf
    from pypdf.errors import DependencyError

    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            return {"refused": "encrypted; remove its password first, for example with qpdf --decrypt"}
        total = len(reader.pages)
    except DependencyError:
        return {"refused": "encrypted with AES; remove its password first, for example with qpdf --decrypt"}
    except MemoryError:
        raise
    except (
        Exception
    ) as error:  # pypdf raises whatever its parsing meets: KeyError, TypeError, AttributeError …
        return {"refused": f"broken ({_reason(error)})"}
    if total > limits["pages"]:
        return {"refused": f"has {total} pages, more than {int(limits['pages'])}"}
    pages: list[tuple[int, str]] = []
    trouble = ""
    room = int(limits["text_bytes"])
    for number in range(1, total + 1):
        try:
            text = _page(reader.pages[number - 1])
        except MemoryError:
            raise
        except Exception as error:  # one bad page must not affect the others
            trouble = _reason(error)
            continue
        room -= len(text.encode("utf-8", "replace"))
        if room < 0:
            return {"refused": f"holds more than {int(limits['text_bytes']) >> 20} MiB of text"}
        pages.append((number, text))
    if not pages and trouble:
        return {"refused": f"broken ({trouble})"}
    return {"title": _title(reader), "pages": pages, "total": total}


def _page(page: Any) -> str:
    """One page's text in reading order."""
    from harness.corpus.layout import Fragment, page_text

    fragments: list[Fragment] = []

    def visit(text: str, cm: Any, tm: Any, _font: Any, size: float) -> None:
        if text.strip():
            x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
            y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
            scale = abs(tm[3] * cm[3]) or abs(tm[1] * cm[1]) or 1.0
            fragments.append(Fragment(text, float(x), float(y), float(size or 10.0) * scale))

    plain = page.extract_text(visitor_text=visit)
    return page_text(fragments, float(page.mediabox.width), plain)


def _title(reader: Any) -> str:
    try:
        title = str((reader.metadata or {}).get("/Title") or "").strip()
    except MemoryError:
        raise
    except Exception:  # a broken information dictionary counts as none
        return ""
    return " ".join(title.split())[:300]


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120] or type(error).__name__


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), json.loads(sys.argv[2]))))
