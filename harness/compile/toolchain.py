"""The Rust toolchain: found and queried once; missing or too old, it is an error with the command that fixes it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.errors import ToolchainError

# The AVX-512 intrinsics are stable since Rust 1.89 (release notes of 1.89.0).
MINIMUM = (1, 89, 0)
INSTALL = "install rustup from rustup.rs, then run: rustup toolchain install stable"
UPDATE = "run: rustup update stable"


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The compiler itself (under the sysroot, not rustup's shim), its cargo, and its settings for this CPU.

    `native` is the CPU name and the sorted target features of `-C target-cpu=native`. `tuning_flags` make LLVM write
    faster code than its defaults do (see `_tuning_flags`).
    """

    rustc: Path
    cargo: Path
    linker: Path
    version: str
    version_tuple: tuple[int, int, int]
    commit: str
    host: str
    llvm: str
    sysroot: Path
    native: str
    tuning_flags: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """The text in reports and records, for example "rustc 1.95.0 (x86_64-unknown-linux-gnu)"."""
        return f"rustc {self.version} ({self.host})"

    @property
    def digest(self) -> str:
        """Hash of everything that affects the machine code compiled from a source."""
        parts = (self.version, self.commit, self.host, self.llvm, self.native)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def find() -> Toolchain:
    """The toolchain of the `rustc` on PATH.

    Raises ToolchainError, one line with the command that fixes it, when rustc, cargo or a linker is missing, when rustc
    cannot be run, or when it is older than MINIMUM.
    """
    shim = _rustc_on_path()
    facts = _verbose_version(shim)
    version = facts["release"]
    numbers = _numbers(version)
    if numbers < MINIMUM:
        least = ".".join(map(str, MINIMUM))
        raise ToolchainError(f"rustc {version} is too old, {least} or later is needed: {UPDATE}")
    sysroot = Path(_ask(shim, "--print", "sysroot").strip())
    real = sysroot / "bin" / "rustc"
    rustc = real if real.is_file() else shim.resolve()
    native = _native(rustc)
    return Toolchain(
        rustc=rustc,
        cargo=_cargo(sysroot),
        linker=_linker(),
        version=version,
        version_tuple=numbers,
        commit=facts.get("commit-hash", "unknown"),
        host=facts["host"],
        llvm=facts.get("LLVM version", "unknown"),
        sysroot=sysroot,
        native=native,
        tuning_flags=_tuning_flags(rustc, native),
    )


def _rustc_on_path() -> Path:
    found = shutil.which("rustc") or shutil.which("rustc", path=str(Path.home() / ".cargo" / "bin"))
    if found is None:
        raise ToolchainError(f"no Rust toolchain: rustc is not on PATH; {INSTALL}")
    return Path(found)


def _cargo(sysroot: Path) -> Path:
    real = sysroot / "bin" / "cargo"
    if real.is_file():
        return real
    found = shutil.which("cargo")
    if found is None:
        raise ToolchainError(f"rustc is there but cargo is not on PATH; {INSTALL}")
    return Path(found)


def _linker() -> Path:
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is None:
        raise ToolchainError(
            "no C linker (cc) on PATH; run: apt install gcc (Debian, Ubuntu) or xcode-select --install (macOS)"
        )
    return Path(found)


def _verbose_version(rustc: Path) -> dict[str, str]:
    """The fields of `rustc -vV` by name."""
    pairs = (line.partition(": ") for line in _ask(rustc, "-vV").splitlines())
    facts = {key: value for key, _, value in pairs if value}
    if "release" not in facts or "host" not in facts:
        raise ToolchainError(f"{rustc} -vV did not answer like a Rust compiler; {INSTALL}")
    return facts


def _numbers(version: str) -> tuple[int, int, int]:
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if match is None:
        raise ToolchainError(f"rustc names itself version '{version}', which is not a version; {INSTALL}")
    return int(match[1]), int(match[2]), int(match[3])


def _native(rustc: Path) -> str:
    """CPU name and features of target-cpu=native, as rustc reports them for this machine."""
    cpus = _ask(rustc, "--print", "target-cpus")
    name = re.search(r"native\s.*?currently ([\w.+-]+)", cpus)
    cfg = _ask(rustc, "--print", "cfg", "-C", "target-cpu=native")
    features = sorted(re.findall(r'target_feature="([^"]+)"', cfg))
    return f"{name[1] if name else 'native'}: {' '.join(features)}"


def _tuning_flags(rustc: Path, native: str) -> tuple[str, ...]:
    """Flags of LLVM for faster code; one that this rustc rejects is left out.

    Loops start at multiples of 64 bytes: without it the same micro-kernel is up to 8 % slower when a change elsewhere
    in the file moves it, and kernels would be compared by luck. On Intel's AVX-512 CPUs, LLVM's tuning halves the width
    of auto-vectorised code; that is undone (rustc warns that it does not know the switch, which belongs to LLVM).
    """
    wanted = ["-Cllvm-args=-align-loops=64"]
    name, _, features = native.partition(": ")
    if "avx512f" in features.split() and not name.startswith("znver"):
        wanted.append("-Ctarget-feature=-prefer-256-bit")
    return tuple(flag for flag in wanted if _accepts(rustc, flag))


def _accepts(rustc: Path, flag: str) -> bool:
    try:
        _ask(rustc, "--print", "cfg", "-C", "target-cpu=native", flag)
    except ToolchainError:
        return False
    return True


def _ask(rustc: Path, *question: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "RUSTFLAGS"}
    try:
        answer = subprocess.run(
            [rustc, *question],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"{rustc} cannot be run ({error}); {INSTALL}") from None
    if answer.returncode != 0:
        reason = (answer.stderr.strip() or "no message").splitlines()[0]
        raise ToolchainError(f"{rustc} {' '.join(question)} failed: {reason}; {INSTALL}")
    return answer.stdout
