"""The registry of oracles. Each one kills its own kind of wrong kernel and passes every honest one."""

from __future__ import annotations

from harness.errors import UserError
from harness.judge.examination import Examination
from harness.judge.oracles import (
    conduct,
    endurance,
    forms,
    history,
    mixtures,
    normwise,
    practical,
    scalars,
    special,
    structure,
    surroundings,
    values,
)
from harness.judge.oracles.oracle import Oracle
from harness.verdict import Gate

# In the order in which a candidate meets them: cheap ones that reject most wrong kernels come first. Those for fast
# schemes come after the others of their gate, which decide whether the kernel is one; those that need the machine for
# themselves come last.
REGISTRY: tuple[Oracle, ...] = (
    *structure.ORACLES,
    *forms.ORACLES,
    *scalars.ORACLES,
    *values.ORACLES,
    *practical.ORACLES,
    *special.ORACLES,
    *mixtures.ORACLES,
    *normwise.ORACLES,
    *history.ORACLES,
    *endurance.ORACLES,
    *conduct.ORACLES,
    *surroundings.ORACLES,
)


def at_gate(examination: Examination, gate: Gate) -> list[Oracle]:
    """The oracles of a gate for this operation, without those that a test disabled."""
    with_forms = examination.operation.has_forms
    fitting = (oracle for oracle in REGISTRY if oracle.gate is gate and oracle.needs_forms <= with_forms)
    return [oracle for oracle in fitting if oracle.name not in examination.disabled]


def named(name: str) -> Oracle:
    """The oracle of that name; raises UserError that lists the names."""
    known = {oracle.name: oracle for oracle in REGISTRY}
    if name in known:
        return known[name]
    raise UserError(f"no oracle '{name}'; the oracles are: {', '.join(sorted(known))}")
