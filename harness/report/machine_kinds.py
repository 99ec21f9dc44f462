"""The kinds of machine that judged a run with workers: a column for each, its best kernel, and the crate of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.durable import JsonObject
from harness.report.markup import Markup, tag
from harness.report.pieces import scroll_box, table
from harness.report.portfolio import export_command, kind_label
from harness.report.progress_chart import kernel_link
from harness.report.run_story import RunStory, StoryKernel
from harness.verdict import is_clearly_lower

_BEST_COLUMNS = ("kind", "best kernel", "ratio", "machine", "baseline")


@dataclass(frozen=True, slots=True)
class KindRatio:
    """What one kind of machine found about one kernel: the ratio that counts there with its interval, or its outcome
    in words.
    """

    outcome: str
    ratio: float = 0.0
    low: float = 0.0
    high: float = 0.0

    @property
    def shown(self) -> str:
        """The ratio with its interval, or the outcome."""
        return f"{self.ratio:.3f} [{self.low:.3f}, {self.high:.3f}]" if self.ratio else self.outcome


@dataclass(frozen=True, slots=True)
class MachineKind:
    """One kind of machine of a run; `found` is by the kernel's name."""

    label: str
    about: str
    baseline: str
    found: dict[str, KindRatio]

    @property
    def best(self) -> str | None:
        """The kernel with the highest lower end of its interval; None when none was accepted here."""
        timed = {name: one for name, one in self.found.items() if one.ratio}
        return max(timed, key=lambda name: timed[name].low) if timed else None


def machine_kinds(story: RunStory) -> list[MachineKind]:
    """The home's kind, then the others that judged kernels of this run with its suite; empty when there are none."""
    names = {kernel.name for kernel in story.kernels}
    suite = story.heads[-1].suite
    groups = [
        [one for one in group if one.get("candidate") in names and one.get("suite") == suite]
        for group in story.elsewhere
    ]
    others = [_other({str(one["candidate"]): one for one in group}) for group in groups]
    found = sorted((one for one in others if one is not None), key=lambda one: one.label)
    return [_home(story), *found] if found else []


def _home(story: RunStory) -> MachineKind:
    head = story.heads[-1]
    baselines = [kernel.score.baseline for kernel in story.kernels if kernel.score]
    found = {kernel.name: _of_kernel(kernel) for kernel in story.kernels}
    label = kind_label(head.machine.rpartition(" ")[2], head.fingerprint)
    return MachineKind(label, head.machine, (baselines or [""])[-1], found)


def _of_kernel(kernel: StoryKernel) -> KindRatio:
    claimed = kernel.score.claimed if kernel.score else None
    numbers = (claimed.ratio, claimed.ratio_low, claimed.ratio_high) if claimed else ()
    return KindRatio(str(kernel.outcome), *numbers)


def _other(records: dict[str, JsonObject]) -> MachineKind | None:
    """The kind of machine of these records, the latest of each kernel; None without any."""
    if not records:
        return None
    last = list(records.values())[-1]
    machine = last.get("machine")
    facts = machine if isinstance(machine, dict) else {}
    fingerprint = str(last.get("machine_fingerprint"))
    about = f"{facts.get('cpu', 'unknown CPU')} / {facts.get('arch', '')} {facts.get('vector', '')}"
    label = kind_label(str(facts.get("vector", "machine")), fingerprint)
    return MachineKind(
        label, about, str(last.get("baseline")), {name: _of_record(one) for name, one in records.items()}
    )


def _of_record(record: JsonObject) -> KindRatio:
    """The ratio of a record; that of shapes near the timed ones when it is clearly lower, as everywhere."""
    plain = _numbers(record, ("ratio_to_blas", "ratio_low", "ratio_high"))
    near = _numbers(record, ("elsewhere", "elsewhere_low", "elsewhere_high"))
    if plain and near and is_clearly_lower(near[2], plain[1]):
        plain = near
    return KindRatio(str(record.get("outcome")), *(plain or ()))


def _numbers(record: JsonObject, keys: Sequence[str]) -> tuple[float, ...]:
    """The numbers at these keys; none unless all are there."""
    found = tuple(one for key in keys if isinstance(one := record.get(key), float))
    return found if len(found) == len(keys) else ()


def portfolio_command(kinds: Sequence[MachineKind]) -> str | None:
    """The command that makes one crate of the best kernel of each kind; None when none has one."""
    best = [one.best for one in kinds if one.best is not None]
    return export_command(best) if best else None


def kinds_section(story: RunStory, kinds: Sequence[MachineKind]) -> Markup:
    """A row per kind with its best kernel, the command that exports them, and a row per kernel with all ratios."""
    numbers = {kernel.name: kernel for kernel in story.kernels}
    champions = []
    for one in kinds:
        best = one.best
        link = kernel_link(numbers[best]) if best else "none was accepted"
        champions.append([one.label, link, one.found[best].shown if best else "", one.about, one.baseline])
    rows = [
        [kernel_link(kernel), *(_cell(kernel.name, one) for one in kinds)]
        for kernel in story.ranked
    ]  # fmt: skip
    command = portfolio_command(kinds)
    crate = [] if command is None else [
        tag("p", "One crate of these kernels, which chooses by the features of the CPU (of two that need the same, it "
            "uses the one that is faster where the crate is made): ", tag("code", command)),
    ]  # fmt: skip
    return tag(
        "section",
        tag("h2", "The kinds of machine that judged this run, and the best kernel of each"),
        tag("p", "Every ratio is to BLAS on the machine of its column: compare within a column. The first kind is the "
            "one for which kernels were evolved; code for a vector unit that a machine lacks is left out there (-). "
            "The best has the highest lower end of its interval."),
        scroll_box("best kernel of each kind", table(_BEST_COLUMNS, champions)),
        *crate,
        scroll_box("ratio of every kernel on each kind", table(("kernel", *(one.label for one in kinds)), rows)),
        id="kinds",
    )  # fmt: skip


def _cell(name: str, kind: MachineKind) -> str:
    found = kind.found.get(name)
    if found is None:
        return "-"
    return tag("strong", f"{found.shown}, best") if name == kind.best else found.shown
