"""The page of a run that goes on, as the live view serves it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.errors import UserError
from harness.report.page import page, waiting_page
from harness.report.run_story import read_story


def live_page(run: Path, results: Path, candidates: Path, version: int, running: bool) -> str:
    """The page of a run that goes on; where it cannot be made, a page that says why. Never raises."""
    try:
        return page(replace(read_story([run], results, candidates), running=running), version)
    except UserError as error:
        return waiting_page(run.name, f"The journal cannot be read now: {error}", version)
    except Exception as error:
        return waiting_page(run.name, f"This page cannot be made: {error!r}", version)
