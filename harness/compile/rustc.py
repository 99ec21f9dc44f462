"""Compiles kernel.rs to a shared library: rustc called directly, in the jail, offline, with limits."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

from harness.candidate import Tier
from harness.compile import compile_cache, diagnostics, limited_process
from harness.compile.compile_cache import CompiledKernel
from harness.compile.diagnostics import Diagnostics
from harness.compile.limited_process import ProcessOutcome
from harness.compile.tools import Tools
from harness.errors import HarnessFaultError, SandboxError, UserError
from harness.operation.operations import MATMUL, OPERATIONS, Operation
from harness.verdict import (
    At,
    CompileError,
    Gate,
    Inconclusive,
    OutOfMemory,
    Rejection,
    Timeout,
    one_line,
    signal_name,
)

__all__ = ["CompiledKernel", "Tools", "compile_kernel"]

# Honest kernels take one or two seconds; the limit leaves room for a busy machine.
WALL_LIMIT_S = 60.0
CPU_LIMIT_S = 30
MEMORY_LIMIT_BYTES = 4 << 30
FILE_LIMIT_BYTES = 256 << 20
OUTPUT_LIMIT_BYTES = 8 << 20
# Exit code of a failure of the jail itself, see harness/host.
JAIL_FAILED = 125

_MADE = "libcontract.so"
_AT = At(Gate.COMPILE)


def compile_kernel(
    source: str, tier: Tier, tools: Tools, operation: Operation = MATMUL
) -> CompiledKernel | Rejection:
    """Compile `source` for this CPU; cached by source, tier, flags, wrapper, toolchain, CPU features and rayon.

    Returns CompiledKernel, CompileError, Timeout, OutOfMemory or Inconclusive. Raises SandboxError when the jail cannot
    be set up, UserError for a full disk or an unwritable cache, HarnessFaultError for a failure of the harness.
    """
    wrapper = operation.wrapper(safe=tier == "safe")
    flags = flags_of(tools)
    entry = tools.kernels / _key(source, wrapper, flags, tools)
    known = compile_cache.load(entry, operation.symbol)
    if known is not None:
        return known
    try:
        tools.kernels.mkdir(parents=True, exist_ok=True)
        # Beside the entries, so that the next process removes what a killed one leaves here, an hour later.
        with tempfile.TemporaryDirectory(prefix=".rustc-", dir=tools.kernels) as name:
            scratch = Path(name).resolve()
            (scratch / "contract.rs").write_text(wrapper, encoding="utf-8")
            (scratch / "kernel.rs").write_text(source, newline="", encoding="utf-8")
            outcome = _run_leniently(scratch, flags, tools)
            contract = operation.contract(safe=tier == "safe") + _defines_another(source, operation)
            result = _judge(outcome, source, scratch, tools, operation.symbol, contract)
            if isinstance(result, CompiledKernel):
                compile_cache.store_library(entry, result.path, result)
                result = compile_cache.load(entry, operation.symbol) or _vanished(entry)
                return _fresh(result)
            if (
                isinstance(result, CompileError)
                and not outcome.flooded
                and outcome.code == 1
                and _places(result)
            ):
                compile_cache.store_error(entry, result)
            return result
    except OSError as error:
        raise UserError(
            f"the kernel cache {tools.kernels} cannot be used ({error}); free space or set ROUNDTABLE_CACHE"
        ) from error


def _defines_another(source: str, operation: Operation) -> str:
    """Advice for a kernel.rs that defines another operation's function than candidate.toml says; else nothing."""

    def defines(function: str) -> bool:
        return re.search(rf"\bfn\s+{function}\b", source) is not None

    others = [other for other in OPERATIONS.values() if other is not operation and defines(other.function)]
    if not others or defines(operation.function):
        return ""
    return (
        f'; kernel.rs defines {others[0].function}: write operation = "{others[0].name}" into candidate.toml'
    )


def _places(error: CompileError) -> bool:
    """Whether the error points into the source; what the linker says may differ next time, so it is not stored."""
    return re.search(r"\((?:kernel|contract)\.rs:\d+:\d+\)", error.summary) is not None


