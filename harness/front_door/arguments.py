"""Checks of the command line that need more than one option, before anything is collected."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.candidate import KERNEL_FILE, MANIFEST_FILE, is_candidate_folder
from harness.errors import UserError
from harness.front_door.collect import GateItem
from harness.machine import usable_cores
from harness.settings import Settings


def check_arguments(config: pytest.Config, settings: Settings) -> None:
    """Refuse folders without a kernel and options that exclude each other; create the --verdicts file.

    Raises UserError. With --generate and no path argument, the project's own tests are not collected.
    """
    for argument, path in _paths(config):
        inside = path.parent == settings.candidates and path.is_dir()
        if inside and not is_candidate_folder(path) and not any(path.rglob(KERNEL_FILE)):
            raise UserError(f"{argument}: no kernel.rs in it; a candidate is a folder with a kernel.rs")
    if settings.max_regress is not None and settings.compare is None:
        raise UserError("--max-regress needs --compare NAME or --compare latest to know what to compare with")
    if settings.generate and _worker_count(config):
        raise UserError("--generate takes timings and runs in one process; leave out -n")
    if settings.workers is not None:
        _check_workers(settings.workers, settings)
    if settings.live and not settings.generate:
        raise UserError("--live shows an evolution while it goes on; it needs --generate N")
    if settings.live_port is not None and not settings.live:
        raise UserError("--live-port needs --live")
    if settings.generate and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []
    # --co judges nothing, so it keeps the verdicts of an earlier session.
    if settings.verdicts is not None and not (is_xdist_worker(config) or config.option.collectonly):
        _create(settings.verdicts)


def _check_workers(text: str, settings: Settings) -> None:
    from harness.fleet import address

    if not settings.generate:
        raise UserError("--workers judges the candidates of an evolution; it needs --generate N")
    where = address.parse(text, len(usable_cores()))
    if settings.unsandboxed:
        raise UserError("--unsandboxed and --workers exclude each other: workers judge in a sandbox only")
    if isinstance(where, address.ClusterAddress):
        for option, value in (("--against", settings.against), ("--baseline", settings.baseline)):
            if value is not None:
                raise UserError(f"{option} is for one machine; leave it out, or use --workers local:N")
        address.require_engine()


def is_xdist_worker(config: pytest.Config) -> bool:
    """Whether this process is a worker of pytest-xdist, which reports to the controller process."""
    return hasattr(config, "workerinput")


def judges_here(config: pytest.Config, settings: Settings, items: Sequence[pytest.Item]) -> bool:
    """Whether this process will judge candidates itself: not the xdist controller, and there is something to judge."""
    if _worker_count(config) and not is_xdist_worker(config):
        return False
    return bool(settings.generate or any(isinstance(item, GateItem) for item in items))


def judges_in_workers(config: pytest.Config) -> bool:
    """Whether this process is the xdist controller and its workers will judge candidates."""
    if not _worker_count(config) or is_xdist_worker(config):
        return False
    return any(path.name == KERNEL_FILE or any(path.rglob(KERNEL_FILE)) for _, path in _paths(config))


def _worker_count(config: pytest.Config) -> int:
    return getattr(config.option, "numprocesses", None) or 0


def _paths(config: pytest.Config) -> Iterator[tuple[str, Path]]:
    """Each path argument as given, and as a path without its node id."""
    for argument in config.args:
        yield argument, Path(config.invocation_params.dir, argument.split("::")[0])


def _create(verdicts: Path) -> None:
    """Create or empty the --verdicts file; raises UserError, and changes nothing, when it is no regular file or a
    candidate's.
    """
    wrong = f"--verdicts {verdicts}"
    if verdicts.name in (KERNEL_FILE, MANIFEST_FILE):
        raise UserError(f"{wrong}: this would overwrite a candidate; choose another name")
    try:
        verdicts.parent.mkdir(parents=True, exist_ok=True)
        # O_NONBLOCK: opening a pipe that nobody reads must not wait. Not O_TRUNC: what is there may not be a file.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(verdicts, flags, 0o666)
    except OSError as error:
        # A pipe that nobody reads, or a socket.
        why = (
            "is not a regular file" if error.errno == errno.ENXIO else f"cannot be written: {error.strerror}"
        )
        raise UserError(f"{wrong}: {why}; name a file in a folder that you can write to") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UserError(f"{wrong}: is not a regular file; name a file in a folder that you can write to")
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)
