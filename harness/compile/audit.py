"""The audit gate: compares the exports, imports, constructors and instructions of a library with a baseline's.

The baseline is a harmless kernel compiled with the same tools. It contains whatever std and rayon add, so that only the
candidate's additions are judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.compile import inspector_client as asking
from harness.compile import rustc
from harness.compile.compile_cache import CompiledKernel
from harness.compile.inspector_client import Unreadable
from harness.compile.tools import Tools
from harness.errors import HarnessFaultError
from harness.verdict import At, Gate, PolicyViolation, one_line

_BASELINE = Path(__file__).with_name("baseline.rs")
# The personality routine of Rust's unwinding tables. macOS prefixes C names with an underscore.
_UNAVOIDABLE = {"rust_eh_personality"}
# A worker for small shapes has 256 MiB of address space beyond its threads; a larger library cannot be loaded
# there.
STATIC_LIMIT_BYTES = 256 << 20

# Imports beyond the baseline's that an honest kernel may have: mathematics, memory, threads, compiler support.
_HARMLESS = re.compile(
    r"(?x)_*(?:"
    r"mem(?:cpy|move|set|cmp|chr|rchr)|bcmp|strlen"
    r"|(?:malloc|calloc|realloc|free|posix_memalign|aligned_alloc|memalign)"
    r"|(?:f?abs|acosh?|asinh?|atanh?|atan2|cbrt|ceil|copysign|cosh?|erfc?|exp|exp2|expm1|exp10|fdim|floor|fma|fmax|fmin"
    r"|fmod|frexp|hypot|ldexp|lgamma|lgamma_r|log|log10|log1p|log2|modf|nearbyint|nextafter|pow|powi|remainder|rint|round"
    r"|roundeven|scalbn|sincos|sinh?|sqrt|tanh?|tgamma|trunc|lrint|lround|llrint|llround)[fl]?(?:_finite)?"
    r"|Unwind_\w+|tls_get_addr|tlv_bootstrap|cxa_\w+|gmon_start_*|ITM_\w+|stack_chk_(?:fail|guard)|errno_location"
    r"|pthread_(?:self|mutex\w*|cond\w*|key\w*|[gs]etspecific|attr\w*|getattr_np|create|join|detach|once|rwlock\w*"
    r"|setname_np)|sched_(?:yield|getaffinity)|sysconf|getauxval|clock_gettime|nanosleep|clock_nanosleep|abort"
    r"|dl_iterate_phdr|dyld_stub_binder|os_unfair_lock_\w+|sysctlbyname|memset_pattern\d+|bzero"
    r")"
    # Compiler support such as __divti3; the underscores keep truncate() out.
    r"|__(?:add|sub|mul|div|neg|cmp|fix|float|extend|trunc|ash|lsh|mod|udiv|umod|clz|ctz|popcount|pow)[a-z]{2,6}\d?"
)
# Functions of std that perform input or output; with strip=debuginfo their names stay in the symbol table.
_IO_FUNCTION = re.compile(
    r"<?std::(fs|net|process|os)::|std::sys::(net|process|fs)::|std::env::(var|args|vars|set_var)"
)
# Reasons by the mnemonics of inspector/src/x86.rs and aarch64.rs; all others there are 16-bit and tile
# arithmetic.
_PURPOSES = (
    (
        re.compile(r"rdtscp?\b|rdpmc\b|rdpru\b|umonitor\b|umwait\b|tpause\b|monitorx\b|mwaitx\b|mrs cntvct"),
        "it reads a clock",
    ),
    (re.compile(r"rdrand\b|rdseed\b|rdpid\b|mrs rndr"), "its result is random"),
    (
        re.compile(r"v?ldmxcsr\b|fldcw\b|fldenv\b|frstor\b|f?xrstors?(64)?\b|msr fpcr"),
        "it changes how floats are rounded and flushed",
    ),
    (re.compile(r"branch into"), "it hides the instruction that it reaches from this audit"),
    (re.compile(r"v?pmadd|vpdp"), "integer arithmetic, which is no product of floats"),
    (
        re.compile(
            r"syscall\b|sysenter\b|int\b|svc\b|xsetbv\b|wr(pkru|fsbase|gsbase)\b|vmm?call\b|x(begin|end|abort|test)\b"
        ),
        "it enters the operating system",
    ),
)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """A library that may be loaded: its exports, and its imports beyond the baseline's."""

    exports: tuple[str, ...]
    extra_imports: tuple[str, ...]


