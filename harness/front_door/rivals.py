"""The rival that --against names: a candidate, a published crate, or a library with cblas_sgemm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.candidate import is_candidate_folder, load
from harness.errors import CandidateError, UserError
from harness.pipeline import Inspection, SharedTools
from harness.verdict import Gate, describe

if TYPE_CHECKING:
    from harness.clock.worker_pair import Rival


def find(name: str, invoked_in: Path, shared: SharedTools) -> Rival:
    """The rival of that name, ready to be timed: a candidate is compiled and passes every gate before the clock.

    A path comes first, then the name of a folder in candidates/, then that of a yardstick. Raises UserError when there
    is no such thing, or when the candidate is rejected.
    """
    from harness.clock import yardsticks
    from harness.clock.worker_pair import Rival

    path = invoked_in / Path(name).expanduser()
    for folder in (path, shared.settings.candidates / name):
        if is_candidate_folder(folder):
            return _candidate(folder, name, shared)
    if path.is_file():
        from harness.clock import baseline

        library = shared.clock.callable_library(baseline.find(path, "--against"))
        return Rival(str(library), library.program, trusted=True)
    if name in yardsticks.NAMES:
        found = yardsticks.one(name, shared.say)
        return Rival(f"{found.name} {found.version}", found.program, trusted=True)
    raise UserError(
        f"--against {name}: no such thing; name a candidate (a folder, or one of {shared.settings.candidates}), "
        f"a crate ({', '.join(yardsticks.NAMES)}), or a library that exports cblas_sgemm"
    )


def _candidate(folder: Path, name: str, shared: SharedTools) -> Rival:
    try:
        inspection = Inspection(load(folder), shared)
    except CandidateError as error:
        raise UserError(f"--against {name}: {error}") from None
    shared.say(f"judging {name}, the rival of this session")
    inspection.through(Gate.CONDUCT)
    if inspection.rejection is not None:
        at = inspection.rejection.at.gate
        raise UserError(f"--against {name}: rejected at {at}: {describe(inspection.rejection)}")
    return inspection.as_rival()
