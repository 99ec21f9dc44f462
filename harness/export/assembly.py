"""The files of the crate, from its kernels and the templates in the folder skeleton."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.compile.crates import EXTERNS_CRATE
from harness.compile.toolchain import MINIMUM
from harness.export.judging import NORMWISE, TakenKernel
from harness.export.names import markdown, module_names, rust_identifier, rust_text
from harness.export.source_text import masked
from harness.export.templates import filled
from harness.export.variants import UNITS

SKELETON = Path(__file__).with_name("skeleton")
# Preference among kernels: the wider the vectors, the earlier.
_RANKS = (("avx512f", 4), ("avx2", 3), ("neon", 3), ("avx", 2))


@dataclass(frozen=True, slots=True)
class CrateEntry:
    """One line of the crate's table of kernels: a module that may run where the CPU has `features` of `arch`."""

    kernel: TakenKernel
    module: str
    arch: str = ""
    features: tuple[str, ...] = ()
    unit: str = ""

    @property
    def label(self) -> str:
        """The candidate's name, with the vector unit for which portable code is compiled."""
        return f"{self.kernel.candidate.name} {self.unit}".strip()

    @property
    def rust_name(self) -> str:
        """The label as a Rust literal."""
        return rust_text(self.label)

    @property
    def is_variant(self) -> bool:
        """Whether its function must be called with the features present."""
        return bool(self.unit)

    @property
    def takes_strides(self) -> bool:
        """Whether it computes all of `sgemm` itself; others know C = A * B, contiguous, only."""
        return self.kernel.candidate.operation.has_forms

    @property
    def function(self) -> str:
        """The name of its function."""
        return self.kernel.candidate.operation.function

    @property
    def entry(self) -> str:
        """The case of the Rust type `Entry`."""
        if not self.takes_strides:
            return "Product"
        return "StridedSlices" if self.kernel.candidate.manifest.tier == "safe" else "Strided"

    @property
    def normwise(self) -> bool:
        """Whether its error is bounded by the largest elements only."""
        return self.kernel.verdict.numerics == NORMWISE

    @property
    def threads(self) -> str:
        """The thread class."""
        return self.kernel.threads

    @property
    def gate(self) -> str:
        """The Cargo feature without which the kernel is left out; empty for kernels of one thread."""
        return cargo_feature(self.kernel)

    @property
    def cfg(self) -> str:
        """The condition under which it is compiled; empty if always."""
        parts = [f'feature = "{self.gate}"'] if self.gate else []
        parts += [f'target_arch = "{self.arch}"'] if self.arch else []
        # Without vector instructions such a kernel is slower than the fallback.
        parts += ['not(target_arch = "x86_64")'] if self.kernel.variants and not self.unit else []
        return f"all({', '.join(parts)})" if len(parts) > 1 else "".join(parts)

    @property
    def detection(self) -> str:
        """The Rust expression that says whether this CPU has the features."""
        macro = "is_aarch64_feature_detected" if self.arch == "aarch64" else "is_x86_feature_detected"
        return " && ".join(f'std::arch::{macro}!("{name}")' for name in self.features) or "true"

    @property
    def needs_text(self) -> str:
        """What it needs, for people."""
        if self.features:
            return f"{self.arch} with {', '.join(self.features)}"
        return "every CPU but x86_64" if self.kernel.variants else "every CPU"

    @property
    def extra_text(self) -> str:
        """The Cargo feature and the tier, for people."""
        safe = "; safe Rust" if self.kernel.candidate.manifest.tier == "safe" else ""
        return (
            safe
            + ("; strides" if self.takes_strides else "")
            + (f"; feature {self.gate}" if self.gate else "")
        )

    @property
    def is_measured(self) -> bool:
        """Whether the judge ran this code: on this machine, and for this entry's features."""
        if self.kernel.variants:
            return self.unit in self.kernel.judged_units
        return not self.kernel.foreign and self.arch in ("", self.kernel.record["machine"]["arch"])

    @property
    def ratio_text(self) -> str:
        """The ratio to BLAS with its interval."""
        score = self.kernel.verdict.score
        text = f"{score.ratio:.3f} [{score.ratio_low:.3f}, {score.ratio_high:.3f}]"
        return text if self.is_measured else "not measured here"

    @property
    def elsewhere_text(self) -> str:
        """The ratio at secret shapes; empty where there is none."""
        there = self.kernel.verdict.score.elsewhere
        if there is None or not self.is_measured:
            return ""
        return f"{there.ratio:.3f} [{there.ratio_low:.3f}, {there.ratio_high:.3f}]"

    @property
    def order(self) -> tuple[bool, bool, bool, int, float]:
        """The larger, the earlier: all threads; strides; wider vectors than this machine has; the ratio that counts.

        Ratios of products and of sgemm are not comparable, and a kernel that takes strides copies nothing.
        """
        rank = next((rank for name, rank in _RANKS if name in self.features), 0)
        if self.is_measured:
            return bool(self.gate), self.takes_strides, False, 0, self.kernel.verdict.score.claimed.ratio
        return bool(self.gate), self.takes_strides, rank > 0, rank, 0.0


