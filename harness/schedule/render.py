"""From a Schedule to kernel.rs: readable, self-contained Rust from the templates in templates/."""

from __future__ import annotations

from harness.schedule import recursive
from harness.schedule.model import Schedule
from harness.schedule.template_context import render_template


def render(schedule: Schedule, title: str, notes: str = "") -> str:
    """The source of kernel.rs for `schedule`; the same arguments always give the same text.

    `title` becomes the first documentation line; `notes` (plain text of any length) follows the summary.
    """
    s = schedule.normalise()
    return render_template(s, title, notes) if s.bilinear is None else recursive.render(s, title, notes)
