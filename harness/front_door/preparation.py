"""What must be ready before the first candidate is judged: saved timings, the lock, host, sandbox, baseline, suite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.caches import require_runnable
from harness.errors import UserError
from harness.front_door.session import SessionState
from harness.settings import Settings

if TYPE_CHECKING:
    from filelock import FileLock


def prepare(state: SessionState, invoked_in: Path) -> None:
    """Build or open everything that judging needs; raises UserError with one line when something is missing.

    `invoked_in` is the folder to which paths on the command line are relative.
    """
    settings = state.settings
    if settings.cache_notice:
        state.say(settings.cache_notice)
    if settings.generate:
        from harness.front_door.first_words import first_words

        for line in first_words(settings, state.shared.machine):
            state.say(line)
    require_runnable(settings.cache)
    if settings.compare is not None:
        state.saved_sessions().load(settings.compare)
    if settings.generate:
        state.lock = lock_evolution(settings)
    state.shared.make_ready("every result is marked")
    if settings.against is not None:
        from harness.front_door import rivals

        state.rival = rivals.find(settings.against, invoked_in, state.shared)


def lock_evolution(settings: Settings) -> FileLock:
    """The lock that allows one evolution at a time in a checkout; held until this process ends.

    Raises UserError when another evolution runs, or when the results folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(settings.results / "generate.lock")
    try:
        settings.results.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another pytest --generate is running in {settings.root}; wait for it, or work in a second clone"
        ) from None
    except OSError as error:
        raise UserError(
            f"{settings.results}: cannot be written: {error.strerror}; make it writable, or choose another folder with "
            "--results FOLDER"
        ) from None
    return lock
