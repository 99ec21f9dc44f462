//! Names that are forbidden wherever they occur.

/// The rule that using `name` violates.
pub fn broken_by(name: &str) -> Option<&'static str> {
    Some(match name {
        "Instant" | "SystemTime" | "UNIX_EPOCH" => "clock",
        "set_hook" | "take_hook" | "update_hook" | "global_allocator" | "panic_handler" | "alloc_error_handler" => {
            "global-hook"
        }
        // The milliseconds of these need no Duration.
        "sleep_ms" | "park_timeout_ms" | "wait_timeout_ms" => "clock",
        "RandomState" => "randomness",
        "no_mangle" | "export_name" | "link_section" => "exported-symbol",
        "link_name" | "link_args" | "link_ordinal" => "linking",
        "include_str" | "include_bytes" => "include",
        "option_env" => "environment",
        "global_asm" | "naked_asm" => "global-asm",
        "llvm_asm" => "asm-computed",
        _ => return intrinsic(name),
    })
}

/// Functions of std that wait for some time, and a word without which they cannot be reached. Each takes a Duration or an
/// Instant; a Duration can be made of two numbers by transmute, without its name.
pub const TIMED_WAITS: &[(&str, &str)] = &[
    ("sleep", "thread"),
    ("sleep_until", "thread"),
    ("park_timeout", "thread"),
    ("wait_timeout", "Condvar"),
    ("wait_timeout_while", "Condvar"),
    ("recv_timeout", "mpsc"),
    ("recv_deadline", "mpsc"),
];

/// What a keyed hasher of std is asked for; its key is random, and so is the answer.
pub const KEYED: &[&str] = &["build_hasher", "hash_one"];

/// Maps and sets of std have a hasher of this kind unless another is named; nothing else of std has, except for
/// RandomState, which is forbidden itself.
pub const KEYED_MAPS: &[&str] = &["HashMap", "HashSet", "hash_map", "hash_set", "RandomState"];

/// Modules of std with Arm's intrinsics.
pub const ARMS_MODULES: &[&str] = &["aarch64", "arm", "arm64ec", "arm_shared", "neon"];

/// Whether a forbidden name can only be an intrinsic of Arm's or one of its types.
pub fn is_arms(name: &str) -> bool {
    name.starts_with('v') || name.starts_with("float16x") || name.starts_with("bfloat16")
}

fn intrinsic(name: &str) -> Option<&'static str> {
    match name {
        "_rdtsc" | "__rdtscp" | "_rdtscp" | "_rdpmc" | "__rdpmc" => return Some("clock"),
        "_mm_setcsr" | "_fxrstor" | "_fxrstor64" | "_xsetbv" => return Some("fp-environment"),
        "_mm_getcsr" | "_MM_GET_FLUSH_ZERO_MODE" | "_MM_GET_ROUNDING_MODE" | "_MM_GET_EXCEPTION_STATE" => return None,
        _ => {}
    }
    if ["_rdrand", "_rdseed", "_rdpid", "__rndr"].iter().any(|prefix| name.starts_with(prefix)) {
        return Some("randomness");
    }
    if name.starts_with("_MM_SET_") || name.starts_with("_xrstor") {
        return Some("fp-environment");
    }
    if ["_xbegin", "_xend", "_xabort", "_xtest"].contains(&name) {
        return Some("transactions");
    }
    (reduced_precision(name) || integer_product(name)).then_some("precision")
}

/// Intrinsics such as `_mm256_madd_epi16`, `_mm512_dpbusd_epi32`, `_mm512_madd52lo_epu64` and Arm's `vdotq_s32`.
fn integer_product(name: &str) -> bool {
    let mut words = name.split('_').skip_while(|word| matches!(*word, "" | "mm" | "mm256" | "mm512" | "mask" | "maskz"));
    let operation = words.next().unwrap_or("");
    if name.starts_with("_mm") {
        return operation == "madd" && name.ends_with("_epi16")
            || ["maddubs", "madd52", "dpb", "dpw"].iter().any(|start| operation.starts_with(start));
    }
    ["vdot", "vusdot", "vsudot", "vmmla", "vusmmla"].iter().any(|start| name.starts_with(start))
        && name.split('_').any(|word| matches!(word, "s32" | "u32"))
}

