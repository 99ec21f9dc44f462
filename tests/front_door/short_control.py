"""A plugin for sessions that are not about figures: the A/A control gets a fraction of a second instead of two.

Use as `-p tests.front_door.short_control`. From so few processes, the interval of the control is the assumed one of
±20 %, and every interval of the session is that much wider.
"""

from __future__ import annotations

from harness.clock import session

session.CONTROL_LEAST_S = 0.2
