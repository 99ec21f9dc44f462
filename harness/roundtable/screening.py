"""The Proposer's brief timings: compiles kernels side by side and screens them by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from harness.roundtable.conversation.interfaces import RenderedKernel
from harness.shapes import Shape

if TYPE_CHECKING:
    from harness.clock.worker_pair import Rival
    from harness.judge.scheme_levels import SchemeLevels
    from harness.pipeline import SharedTools


class Screening:
    """See interfaces.Screen. The kernels come from the templates; they run in the sandbox like every candidate."""

    def __init__(self, shared: SharedTools) -> None:
        self.shared = shared

    def __call__(self, kernels: Sequence[RenderedKernel], shapes: Sequence[Shape] = ()) -> list[float | None]:
        from harness.clock.screening import screen

        with ThreadPoolExecutor(len(self.shared.machine.cores), thread_name_prefix="compile") as pool:
            built = list(pool.map(self._compiled, kernels))
        usable = [one for one in built if one is not None]
        ratios = iter(screen(usable, self.shared.settings.threads or "1", self.shared.clock, shapes))
        return [None if one is None else next(ratios) for one in built]

    def _compiled(self, kernel: RenderedKernel) -> Rival | None:
        from harness.clock.worker_pair import Rival
        from harness.compile import rustc
        from harness.judge.worker.calls import Abi, Program
        from harness.operation.operations import OPERATIONS

        operation = OPERATIONS[self.shared.settings.operation]
        built = rustc.compile_kernel(kernel.source, kernel.tier, self.shared.tools, operation)
        if not isinstance(built, rustc.CompiledKernel):
            return None
        return Rival(
            built.symbol, Program(built.path, built.symbol, Abi(operation.abi)), self._levels(kernel)
        )

    def _levels(self, kernel: RenderedKernel) -> SchemeLevels:
        """The levels of the declared scheme at every shape: the judge has not looked yet how many it shows where."""
        from harness.candidate import DeclaredScheme
        from harness.judge.scheme_levels import CLASSICAL, SchemeLevels

        if kernel.scheme is None:
            return CLASSICAL
        declared = DeclaredScheme.model_validate(kernel.scheme)
        levels = declared.levels * declared.halvings
        return SchemeLevels(dict.fromkeys(self.shared.clock.suite, levels), declared)