/// Whether an instruction adds products of short integers: a quantised product, not one of floats.
pub fn multiplies_integers(mnemonic: &str) -> bool {
    const STARTS: &[&str] = &["pmadd", "vpmadd", "vpdp", "sdot", "udot", "usdot", "sudot", "smmla", "ummla", "usmmla"];
    STARTS.iter().any(|start| mnemonic.starts_with(start))
}

fn reduced_precision(name: &str) -> bool {
    if name.starts_with("_tile_") || name.starts_with("__tile_") {
        return true;
    }
    if let Some(rest) = ["_mm_", "_mm256_", "_mm512_"].iter().find_map(|prefix| name.strip_prefix(prefix)) {
        // `_sh` as a whole word is scalar half; inside a word it is `shuffle`.
        return ["bf16", "pbh", "bh_", "fp16", "hf8", "bf8"].iter().any(|part| rest.contains(part))
            || rest.split('_').any(|word| matches!(word, "ph" | "sh" | "sbh" | "cvtph" | "pch" | "sch" | "phx"))
            || rest.split('_').any(|word| {
                word.starts_with("cvt") && (word.ends_with("ph") || word.ends_with("sh") || word.contains("ph2"))
            })
            || rest
                .split('_')
                .any(|word| word.starts_with("cvtph") || word.starts_with("cvtxph") || word.starts_with("cvtsh"));
    }
    let vector_types = ["__m128h", "__m256h", "__m512h", "__m128bh", "__m256bh", "__m512bh"];
    if vector_types.contains(&name) || name.starts_with("float16x") || name.starts_with("bfloat16") {
        return true;
    }
    // Arm: vfmaq_f16, vcvt_f16_f32, vbfdotq_f32, vfmlalq_low_f16.
    is_like_arm(name) || name.starts_with("vbfdot") || name.starts_with("vbfmmla") || name.starts_with("vbfmlal")
}

/// Whether a name has the form of a 16-bit Arm intrinsic; a variable such as v_f16 has it, too.
pub fn is_like_arm(name: &str) -> bool {
    name.starts_with('v') && name.split('_').any(|word| matches!(word, "f16" | "bf16"))
}

/// 16-bit types. Functions and variables may have such names, so the position decides.
pub fn is_half_type(name: &str) -> bool {
    matches!(name, "f16" | "bf16")
}

/// Macros that may not be called; their names are too common to forbid as identifiers.
pub fn broken_by_macro(name: &str) -> Option<&'static str> {
    Some(match name {
        "print" | "println" | "eprint" | "eprintln" | "dbg" => "input-output",
        "env" => "environment",
        "include" => "include",
        _ => return None,
    })
}

/// Attributes that a self-contained module may need; `clippy::x` and `rustfmt::x` by their first name.
pub const ATTRIBUTES: &[&str] = &[
    "allow",
    "automatically_derived",
    "cfg",
    "cfg_attr",
    "clippy",
    "cold",
    "default",
    "deny",
    "deprecated",
    "derive",
    "diagnostic",
    "doc",
    "expect",
    "forbid",
    "inline",
    "macro_export",
    "macro_use",
    "must_use",
    "no_implicit_prelude",
    "no_std",
    "non_exhaustive",
    "recursion_limit",
    "repr",
    "rustfmt",
    "rustc_on_unimplemented",
    "target_feature",
    "test",
    "track_caller",
    "type_length_limit",
    "warn",
];

/// Attributes that configure the crate or enable unstable features.
pub const CRATE_ATTRIBUTES: &[&str] = &[
    "feature",
    "crate_name",
    "crate_type",
    "no_main",
    "no_core",
    "no_builtins",
    "windows_subsystem",
    "compiler_builtins",
    "register_tool",
    "reexport_test_harness_main",
    "test_runner",
    "rustc_const_unstable",
];
