"""The judge of an evolution as its agents see it: a candidate's gates run as live items of the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.candidate import KERNEL_FILE, Candidate
from harness.front_door.collect import KernelFile
from harness.pipeline import Inspection
from harness.verdict import Accepted, At, Gate, HarnessError, Verdict

if TYPE_CHECKING:
    from harness.roundtable.conversation.interfaces import Workers
    from harness.roundtable.run import Home


class LiveJudge:
    """The judge as the agents see it: a function from candidate to verdict that runs pytest items."""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session
        # Workers that judge a generation side by side, and the machine for which they judge when it is not this one.
        self.workers: Workers | None = None
        self.home: Home | None = None
        # The accepted kernels of this session, in the order judged.
        self.accepted: list[Inspection] = []

    def __call__(self, candidate: Candidate) -> Verdict:
        """Judge one candidate now; raises KeyboardInterrupt like any pytest item."""
        return self.judge(candidate)

    def notices(self) -> list[str]:
        """Lines for below the table."""
        return []

    def judge(self, candidate: Candidate, inspection: Inspection | None = None) -> Verdict:
        """Run the items of one candidate, and note it if it is accepted; `inspection` may have been begun elsewhere."""
        kernel, verdict = self._run_items(candidate, inspection)
        if isinstance(verdict, Accepted):
            self.accepted.append(kernel.inspection())
        return verdict

    def run_items(self, candidate: Candidate, inspection: Inspection | None, machine: str = "") -> Verdict:
        """Run the items of one candidate; `machine` is the short name of another machine that has judged it."""
        return self._run_items(candidate, inspection, machine)[1]

    def _run_items(
        self, candidate: Candidate, inspection: Inspection | None, machine: str = ""
    ) -> tuple[KernelFile, Verdict]:
        path = candidate.folder / KERNEL_FILE
        kernel = KernelFile.from_parent(self.session, path=path)
        if machine:
            kernel = KernelFile.from_parent(self.session, path=path, nodeid=f"{kernel.nodeid}[{machine}]")
        kernel.generated, kernel.machine = True, machine
        if inspection is not None:
            kernel.adopt(inspection)
        items = list(kernel.collect())
        self.session.items.extend(item for item in items if isinstance(item, pytest.Item))
        self.session.testscollected = max(self.session.testscollected, len(self.session.items))
        for item, following in zip(items, [*items[1:], None], strict=True):
            self.session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.session.shouldstop:
                raise self.session.Interrupted(self.session.shouldstop)
        verdict = kernel.inspection().verdict
        return kernel, verdict or HarnessError("the gates ended without a verdict", At(Gate.CLOCK))
