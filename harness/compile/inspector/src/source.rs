//! From the text of kernel.rs to findings.

use crate::deferred;
use crate::names::is_half_type;
use crate::rules::Finding;
use crate::structure::{self, Structure};
use crate::tokens::{flatten, Flat, Kind, Token, View, DEPTH_LIMIT};
use crate::unused;
use crate::walk::walk;
use proc_macro2::TokenStream;
use serde::Serialize;
use std::str::FromStr;

#[derive(Serialize)]
pub struct Report {
    /// Whether Rust's lexer can read the text; otherwise `words` decides.
    pub lexed: bool,
    pub parsed: bool,
    pub unsafe_tokens: usize,
    pub first_unsafe_line: Option<usize>,
    pub findings: Vec<Finding>,
}

pub fn report(text: &str) -> Report {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = without_shebang(text);
    match TokenStream::from_str(&text) {
        Ok(stream) => lexed(flatten(stream), &text),
        Err(_) => unlexed(&text),
    }
}

/// rustc skips a first line that starts with `#!` unless it is an inner attribute; line numbers must stay the same.
fn without_shebang(text: &str) -> String {
    let first = text.lines().next().unwrap_or("");
    let attribute = first.strip_prefix("#!").is_some_and(|rest| rest.trim_start().starts_with('['));
    if first.starts_with("#!") && !attribute && !first[2..].trim().is_empty() {
        return text[first.len()..].to_owned();
    }
    text.to_owned()
}

fn lexed(flat: Flat, text: &str) -> Report {
    let mut findings = walk(&flat);
    let unsafes: Vec<usize> =
        flat.tokens.iter().filter(|token| token.is_keyword("unsafe")).map(|token| token.line).collect();
    // The parser recurses; deeper nesting than allowed has been rejected already.
    let file =
        if flat.deepest > DEPTH_LIMIT { None } else { syn::parse_file(&unused::without(text, &flat.unused)).ok() };
    let structure = file.as_ref().map(structure::read);
    if deferred::has_pool(&flat.tokens) {
        findings.extend(match &file {
            Some(file) => deferred::spawns(file, &flat.tokens),
            None => deferred::unread(View(&flat.tokens)),
        });
    }
    findings.extend(half_types(&flat, structure.as_ref()));
    findings.sort_by_key(|finding| finding.line);
    let report = Report {
        lexed: true,
        parsed: structure.is_some(),
        unsafe_tokens: unsafes.len(),
        first_unsafe_line: unsafes.first().copied(),
        findings,
    };
    // Dropping the tree recurses as well, and the process ends here anyway.
    std::mem::forget(file);
    report
}

/// Uses of 16-bit types; a word that is not proved to name a value counts as one.
fn half_types(flat: &Flat, structure: Option<&Structure>) -> Vec<Finding> {
    let named = flat.tokens.iter().filter(|token| names_half(token) && !is_value(token, structure));
    named
        .map(|token| Finding { rule: "precision", line: token.line, detail: format!("names {}", token.text) })
        .collect()
}

/// The type itself, or a number with it as suffix; in 0x1f16 these are digits.
fn names_half(token: &Token) -> bool {
    let number = token.kind == Kind::Literal
        && token.text.starts_with(|first: char| first.is_ascii_digit())
        && !token.text.starts_with("0x")
        && token.text.ends_with("f16");
    number || token.is_name() && is_half_type(&token.text)
}

/// In a macro of the candidate's own, any word may become a type.
fn is_value(token: &Token, structure: Option<&Structure>) -> bool {
    let proved = structure.is_some_and(|structure| structure.values.contains(&(token.line, token.column)));
    proved && token.is_name() && !token.in_call && !token.in_definition
}

/// For text that is not even tokens: rustc will reject it too. In case it does not, none of these words may occur in
/// it.
fn unlexed(text: &str) -> Report {
    const WORDS: &[&str] = &[
        "fs",
        "net",
        "process",
        "include",
        "include_str",
        "include_bytes",
        "extern",
        "asm",
        "global_asm",
        "no_mangle",
        "export_name",
        "link_section",
        "global_allocator",
        "path",
        "env",
        "os",
        "io",
        "Instant",
        "SystemTime",
    ];
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        if let Some(word) = words.find(|word| WORDS.contains(word)) {
            let detail = format!("not readable as Rust tokens, and it says {word}");
            findings.push(Finding { rule: "unreadable", line: number + 1, detail });
        }
    }
    Report { lexed: false, parsed: false, unsafe_tokens: 0, first_unsafe_line: None, findings }
}
