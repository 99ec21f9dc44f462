"""Linear maps in steps: each step is a sum of inputs and of earlier steps, so that a common sum is computed once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

# Integers where possible: they are ten times as fast as fractions.
Coefficient: TypeAlias = int | Fraction
# A coefficient, and the number of an input or step; steps are numbered after the inputs.
ProgramTerm: TypeAlias = tuple[Coefficient, int]


@dataclass(frozen=True, slots=True)
class LinearProgram:
    """Values 0 … `inputs` - 1 are given, then each step is a sum of two or more terms of earlier values.

    outputs: for each output the value that it is, with a coefficient; None for an output that is 0.
    """

    inputs: int
    steps: tuple[tuple[ProgramTerm, ...], ...]
    outputs: tuple[ProgramTerm | None, ...]

    @property
    def additions(self) -> int:
        """Additions and subtractions; multiplications with coefficients are free."""
        return sum(len(step) - 1 for step in self.steps)

    def transposed(self) -> LinearProgram:
        """The program of the transposed map: outputs become inputs, and every edge turns around.

        By Tellegen's principle it has as many additions plus outputs minus inputs, if all of them are used.
        """
        uses: list[list[ProgramTerm]] = [[] for _ in range(self.inputs + len(self.steps))]
        for number, output in enumerate(self.outputs):
            if output is not None:
                uses[output[1]].append((output[0], number))
        steps: list[tuple[ProgramTerm, ...]] = []
        for value in reversed(range(self.inputs, len(uses))):
            turned = self._turned(uses[value], len(self.outputs), steps)
            if turned is None:
                continue
            for coefficient, source in self.steps[value - self.inputs]:
                uses[source].append((coefficient * turned[0], turned[1]))
        outputs = tuple(self._turned(uses[value], len(self.outputs), steps) for value in range(self.inputs))
        return LinearProgram(len(self.outputs), tuple(steps), outputs)

    @staticmethod
    def _turned(
        uses: list[ProgramTerm], inputs: int, steps: list[tuple[ProgramTerm, ...]]
    ) -> ProgramTerm | None:
        """The value that is the sum of `uses`: a new step, unless there is one use or none."""
        if len(uses) > 1:
            steps.append(tuple(uses))
            return 1, inputs + len(steps) - 1
        return uses[0] if uses else None

    def scaled(self, by: tuple[Coefficient, ...]) -> LinearProgram:
        """The program for inputs that are to be multiplied by these coefficients."""
        return self._signed([*by, *(1 for _ in self.steps)])

    def positive(self) -> LinearProgram:
        """The same map; a step with a negative first term and no positive one is replaced by its negative."""
        return self._signed([1 for _ in range(self.inputs + len(self.steps))])

    def _signed(self, factors: list[Coefficient]) -> LinearProgram:
        """The program where value i stands for factors[i] times itself; steps without a positive term are negated."""
        steps = []
        for number, step in enumerate(self.steps):
            terms = tuple((coefficient * factors[source], source) for coefficient, source in step)
            if all(coefficient < 0 for coefficient, _ in terms):
                terms = tuple((-coefficient, source) for coefficient, source in terms)
                factors[self.inputs + number] = -factors[self.inputs + number]
            steps.append(tuple(sorted(terms, key=lambda term: term[0] < 0)))
        outputs = tuple(
            None if output is None else (output[0] * factors[output[1]], output[1]) for output in self.outputs
        )
        return LinearProgram(self.inputs, tuple(steps), outputs)
