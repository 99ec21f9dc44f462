"""The machine on which kernels run: CPU, instruction sets, caches, cores. Its fingerprint is part of every record."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_ISA_X86 = ("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl")


@dataclass(frozen=True, slots=True)
class Machine:
    """CPU model, architecture ("x86_64", "aarch64"), CPU features that kernels use, cache sizes in bytes,
    usable cores.
    """

    cpu: str
    arch: str
    os: str
    isa: tuple[str, ...]
    l1d_bytes: int
    l2_bytes: int
    l3_bytes: int
    cores: tuple[int, ...]

    @property
    def vector(self) -> str:
        """The widest vector unit that has a template: "avx512", "avx2", "neon" or "portable"."""
        if self.arch == "x86_64":
            if "avx512f" in self.isa and "avx512vl" in self.isa:
                return "avx512"
            return "avx2" if {"avx2", "fma"} <= set(self.isa) else "portable"
        return "neon" if self.arch == "aarch64" else "portable"

    @property
    def machine_class(self) -> str:
        """CPU, architecture and vector unit: what a kernel's schedule is tuned for."""
        return f"{self.cpu} / {self.arch} {self.vector}"

    @property
    def description(self) -> str:
        """The class and the number of usable cores, for people."""
        return f"{self.machine_class} / {len(self.cores)} cores"

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits over all fields except the usable cores, of which `taskset` may leave a few."""
        parts = {key: value for key, value in asdict(self).items() if key != "cores"}
        return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()[:12]

    def identity(self, threads: str) -> str:
        """What a timing of the thread class "1" or "all" holds for: the fingerprint, for "all" with the number of
        cores.
        """
        return self.fingerprint if threads == "1" else f"{self.fingerprint}-{len(self.cores)}"

    def as_record(self) -> dict[str, Any]:
        """The machine in plain JSON types."""
        return asdict(self) | {
            "cores": len(self.cores),
            "vector": self.vector,
            "fingerprint": self.fingerprint,
        }


@lru_cache(maxsize=1)
def read() -> Machine:
    """Read this machine once per process."""
    info = _cpuinfo()
    l1, l2, l3 = _caches()
    return Machine(
        cpu=_cpu_name(info),
        arch={"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine()),
        os=platform.system(),
        isa=_isa(info),
        l1d_bytes=l1,
        l2_bytes=l2,
        l3_bytes=l3,
        cores=usable_cores(),
    )


def usable_cores() -> tuple[int, ...]:
    """The numbers of the cores that this process may use; consecutive numbers where the system does not report them."""
    if sys.platform == "linux":
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


# Runnable processes per core above which other programs disturb timings.
BUSY_LOAD = 0.5


def load() -> float | None:
    """The mean number of runnable processes in the last minute; None where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def is_busy(load: float, machine: Machine) -> bool:
    """Whether other programs leave too little of the machine for timings that count."""
    return load > BUSY_LOAD * len(machine.cores)


def _cpuinfo() -> dict[str, str]:
    """The first processor's entry of /proc/cpuinfo, or the same facts from sysctl on macOS."""
    if sys.platform == "darwin":
        return {
            "model name": _sysctl("machdep.cpu.brand_string"),
            "flags": _sysctl("machdep.cpu.features").lower(),
        }
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _cpu_name(info: dict[str, str]) -> str:
    """The model name, with family and model number where the name is vague (as on virtual machines)."""
    name = (
        re.sub(r"\((R|TM)\)|CPU|Processor|@.*", "", info.get("model name", "")).strip()
        or platform.processor()
    )
    if "cpu family" in info:
        return f"{' '.join(name.split())} (family {info['cpu family']} model {info.get('model', '?')})"
    return " ".join(name.split()) or "unknown CPU"


def _isa(info: dict[str, str]) -> tuple[str, ...]:
    flags = set(info.get("flags", info.get("Features", "")).split())
    if platform.machine() in ("aarch64", "arm64"):
        return ("neon",)
    return tuple(name for name in _ISA_X86 if name in flags)


def _caches() -> tuple[int, int, int]:
    """Bytes of L1d, L2 and L3 as seen by core 0; small default sizes where the system does not report them."""
    sizes = {1: 32 << 10, 2: 512 << 10, 3: 8 << 20}
    if sys.platform == "darwin":
        for level, key in ((1, "hw.l1dcachesize"), (2, "hw.l2cachesize"), (3, "hw.l3cachesize")):
            value = _sysctl(key)
            sizes[level] = int(value) if value.isdigit() and int(value) else sizes[level]
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            kind = (index / "type").read_text(encoding="utf-8").strip()
            level = int((index / "level").read_text(encoding="utf-8"))
            size = (index / "size").read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            continue
        if kind != "Instruction" and level in sizes and size.endswith("K"):
            sizes[level] = int(size[:-1]) << 10
    return sizes[1], sizes[2], sizes[3]


def _sysctl(key: str) -> str:
    import subprocess

    answer = subprocess.run(
        ["sysctl", "-n", key], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    return answer.stdout.strip()