def check(library: CompiledKernel, tools: Tools) -> AuditReport | PolicyViolation:
    """Audit a compiled library. Raises HarnessFaultError when the inspector or the baseline fails."""
    found = _inspect(tools, library.path)
    if isinstance(found, Unreadable):
        return PolicyViolation(
            "unreadable", f"the binary cannot be read: {found.reason}", None, At(Gate.AUDIT)
        )
    known = _baseline(tools)
    for rule, detail in _excess(found, known, library.symbol):
        return PolicyViolation(rule, one_line(detail), None, At(Gate.AUDIT))
    extra = tuple(sorted(set(found["undefined"]) - set(known["undefined"])))
    return AuditReport(exports=tuple(found["exports"]), extra_imports=extra)


def _excess(found: dict[str, Any], known: dict[str, Any], symbol: str) -> Iterable[tuple[str, str]]:
    """Rule and detail of everything the candidate has beyond the baseline, the most serious first."""
    for name in sorted({_plain(name) for name in found["exports"]} - _UNAVOIDABLE - {symbol}):
        yield "exports", f"exports {name}; the harness owns the exported symbols"
    if symbol not in {_plain(name) for name in found["exports"]}:
        yield "exports", f"does not export {symbol}"
    for entry in _more(found["constructors"], known["constructors"]):
        yield "constructors", f"has a function that runs by itself ({entry}); work happens in matmul"
    for name in found["indirect_functions"]:
        yield "constructors", f"has an indirect function ({name}), whose resolver runs while loading"
    for name in _more(found["functions"], known["functions"]):
        if _IO_FUNCTION.match(name):
            yield "input-output", f"links {name}"
    for name in _more(found["undefined"], known["undefined"]):
        if not _HARMLESS.fullmatch(re.sub(r"@.*", "", name)):
            yield "imports", f"imports {name}, which neither mathematics nor memory nor threads need"
    for name in sorted(set(found["referenced"]) - set(known["referenced"])):
        if not _HARMLESS.fullmatch(name):
            yield (
                "imports",
                f"calls {name} in {found['referenced'][name]}; std may call it, kernel code may not",
            )
    for name in _more(found["needed"], known["needed"]):
        if not re.match(r"(libm|libc|libgcc_s|libpthread|ld-linux-[\w-]+)\.so|/usr/lib/libSystem", name):
            yield "libraries", f"needs the library {name}"
    for place in found["writable_code"]:
        yield "writable-code", f"has memory that is both writable and executable ({place})"
    for name in _more(found["executable_sections"], known["executable_sections"]):
        yield "sections", f"has code in a section of its own ({name})"
    if found["memory_bytes"] > STATIC_LIMIT_BYTES:
        yield (
            "static-memory",
            f"takes {found['memory_bytes'] / 2**20:.0f} MiB when loaded, {STATIC_LIMIT_BYTES >> 20} are allowed: keep "
            "statics and thread-locals small, allocate what a product needs when it is asked for",
        )
    for place, count in sorted(found["forbidden"].items()):
        if count > known["forbidden"].get(place, 0):
            yield "instructions", f"has the instruction {place}: {_purpose(place)}"


def _purpose(place: str) -> str:
    """Why the instruction in "mnemonic in function" is not allowed in a matrix product."""
    return next((purpose for pattern, purpose in _PURPOSES if pattern.match(place)), "less precise than f32")


def _more(found: list[str], known: list[str]) -> list[str]:
    """The elements of `found` beyond those of `known`, counted with multiplicity."""
    left = list(known)
    extra = []
    for entry in found:
        if entry in left:
            left.remove(entry)
        else:
            extra.append(entry)
    return extra


def _plain(name: str) -> str:
    """A C name without the underscore that Mach-O prefixes."""
    return name.removeprefix("_")


@lru_cache(maxsize=4)
def _baseline(tools: Tools) -> dict[str, Any]:
    library = rustc.compile_kernel(_BASELINE.read_text(encoding="utf-8"), "unsafe", tools)
    if not isinstance(library, CompiledKernel):
        raise HarnessFaultError(f"the audit's baseline does not compile: {library}")
    found = _inspect(tools, library.path)
    if isinstance(found, Unreadable):
        raise HarnessFaultError(f"the audit's baseline cannot be read: {found.reason}")
    return found


def _inspect(tools: Tools, path: Path) -> dict[str, Any] | Unreadable:
    return asking.ask_binary(tools.inspector, path)
