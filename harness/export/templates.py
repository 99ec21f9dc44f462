"""The text of a folder of templates: files that end in .j2 are filled, others are taken as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.export.names import markdown

if TYPE_CHECKING:
    from jinja2 import Environment


def filled(folder: Path, values: Mapping[str, Any]) -> dict[str, str]:
    """The text of every file below `folder`, by its path there without .j2."""
    environment, found = _jinja(), {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        text = path.read_text(encoding="utf-8")
        if name.endswith(".j2"):
            name, text = name.removesuffix(".j2"), environment.from_string(text).render(values)
        found[name] = text
    return found


def _jinja() -> Environment:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["toml"] = lambda text: json.dumps(text, ensure_ascii=False)
    environment.filters["md"] = markdown
    return environment
