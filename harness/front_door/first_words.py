"""What an evolution says before it begins: what it will do, how long that takes, and what is unusual here."""

from __future__ import annotations

from pathlib import Path

from harness import machine as machines
from harness.errors import UserError
from harness.machine import Machine
from harness.operation.operations import OperationName
from harness.roundtable.runlog import journal
from harness.roundtable.runlog.journal import RunHistory
from harness.settings import Settings

# Seconds per kernel with the tuner and the default suite on a quiet Zen 3 core: 24 to 36 in our runs.
USUAL_S = 36.0
# Runs that are looked at for one under the same conditions.
_LOOKED_AT = 8


def first_words(settings: Settings, machine: Machine) -> list[str]:
    """The lines for a person who starts an evolution."""
    return [_plan(settings), *unusual(machine, machines.load())]


def _plan(settings: Settings) -> str:
    if settings.resume:
        return "round table: goes on where the run was interrupted"
    count = settings.generate * settings.population
    proposer = settings.models.get("proposer", settings.models.get("*", "builtin"))
    kernels = f"{count} kernels, each is" if count > 1 else "1 kernel, which is"
    return (
        f"round table: {proposer} proposes {kernels} judged and timed against BLAS; {_time(settings, count)}; "
        "Ctrl-C loses nothing (--resume)"
    )


def _time(settings: Settings, count: int) -> str:
    """The time of so many kernels as the latest comparable run had it, else of the usual case, else when it is told."""
    each_s = latest_s_per_kernel(settings.results, settings)
    if each_s is not None:
        return f"about {_minutes(count * each_s)}, as in the latest run like this"
    is_usual = set(settings.models.values()) == {"builtin"} and settings.suite == "default"
    if is_usual:
        return f"about {_minutes(count * USUAL_S)} on a quiet machine"
    return "the time left is told after the first"


def latest_s_per_kernel(results: Path, settings: Settings) -> float | None:
    """Seconds per kernel of the latest run with this suite and these models; None when there is none."""
    for path in journal.newest(results)[:_LOOKED_AT]:
        try:
            history = journal.read(path.parent)
        except UserError:
            continue
        count = _finished(history)
        if (
            count
            and (history.head.suite, history.head.models) == (settings.suite, settings.models)
            and history.spent_s
        ):
            return history.spent_s / count
    return None


def _finished(history: RunHistory) -> int:
    from harness.roundtable.conversation.messages import Judged

    return sum(isinstance(message.content, Judged) for message in history.messages)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{max(10, round(seconds, -1)):.0f} s"


def unusual(machine: Machine, load: float | None) -> list[str]:
    """A line for each fact about this machine that a newcomer should know: an unknown CPU, other load."""
    lines = []
    if machine.vector == "portable":
        wanted = "AVX2 with FMA, or AVX-512" if machine.arch == "x86_64" else "x86-64 or aarch64"
        lines.append(
            f"machine: {machine.cpu} has no vector unit that the templates know ({wanted}): kernels are plain Rust"
        )
    if load is not None and machines.is_busy(load, machine):
        lines.append(
            f"machine: busy, load {load:.1f} on {len(machine.cores)} cores: timings take longer and may be too noisy "
            "to count"
        )
    return lines


def resume_command(settings: Settings) -> str:
    """The command that continues this session's evolution."""
    which = f" --operation {settings.operation}" if settings.operation is not OperationName.MATMUL else ""
    return f"pytest --generate {settings.generate} --resume{which}"
