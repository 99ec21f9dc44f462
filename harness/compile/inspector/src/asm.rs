//! Checks of asm! templates: no directives, no system calls, nothing that the policy forbids elsewhere.

use crate::comments;
use crate::names;
use crate::rules::Finding;
use crate::tokens::{Kind, View};

/// Checks the arguments of asm! between the bracket `open` and its partner; returns true if a macro assembles them.
pub fn check(view: View<'_>, open: usize, findings: &mut Vec<Finding>) -> bool {
    let close = view.0[open].partner;
    let line = view.0[open].line;
    let mut text = String::new();
    let mut computed = false;
    let mut labels = Labels::default();
    let mut at = open + 1;
    while at < close {
        let end = view.next_comma(at, close);
        let template = match view.0[at].kind {
            Kind::Literal if end == at + 1 => string(&view.0[at].text),
            _ => concatenated(view, at, end),
        };
        match template {
            Some(template) => text = text + &template + "\n",
            None => match operand(view, at, end) {
                Some(keyword) => labels.add(view, keyword),
                None => computed = true,
            },
        }
        at = end + 1;
    }
    // A part that is unknown here could start or end a comment.
    let text = if computed { text } else { comments::without(&text) };
    judge(&text, &labels, line, findings);
    computed
}

/// The operands `label {…}` of an asm!: blocks of Rust, the only operands to which a template may jump. A jump to the
/// address in a register could end in the middle of an instruction, which the audit of the binary does not see.
#[derive(Default)]
struct Labels {
    names: Vec<String>,
    /// Whether each operand without a name is a label. An operand in a register of its own has no number.
    numbered: Vec<bool>,
}

impl Labels {
    /// Takes note of the operand with the keyword `at`.
    fn add(&mut self, view: View<'_>, at: usize) {
        let label = view.is_keyword(at, "label");
        let named = at >= 2 && view.is(at - 1, "=");
        let has_a_place = view.get(at + 2).is_none_or(|token| token.kind != Kind::Literal);
        if named && label {
            self.names.push(view.0[at - 2].text.to_lowercase());
        } else if !named && has_a_place {
            self.numbered.push(label);
        }
    }

    /// Whether a placeholder such as `{done}` or `{1}` is a label. `{}` is one if all operands without a name are.
    fn contain(&self, placeholder: &str) -> bool {
        let Some(name) = placeholder.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else { return false };
        match name.parse::<usize>() {
            Ok(number) => self.numbered.get(number).copied().unwrap_or(false),
            Err(_) if name.is_empty() => !self.numbered.is_empty() && self.numbered.iter().all(|label| *label),
            Err(_) => self.names.iter().any(|label| label == name),
        }
    }
}

/// A template that a macro assembles: its parts are string literals in the macros of this file. Each literal is
/// checked alone, and none may be part of a directive. Instructions assembled from parts are found by the audit of the
/// binary.
pub fn assembled(view: View<'_>, line: usize, findings: &mut Vec<Finding>) {
    let mut labels = Labels::default();
    for at in 0..view.0.len() {
        if view.is_keyword(at, "label") {
            labels.add(view, at);
        }
    }
    if view.0.iter().any(|token| token.is_name() && token.text == "stringify") {
        let detail = "an asm! template that is put together beside a stringify!".to_owned();
        findings.push(Finding { rule: "asm-computed", line, detail });
    }
    for token in view.0.iter().filter(|token| token.kind == Kind::Literal) {
        if !(token.in_call || token.in_definition || token.in_plain) {
            continue;
        }
        let Some(part) = string(&token.text) else { continue };
        judge(&part, &labels, token.line, findings);
        let dotted = part
            .split('.')
            .skip(1)
            .any(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_alphabetic() || c == '{'));
        if dotted && !part.lines().all(|statement| is_alignment(statement.trim())) {
            let detail = format!(
                "an asm! template that is put together, perhaps with {}",
                token.text.chars().take(40).collect::<String>()
            );
            findings.push(Finding { rule: "asm-computed", line: token.line, detail });
        }
    }
}

/// The keyword of an operand: `in(reg) x`, `name = out(xmm_reg) y`, `options(…)`, `const N`, `sym f`, `label {…}`, with
/// attributes in front.
fn operand(view: View<'_>, mut at: usize, end: usize) -> Option<usize> {
    while view.is(at, "#") && view.is(at + 1, "[") {
        at = view.0[at + 1].partner + 1;
    }
    if view.get(at + 1).is_some_and(|token| token.is("=")) {
        at += 2;
    } else if view.is(at, "$") && view.is(at + 2, "=") {
        at += 3;
    }
    const WORDS: [&str; 11] =
        ["in", "out", "inout", "lateout", "inlateout", "const", "sym", "label", "block", "options", "clobber_abi"];
    (at < end && WORDS.iter().any(|word| view.is_keyword(at, word))).then_some(at)
}

