"""Text that looks like a trick and is none: each stands beside a right matmul and passes policy, compiler and audit."""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

HARMLESS: dict[str, str] = {}


def _asm(*lines: str) -> str:
    """A function with these lines as its template; {p} is a pointer, {n} a number, {v} a vector register."""
    template = ", ".join(f'"{line}"' for line in lines)
    return (
        '#[cfg(target_arch = "x86_64")] #[allow(dead_code)] unsafe fn x(p: *const f32, n: usize) { core::arch::asm!('
        + template
        + ", p = inout(reg) p => _, n = inout(reg) n => _, v = out(ymm_reg) _, options(nostack)) }"
    )


_USED = ("vmovups {v}, [{p}]", "add {n}, 0")

HARMLESS["asm comment with a colon"] = _asm(
    "vmovups {v}, [{p}] // broadcast: in every lane", "add {n}, 1 # latency: out of order"
)
HARMLESS["asm comment with a semicolon"] = _asm(*_USED, "nop // acc += x * b; call per k; .byte is not said")
HARMLESS["asm comment with the sign of an address"] = _asm(*_USED, "nop # acc = a * b @ port 0", "# .byte 5")
HARMLESS["asm block comment"] = _asm(*_USED, "nop /* x: call, ret; // .byte */", "/* a", "call b", "*/ nop")
HARMLESS["asm comment with quotes"] = _asm(*_USED, "nop // don't call 'it' in here; ret")
HARMLESS["asm operand named stripe"] = _asm(*_USED, "add {p}, {stripe}").replace(
    "options", "stripe = in(reg) 4usize, options"
)
HARMLESS["asm alignment with a most"] = _asm(
    ".p2align 4,,10", *_USED, ".p2align 4, , 15", ".p2align 5, 0x90", "2:", ".balign 16", "nop"
)