def _fresh(result: CompiledKernel | CompileError) -> CompiledKernel | CompileError:
    if isinstance(result, CompiledKernel):
        return CompiledKernel(
            path=result.path, symbol=result.symbol, source_hash=result.source_hash, binary_hash=result.binary_hash,
            warnings=result.warnings, compile_s=result.compile_s, cached=False,
        )  # fmt: skip
    return result


def _vanished(entry: Path) -> CompiledKernel:
    raise HarnessFaultError(f"{entry}: the kernel just stored there cannot be read back")


def flags_of(tools: Tools) -> list[str]:
    """The flags with which every candidate is compiled.

    Edition 2021: most kernels are written in it (plain #[no_mangle], unsafe operations in unsafe functions, `gen` as a
    name), and the additions of 2024 are rarely needed. panic=abort: a panic must end the process and cannot be caught.
    Symbols stay in the file, so that the audit can name the function of a finding.
    """
    flags = [
        "--crate-name=contract", "--crate-type=cdylib", "--edition=2021", "--error-format=json", "--color=never",
        "-Copt-level=3", "-Ctarget-cpu=native", "-Ccodegen-units=1", "-Cpanic=abort", "-Cdebuginfo=0",
        "-Cstrip=debuginfo", "-Csymbol-mangling-version=v0", "-Coverflow-checks=off", "-Cdebug-assertions=off",
        # An endless constant evaluation is an error, and the candidate must not be able to allow it.
        "-Flong_running_const_eval",
        f"-Clinker={tools.toolchain.linker}",
        f"--sysroot={tools.toolchain.sysroot}",
        f"--extern=rayon={tools.externs.rayon}",
        f"-Ldependency={tools.externs.folder}",
    ]  # fmt: skip
    flags += tools.toolchain.tuning_flags
    if sys.platform == "linux":
        flags += ["-Crelro-level=full", "-Clink-arg=-Wl,-z,noexecstack"]
    return flags


def _key(source: str, wrapper: str, flags: list[str], tools: Tools) -> str:
    parts = (source, wrapper, repr(flags), tools.toolchain.digest, tools.externs.digest, str(tools.sandboxed))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:40]


def _run_leniently(scratch: Path, flags: list[str], tools: Tools) -> ProcessOutcome:
    """Run rustc; when the only errors are lints that the source itself denies, run it again with those as warnings.

    Whether a source with `#![deny(warnings)]` compiles would depend on rustc's version. --cap-lints would lift the
    harness's own lints, too.
    """
    outcome = _run(scratch, flags, tools)
    if outcome.code != 1 or outcome.flooded:
        return outcome
    denied = diagnostics.parse(outcome.log, {}).denied
    return _run(scratch, [*flags, *(f"--force-warn={lint}" for lint in denied)], tools) if denied else outcome


def _run(scratch: Path, flags: list[str], tools: Tools) -> ProcessOutcome:
    (scratch / "tmp").mkdir(exist_ok=True)
    program = [str(tools.toolchain.rustc), *flags, f"-o{_MADE}", "contract.rs"]
    command = [*_jail(scratch, tools), *program] if tools.sandboxed else program
    return limited_process.run(
        command, scratch, _environment(scratch, tools), WALL_LIMIT_S, OUTPUT_LIMIT_BYTES
    )


def _jail(scratch: Path, tools: Tools) -> list[str]:
    """The command `roundtable-host jail … --`: the files that rustc and the linker read, one folder to write,
    limits.
    """
    readable = [tools.externs.folder, Path("/usr"), Path("/lib"), Path("/lib64"), Path("/etc/ld.so.cache")]
    executable = [tools.toolchain.sysroot, Path("/usr/bin"), Path("/usr/lib"), Path("/usr/libexec"), Path("/lib"),
                  Path("/lib64"), tools.toolchain.linker.resolve().parent]  # fmt: skip
    places = [("--read", readable), ("--write", [scratch]), ("--exec", executable)]
    paths = [
        part for option, found in places for path in found if path.exists() for part in (option, str(path))
    ]
    limits = [
        "--memory",
        str(MEMORY_LIMIT_BYTES),
        "--cpu",
        str(CPU_LIMIT_S),
        "--fsize",
        str(FILE_LIMIT_BYTES),
    ]
    return [str(tools.host), "jail", *paths, *limits, "--"]