/// The value of concat! with string literals only.
fn concatenated(view: View<'_>, at: usize, end: usize) -> Option<String> {
    if !(view.is_keyword(at, "concat") && view.is(at + 1, "!") && view.get(at + 2)?.kind == Kind::Open) {
        return None;
    }
    if view.0[at + 2].partner + 1 != end {
        return None;
    }
    let mut whole = String::new();
    for token in &view.0[at + 3..end - 1] {
        match token.kind {
            Kind::Literal => whole.push_str(&string(&token.text)?),
            _ if token.is(",") => {}
            _ => return None,
        }
    }
    Some(whole)
}

/// The text of a string or character literal; concat! accepts both.
fn string(literal: &str) -> Option<String> {
    match syn::parse_str::<syn::Lit>(literal).ok()? {
        syn::Lit::Str(text) => Some(text.value()),
        syn::Lit::Char(letter) => Some(letter.value().to_string()),
        _ => None,
    }
}

fn judge(text: &str, labels: &Labels, line: usize, findings: &mut Vec<Finding>) {
    let lower = text.to_lowercase();
    // The end of a comment and the colon of a label start a statement, too. Too many starts are safe, too few are not.
    let pieces =
        lower.split(['\n', '\r', ';', ':']).flat_map(|piece| piece.split("*/")).flat_map(|piece| piece.split("%%"));
    for piece in pieces {
        let mut words = piece.split_whitespace().skip_while(|word| PREFIXES.contains(word));
        let Some(first) = words.next() else { continue };
        let detail = |what: &str| format!("asm! with {what} '{}'", first.chars().take(40).collect::<String>());
        if is_alignment(piece.trim()) {
            continue;
        }
        if first.starts_with('.') || first.starts_with('\\') || first.starts_with('"') {
            findings.push(Finding { rule: "asm-directive", line, detail: detail("the directive") });
        } else if let Some(outside) = reference(piece, first, &lower, labels) {
            findings.push(Finding { rule: "asm-reference", line, detail: detail(outside) });
        } else if hides_an_instruction(piece) {
            findings.push(Finding { rule: "asm-instruction", line, detail: detail("a hidden instruction in") });
        } else if forbidden(first) {
            findings.push(Finding { rule: "asm-instruction", line, detail: detail("the instruction") });
        } else if piece.contains("mrs")
            && ["cntvct", "cntpct", "pmccntr", "rndr"].iter().any(|name| piece.contains(name))
            || piece.contains("msr") && piece.contains("fpcr")
        {
            findings.push(Finding { rule: "asm-instruction", line, detail: detail("the system register in") });
        }
    }
}

/// `.p2align 4` before a loop, or `.p2align 4,,10`: padding with no-ops by the assembler.
fn is_alignment(piece: &str) -> bool {
    let piece = piece.split("//").next().unwrap_or(piece).trim();
    let Some(numbers) = [".p2align", ".balign", ".align"].iter().find_map(|name| piece.strip_prefix(name)) else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let mut parts = numbers.split(',').map(str::trim);
    let (to, fill, most) = (parts.next(), parts.next(), parts.next());
    parts.next().is_none()
        && to.is_some_and(is_number)
        && fill.is_none_or(|fill| fill.is_empty() && most.is_some() || fill == "0x90" && cfg!(target_arch = "x86_64"))
        && most.is_none_or(is_number)
}

/// The symbol that a statement calls, jumps to or addresses without the template defining it.
fn reference(piece: &str, first: &str, text: &str, labels: &Labels) -> Option<&'static str> {
    // Pieces end at newlines and at the end of block comments, so a line comment cannot hide assembled text.
    let piece = piece.split("//").next().unwrap_or(piece);
    const CALLS: &[&str] = &["bl", "blr", "br", "adr", "adrp", "braa", "blraa", "leave", "enter"];
    if ["call", "ret", "iret", "lcall", "ljmp"].iter().any(|start| first.starts_with(start)) || CALLS.contains(&first) {
        return Some("the call or return");
    }
    // The target operand: the first of a jump, the last of compare-and-branch on Arm.
    let target = match first {
        "cbz" | "cbnz" => Some(2),
        "tbz" | "tbnz" => Some(3),
        "b" => Some(1),
        _ if first.starts_with('j') || first.starts_with("b.") || first.starts_with("loop") => Some(1),
        _ => None,
    };
    let mut words = piece.split([' ', '\t', ',']).filter(|word| !word.is_empty()).skip_while(|word| *word != first);
    if let Some(index) = target {
        if !words.nth(index).is_some_and(|word| is_label(word, text) || labels.contain(word)) {
            return Some("the jump out of the template,");
        }
        // `2f - 4` lands inside an instruction.
        if words.next().is_some_and(|more| more.starts_with(['+', '-'])) {
            return Some("the jump beside a label,");
        }
    }
    let literal = piece.split(',').any(|operand| operand.trim_start().starts_with('='));
    (piece.contains(['@', '"']) || literal || counts_from_here(piece)).then_some("the address of a symbol in")
}