def cargo_feature(kernel: TakenKernel) -> str:
    """ "rayon" or "threads" for a kernel that uses all cores; empty for one thread."""
    if re.search(r"\brayon\b", masked(kernel.candidate.source).bare):
        return "rayon"
    return "threads" if kernel.threads == "all" else ""


def entries_of(kernel: TakenKernel, module: str) -> list[CrateEntry]:
    """The entries of one kernel: one per vector unit of portable code, one per architecture of intrinsics, or one."""
    found = [CrateEntry(kernel, f"{module}__{unit}", "x86_64", UNITS[unit], unit) for unit in kernel.variants]
    found += [CrateEntry(kernel, module, arch, names) for arch, names in kernel.needs.features.items()]
    return found if kernel.needs.features else [*found, CrateEntry(kernel, module)]


@dataclass(frozen=True)
class CratePlan:
    """The whole crate: its name, its kernels in the order of preference, and the texts that depend on them."""

    name: str
    kernels: Sequence[TakenKernel]
    when: str
    machine: str
    toolchain: str
    sandboxed: bool
    repository: str = ""

    @cached_property
    def entries(self) -> list[CrateEntry]:
        """All entries, the preferred first."""
        names = module_names([kernel.candidate.name for kernel in self.kernels])
        found = [
            entry
            for kernel, name in zip(self.kernels, names, strict=True)
            for entry in entries_of(kernel, name)
        ]
        return sorted(found, key=lambda entry: entry.order, reverse=True)

    @property
    def features(self) -> dict[str, list[str]]:
        """The Cargo features and what each turns on."""
        gates = sorted({entry.gate for entry in self.entries} - {""})
        return {gate: ["dep:rayon"] if gate == "rayon" else [] for gate in gates}

    @property
    def default_features(self) -> list[str]:
        """Serial by default, unless there is no kernel of one thread."""
        return list(self.features) if all(entry.gate for entry in self.entries) else []

    @property
    def rust_version(self) -> str:
        """The oldest Rust that compiles it."""
        return ".".join(map(str, MINIMUM[:2]))

    def files(self) -> dict[str, str]:
        """The text of every file by its path in the crate."""
        found = filled(SKELETON, self._values())
        for entry in self.entries:
            kernel = entry.kernel
            source = kernel.variants[entry.unit] if entry.unit else kernel.candidate.source
            found[f"src/kernels/{entry.module}.rs"] = source
        provenance = [
            kernel.record | {"manifest": kernel.candidate.manifest.model_dump(mode="json")}
            for kernel in self.kernels
        ]
        found[".gitignore"] = "/target\n"
        found["provenance.json"] = json.dumps(provenance, indent=1, ensure_ascii=False, default=str) + "\n"
        return found

    def _values(self) -> dict[str, Any]:
        kernels = self.kernels
        plain_only = [k for k in kernels if not k.needs.features and not k.variants]
        compile_time = [
            k for k in kernels if k.needs.at_compile_time and not k.variants and k not in plain_only
        ]
        return {
            "name": self.name,
            "ident": rust_identifier(self.name),
            "description": "Matrix multiplication of f32, with kernels that local language models evolved and a judge "
            "measured",
            "entries": self.entries,
            "modules": self._modules(),
            "features": self.features,
            "default_features": self.default_features,
            "rayon_version": _rayon_version() if "rayon" in self.features else "",
            "rust_version": self.rust_version,
            "repository": self.repository,
            "threads_text": self._threads_text(),
            "memory_text": self._memory_text(),
            "strides_text": self._strides_text(),
            "fallback_text": "Where none of them fits, `fallback` multiplies: correct on every CPU, and much slower.",
            "accuracy": "\n".join(self._accuracy()) + "\n",
            "when": self.when,
            "machine": markdown(self.machine),
            "toolchain": markdown(self.toolchain),
            "sandboxed": self.sandboxed,
            "unjudged": any(entry.features and not entry.is_measured for entry in self.entries),
            "measured": [_measured(kernel) for kernel in kernels],
            "variants": any(kernel.variants for kernel in kernels),
            "plain_only": [markdown(kernel.candidate.name) for kernel in plain_only],
            "compile_time": [markdown(kernel.candidate.name) for kernel in compile_time],
        }

    def _modules(self) -> list[dict[str, str]]:
        """Each module once, compiled when one of its entries is."""
        conditions: dict[str, list[str]] = {}
        for entry in self.entries:
            conditions.setdefault(entry.module, []).append(entry.cfg)
        return [
            {
                "name": name,
                "cfg": "" if "" in found else found[0] if len(found) == 1 else f"any({', '.join(found)})",
            }
            for name, found in sorted(conditions.items())
        ]

    def _threads_text(self) -> str:
        if not self.features:
            return "One thread, that of the caller."
        names = " and ".join(f"`{name}`" for name in self.features)
        default = (
            " (on by default, because this crate has no kernel of one thread)"
            if self.default_features
            else ""
        )
        return f"One thread, that of the caller, unless the Cargo feature {names} is on{default}: then all cores."

    def _memory_text(self) -> str:
        text = (
            "A kernel that takes no strides multiplies contiguous row-major matrices only. An operand with another\n"
            + (
                "//! layout is copied first: at most m * k + k * n + m * n floats per call, freed at its end. "
            )
        )
        return text + "Kernels may\n//! keep scratch memory per thread."

    def _strides_text(self) -> str:
        if all(entry.takes_strides for entry in self.entries):
            return "Nothing is copied: the kernels take alpha, beta and strides themselves."
        if any(entry.takes_strides for entry in self.entries):
            return 'Kernels that say "strides" in the table copy nothing; for the others these three copy.'
        return "All three copy, because the kernels know C = A * B only."

    def _accuracy(self) -> list[str]:
        """Lines of documentation with the error bounds that the judge holds the kernels to."""
        lines = [
            "//! Each element of A * B is within k * u / (1 - k * u) times the sum of |a * b| over its k terms, with",
            "//! u = 2^-24, plus underflow (Higham, Accuracy and Stability of Numerical Algorithms, equation 3.13).",
        ]
        fast = [entry.label for entry in self.entries if entry.normwise]
        if fast:
            names = ", ".join(markdown(name) for name in fast)
            lines += [
                f"//! Not so for {names}: a fast scheme like Strassen's. Its error is within",
                "//! 32 * (k + 16) * u * max|A| * max|B|, doubled for each halving of the longest extent past four, to",
                "//! blocks of 8. Small elements of C may have no correct digit, and NaN or infinity may spread.",
            ]
        return lines


