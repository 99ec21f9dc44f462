//! The table of everything a candidate may not do: id, reason, and the source of the reason.

use serde::Serialize;

#[derive(Serialize)]
pub struct Rule {
    pub id: &'static str,
    pub reason: &'static str,
    pub source: &'static str,
}

#[derive(Serialize)]
pub struct Finding {
    pub rule: &'static str,
    pub line: usize,
    pub detail: String,
}

const fn rule(id: &'static str, reason: &'static str, source: &'static str) -> Rule {
    Rule { id, reason, source }
}

pub const RULES: &[Rule] = &[
    rule(
        "files",
        "a kernel reads and writes only A, B and C: no files",
        "contract: no input or output; std::fs, std::path",
    ),
    rule("network", "a kernel uses no network", "contract: no input or output; std::net"),
    rule("processes", "a kernel neither starts nor ends a process", "contract: no input or output; std::process"),
    rule("environment", "the result of a kernel depends only on A and B", "contract; std::env, env!, option_env!"),
    rule(
        "input-output",
        "a kernel neither prints nor reads: its output is C",
        "contract: no input or output; std::io, print macros",
    ),
    rule("system", "operating-system interfaces are input and output", "contract: no input or output; std::os"),
    rule("backtrace", "capturing a backtrace reads files", "std::backtrace opens /proc/self/maps and debug info"),
    rule(
        "std-allow-list",
        "not one of the parts of std without input or output",
        "contract; the list is STD_ALLOWED in inspector/src/paths.rs",
    ),
    rule(
        "std-glob",
        "importing all of std hides which parts are used",
        "std reference: std::* brings fs, net, process, env",
    ),
    rule(
        "computed-path",
        "a path into std or rayon must be written out, not assembled by a macro",
        "Rust reference: macros by example, forwarding of fragments",
    ),
    rule(
        "computed-macro",
        "the name of a forbidden macro is passed to a macro that calls it",
        "Rust reference: macros by example",
    ),
    rule("extern-crate", "only core, alloc, std and rayon are available", "contract"),
    rule(
        "extern-block",
        "foreign functions bypass everything that is checked here",
        "Rust reference: external blocks; contract: self-contained module",
    ),
    rule(
        "exported-symbol",
        "the harness owns the exported symbols and the sections of the binary",
        "contract; Rust reference: ABI attributes no_mangle, export_name, link_section, used",
    ),
    rule("linking", "the harness decides what is linked", "contract; Rust reference: link, link_name"),
    rule(
        "global-hook",
        "allocator, panic handler and panic hook belong to the process, and the process to the harness",
        "contract: the harness owns the process; std::alloc, std::panic",
    ),
    rule(
        "include",
        "kernel.rs is the whole candidate: no other file is read while compiling",
        "contract: one self-contained module; include!, include_str!, include_bytes!",
    ),
    rule(
        "outside-module",
        "kernel.rs is the whole candidate: a module has its body here",
        "contract; Rust reference: mod x; and the path attribute",
    ),
    rule(
        "attribute",
        "not one of the attributes that a self-contained module may need",
        "Rust reference: built-in attributes; the list is ATTRIBUTES in inspector/src/names.rs",
    ),
    rule(
        "crate-attribute",
        "crate attributes and unstable features belong to the crate, and the crate to the harness",
        "contract: the harness owns the build",
    ),
    rule(
        "global-asm",
        "assembly outside of functions can define symbols, sections and constructors",
        "Rust reference: global_asm!, naked_asm!",
    ),
    rule(
        "asm-directive",
        "assembler directives can emit any bytes into any section",
        "Rust reference: inline assembly, directives support",
    ),
    rule(
        "asm-instruction",
        "system calls, clocks, randomness, control registers and reduced precision are not allowed in a matrix product",
        "Intel SDM vol. 2; Arm ARM",
    ),
    rule(
        "asm-reference",
        "assembly works on its operands: it calls nothing, jumps nowhere else and names no symbol",
        "contract: one self-contained module; Rust reference: inline assembly, sym operands",
    ),
    rule(
        "asm-computed",
        "an assembly template must consist of string literals; macros may join them, without directives",
        "Rust reference: inline assembly, template string arguments",
    ),
    rule(
        "deferred-work",
        "work must be done when matmul returns: use rayon::join, rayon::scope or parallel iterators",
        "rayon documentation: spawn is not awaited",
    ),
    rule(
        "clock",
        "the behaviour of a kernel must not depend on the time",
        "a kernel that reads a clock, or waits for some time, can behave differently when it is timed, or later",
    ),
    rule(
        "randomness",
        "the result of a kernel depends only on A and B",
        "contract; Intel SDM: RDRAND, RDSEED; std::hash::RandomState: another key in every process",
    ),
    rule(
        "fp-environment",
        "rounding mode and subnormals stay as IEEE 754 and the harness set them; flushing changes results",
        "contract: subnormals count; Intel SDM: MXCSR",
    ),
    rule(
        "precision",
        "the product is f32: no arithmetic in bf16, f16 or on tiles",
        "contract: f32; Intel intrinsics guide: AVX512_BF16, AVX512_FP16, F16C, AMX",
    ),
    rule("transactions", "hardware transactions hide faults and probe memory", "Intel SDM: RTM"),
    rule(
        "safe-tier",
        "the candidate declares the tier safe, so unsafe code is not allowed",
        "contract: safe is compiled under forbid(unsafe_code)",
    ),
    rule("nesting", "brackets may be nested at most 200 deep", "limit of the parser"),
    rule(
        "bidirectional-text",
        "characters that reorder text on screen make it look different from what is compiled",
        "CVE-2021-42574 (trojan source)",
    ),
    rule(
        "look-alike",
        "a character that Rust normalises into another one makes a name look different from what is compiled",
        "Rust reference: identifiers are compared in NFC",
    ),
    rule("unreadable", "the source cannot be read, so it cannot be judged", "policy: unclear sources are refused"),
];
