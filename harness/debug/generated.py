"""The Rust of a schedule that is given by knobs, by a candidate's proposal, or by this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import machine
from harness.candidate import load
from harness.errors import UserError


def rust_of(knobs: Sequence[str], folder: Path | None) -> str:
    """The text of kernel.rs; `knobs` are KNOB=VALUE texts that replace those of the start schedule.

    Raises UserError for a candidate without a schedule, and for knobs that Schedule does not accept.
    """
    from pydantic import ValidationError

    from harness.schedule.analytical import first
    from harness.schedule.model import Schedule
    from harness.schedule.render import render

    changes = dict(_parsed(text) for text in knobs)
    try:
        if folder is not None:
            start = _proposed(folder)
        else:
            unit = {key: changes[key] for key in ("family", "isa") if key in changes}
            start = first(machine.read(), **unit).model_dump()
        schedule = Schedule.model_validate(start | changes)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'schedule'}: {e['msg']}" for e in error.errors()
        )
        raise UserError(
            f"not a schedule: {problems}; the knobs are {', '.join(Schedule.model_fields)}"
        ) from None
    except (ValueError, KeyError) as error:
        raise UserError(f"not a schedule: {error}") from None
    return render(schedule, f"{schedule.family} {schedule.isa} {schedule.tile}")


def _parsed(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UserError(f"'{text}' is not KNOB=VALUE; write for example mr=6 or family=packed")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _proposed(folder: Path) -> dict[str, Any]:
    proposal = load(folder).manifest.proposal or {}
    schedule = proposal.get("schedule")
    if not isinstance(schedule, dict):
        raise UserError(f"{folder}: candidate.toml has no [proposal.schedule]; give knobs instead")
    return dict(schedule)