def _measured(kernel: TakenKernel) -> dict[str, Any]:
    """What the README says of one kernel's verdict and lineage."""
    manifest, score = kernel.candidate.manifest, kernel.verdict.score
    parents = ", ".join(manifest.parents) or manifest.parent or ""
    proposal = manifest.proposal or {}
    facts = {
        "candidate": kernel.record["path"],
        "title": manifest.title,
        "run": manifest.run,
        "generation": manifest.generation,
        "parents": parents,
        "model": manifest.model,
        "prompt hash": manifest.prompt_hash,
        "proposal": proposal.get("algorithm"),
        "because": proposal.get("why"),
    }
    lineage = "; ".join(f"{key} {value}" for key, value in facts.items() if value not in (None, ""))
    return {
        "name": kernel.candidate.name,
        "foreign": ", ".join(kernel.foreign),
        "claim": manifest.claim,
        "baseline": score.baseline,
        "threads": score.threads,
        "aa_low": score.aa_low,
        "aa_high": score.aa_high,
        "per_shape": score.per_shape,
        "lineage": lineage,
        "source_hash": kernel.candidate.source_hash,
    }


def _rayon_version() -> str:
    manifest = tomllib.loads((EXTERNS_CRATE / "Cargo.toml").read_text(encoding="utf-8"))
    return str(manifest["dependencies"]["rayon"])
