"""The Proposer's brief timings: compiles kernels side by side and screens them by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from harness.candidate import Tier

if TYPE_CHECKING:
    from harness.judge.worker.calls import Program
    from harness.pipeline import SharedTools


class Screening:
    """See interfaces.Screen. The kernels come from the templates; they run in the sandbox like every candidate."""

    def __init__(self, shared: SharedTools) -> None:
        self.shared = shared

    def __call__(self, kernels: Sequence[tuple[str, Tier]]) -> list[float | None]:
        from harness.clock.screening import screen

        with ThreadPoolExecutor(len(self.shared.machine.cores), thread_name_prefix="compile") as pool:
            programs = list(pool.map(lambda kernel: self._compiled(*kernel), kernels))
        usable = [program for program in programs if program is not None]
        ratios = iter(screen(usable, self.shared.settings.threads or "1", self.shared.clock))
        return [None if program is None else next(ratios) for program in programs]

    def _compiled(self, source: str, tier: Tier) -> Program | None:
        from harness.compile import rustc
        from harness.judge.worker.calls import Abi, Program

        built = rustc.compile_kernel(source, tier, self.shared.tools)
        if not isinstance(built, rustc.CompiledKernel):
            return None
        return Program(built.path, built.symbol, Abi.KERNEL)
