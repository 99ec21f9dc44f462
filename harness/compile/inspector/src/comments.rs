//! Removes comments from an asm! template as LLVM's lexer does (llvm/lib/MC/MCParser/AsmLexer.cpp).

/// The template as the assembler reads it. Where it is unclear whether a comment starts, the rest is kept: a comment
/// taken for code can only reject an honest kernel, while code taken for a comment would be hidden.
pub fn without(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['/', '#', '\'', '"', ';']) {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match beginning(rest, &kept) {
            Beginning::Line => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            Beginning::Block(length) => {
                // A statement may start after the comment.
                kept.push('\n');
                length
            }
            Beginning::Code => {
                kept.push_str(&rest[..1]);
                1
            }
            Beginning::Unclear => break,
        };
        rest = &rest[length..];
    }
    kept + rest
}

enum Beginning {
    Line,
    Block(usize),
    Code,
    Unclear,
}

const X86: bool = cfg!(any(target_arch = "x86_64", target_arch = "x86"));
const APPLE_ARM: bool = cfg!(all(target_arch = "aarch64", target_vendor = "apple"));

fn beginning(rest: &str, before: &str) -> Beginning {
    if rest.starts_with("//") {
        return Beginning::Line;
    }
    if let Some(inside) = rest.strip_prefix("/*") {
        return inside.find("*/").map_or(Beginning::Unclear, |length| Beginning::Block(length + 4));
    }
    match rest.as_bytes()[0] {
        // Here '#' is a number and "a//b" a symbol.
        b'\'' | b'"' => Beginning::Unclear,
        b'#' if X86 => Beginning::Line,
        b'#' if stands_before_a_number(before) => Beginning::Code,
        b'#' => Beginning::Unclear,
        // Here it starts a comment.
        b';' if APPLE_ARM => Beginning::Unclear,
        _ => Beginning::Code,
    }
}

/// On Arm, `#` marks a number after a mnemonic, a comma or a bracket; where a statement could start it is a comment.
fn stands_before_a_number(before: &str) -> bool {
    before.trim_end_matches([' ', '\t']).ends_with(|last: char| last.is_alphanumeric() || ",[".contains(last))
}