/// Whether a number in the statement contains the bytes of a system call or of an instruction that tells the time.
fn hides_an_instruction(piece: &str) -> bool {
    const HIDDEN: [&[u8]; 7] = [
        &[0x0f, 0x31],
        &[0x0f, 0x05],
        &[0x0f, 0x34],
        &[0x0f, 0x33],
        &[0xcd, 0x80],
        &[0x0f, 0x01, 0xf9],
        &[0x0f, 0x01, 0xfd],
    ];
    let words = piece.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter_map(number).any(|value| {
        let bytes = value.to_le_bytes();
        HIDDEN.iter().any(|hidden| bytes.windows(hidden.len()).any(|found| found == *hidden))
    })
}

/// A decimal, hexadecimal, octal or binary number of the assembler.
fn number(word: &str) -> Option<u64> {
    let based = |digits: &str, base| u64::from_str_radix(digits, base).ok();
    let hexadecimal = word.strip_prefix("0x").or_else(|| word.strip_suffix('h'));
    match (hexadecimal, word.strip_prefix("0b")) {
        (Some(digits), _) => based(digits, 16),
        (_, Some(digits)) => based(digits, 2),
        _ => based(word, if word.starts_with('0') && word.len() > 1 { 8 } else { 10 }),
    }
}

/// Whether `rip` occurs as a word outside of an operand of asm! such as `[rip + {constant}]`.
fn counts_from_here(piece: &str) -> bool {
    piece.match_indices("rip").any(|(at, word)| {
        let rest = &piece[at + word.len()..];
        let of_a_name = |letter: char| letter.is_alphabetic() || letter == '_';
        let longer = piece[..at].ends_with(of_a_name) || rest.starts_with(of_a_name);
        !longer && !rest.trim_start_matches([' ', '+', '\t']).starts_with('{')
    })
}

/// `2b`, `3f`, or a name that the template itself defines.
fn is_label(word: &str, text: &str) -> bool {
    let number = word
        .strip_suffix(['b', 'f'])
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|d| d.is_ascii_digit()));
    number || text.contains(&format!("{word}:"))
}

const PREFIXES: &[&str] = &[
    "lock", "rep", "repe", "repz", "repne", "repnz", "data16", "data32", "addr32", "notrack", "bnd", "xacquire",
    "xrelease", "rex", "rex64", "rex.w", "cs", "ds", "es", "ss", "fs", "gs", "{{vex}}", "{{vex2}}", "{{vex3}}",
    "{{evex}}", "{vex}", "{evex}",
];

fn forbidden(mnemonic: &str) -> bool {
    const EXACT: &[&str] = &[
        "syscall",
        "sysenter",
        "sysexit",
        "sysret",
        "sysretq",
        "int",
        "into",
        "svc",
        "hvc",
        "smc",
        "brk",
        "rdtsc",
        "rdtscp",
        "rdpmc",
        "rdpru",
        "umonitor",
        "umwait",
        "tpause",
        "monitorx",
        "mwaitx",
        "rdpid",
        "rdrand",
        "rdseed",
        "ldmxcsr",
        "vldmxcsr",
        "fldcw",
        "fldenv",
        "frstor",
        "fxrstor",
        "fxrstor64",
        "xsetbv",
        "wrpkru",
        "wrfsbase",
        "wrgsbase",
        "vmcall",
        "vmmcall",
        "xbegin",
        "xend",
        "xabort",
        "in",
        "out",
        "bfdot",
        "bfmmla",
        "bfmlalb",
        "bfmlalt",
        "bfcvt",
        "bfcvtn",
        "bfcvtn2",
        "fmlal",
        "fmlal2",
        "fmlsl",
    ];
    EXACT.contains(&mnemonic)
        || mnemonic.starts_with("xrstor")
        || ["tdp", "tile", "ldtile", "sttile"].iter().any(|prefix| mnemonic.starts_with(prefix))
        || mnemonic.contains("bf16")
        || names::multiplies_integers(mnemonic)
        || mnemonic.starts_with("vcvt")
            && (mnemonic.contains("ph") || mnemonic.contains("sh2") || mnemonic.contains("2sh"))
        || mnemonic.starts_with('v')
            && (mnemonic.ends_with("ph") || mnemonic.ends_with("sh"))
            && !mnemonic.starts_with("vph")
}