def _environment(scratch: Path, tools: Tools) -> dict[str, str]:
    """The environment of rustc: nothing of the user's, so that env! in a candidate has nothing to read."""
    kept_variables = {key: os.environ[key] for key in ("SDKROOT", "DEVELOPER_DIR") if key in os.environ}
    path = f"{tools.toolchain.linker.parent}:/usr/bin:/bin"
    return kept_variables | {"PATH": path, "TMPDIR": str(scratch / "tmp"), "LC_ALL": "C"}


def _judge(
    outcome: ProcessOutcome, source: str, scratch: Path, tools: Tools, symbol: str, contract: str
) -> CompiledKernel | Rejection:
    """The verdict for rustc's exit code and output."""
    said = diagnostics.parse(outcome.log, _scrub(scratch, tools), contract)
    if tools.sandboxed and outcome.code == JAIL_FAILED:
        raise SandboxError(
            f"the compiler's sandbox cannot be set up: {one_line(said.loose)}; "
            "--unsandboxed runs without one and marks every result"
        )
    if outcome.flooded:
        return _flooded(said)
    if outcome.starved:
        return Inconclusive(
            f"the machine is too busy: rustc got no core for most of {outcome.wall_s:.0f} s", _AT
        )
    if outcome.timed_out or outcome.code in (-24, -9, 128 + 24, 128 + 9):
        return Timeout(WALL_LIMIT_S if outcome.timed_out else float(CPU_LIMIT_S), _AT)
    if re.search(
        r"memory allocation of \d+ bytes failed|LLVM ERROR: out of memory|Cannot allocate memory", said.loose
    ):
        return OutOfMemory(MEMORY_LIMIT_BYTES, _AT)
    if outcome.code != 0:
        return _refused(outcome, said)
    made = scratch / _MADE
    return CompiledKernel(
        path=made,
        symbol=symbol,
        source_hash=hashlib.sha256(source.encode()).hexdigest(),
        binary_hash=compile_cache.file_hash(made),
        warnings=said.warnings,
        compile_s=outcome.wall_s,
        cached=False,
    )


def _flooded(said: Diagnostics) -> CompileError:
    """Rustc was killed for its amount of output, so neither its exit code nor its last line is meaningful."""
    first = said.summary or next(iter(said.warnings), "no whole message")
    limit = (
        f"{OUTPUT_LIMIT_BYTES >> 20} MiB" if OUTPUT_LIMIT_BYTES >> 20 else f"{OUTPUT_LIMIT_BYTES >> 10} KiB"
    )
    details = said.rendered or "\n".join(said.warnings)
    return CompileError(
        f"more errors and warnings than can be read ({limit}); the first: {first}", details, _AT
    )


# Messages about the machine (disk, signals, linker), not about the source.
_MACHINE = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|Input/output error|Read-only file system"
    r"|os error (?:5|27|28|30|122)\b|ld terminated with signal|cannot execute|collect2: fatal error",
    re.IGNORECASE,
)


def _refused(outcome: ProcessOutcome, said: Diagnostics) -> CompileError:
    machine = _MACHINE.search(said.placeless)
    if machine:
        line = next(line for line in said.placeless.splitlines() if machine[0] in line)
        raise HarnessFaultError(
            f"the kernel could not be compiled here, which is not its fault: {one_line(line)}"
        )
    if said.summary and outcome.code == 1:
        return CompileError(said.summary, said.rendered, _AT)
    if outcome.code == 101 or "internal compiler error" in said.loose:
        return CompileError(f"rustc itself broke on this source: {one_line(said.loose)}", said.loose, _AT)
    detail = said.summary or one_line(said.loose) or "no message"
    if outcome.code < 0 or outcome.code >= 128:
        signal = signal_name(-outcome.code if outcome.code < 0 else outcome.code - 128)
        return CompileError(f"rustc itself was killed by {signal} on this source", said.loose, _AT)
    raise HarnessFaultError(f"rustc ended with status {outcome.code}: {detail}")


def _scrub(scratch: Path, tools: Tools) -> dict[str, str]:
    return {
        f"{scratch}/": "",
        str(scratch): ".",
        str(tools.toolchain.sysroot): "<rust>",
        str(tools.externs.folder): "<externs>",
        str(Path.home()): "~",
    }
