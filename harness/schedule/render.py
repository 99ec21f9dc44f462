"""From a Schedule to kernel.rs: readable, self-contained Rust."""

from __future__ import annotations

from harness.schedule import by_shape, recursive
from harness.schedule.model import Schedule
from harness.schedule.rust_source import render_classical


def render(schedule: Schedule, title: str, notes: str = "") -> str:
    """The source of kernel.rs for `schedule`; the same arguments always give the same text.

    `title` becomes the first documentation line. `notes` (plain text of any length) follow the summary. Raises
    UserError for a bilinear schedule whose scheme is unknown, refuted or not exact in f32.
    """
    s = schedule.normalise()
    if s.paths:
        return by_shape.render_paths(s, title, notes)
    return (
        render_classical(s, title, notes)
        if s.bilinear is None
        else recursive.render_recursion(s, title, notes)
    )
