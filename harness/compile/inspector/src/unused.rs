//! Finds source that is never compiled, to which no rule applies: tests that come with a kernel, what is behind a feature
//! or debug assertions, a main that nobody calls.

use crate::tokens::{is_plain, own_macros, Kind, Token, View};

/// Line and column.
pub type Place = (usize, usize);

/// Blanks what is never compiled, and returns the start and end of each part, in order.
pub fn blank(tokens: &mut [Token]) -> Vec<(Place, Place)> {
    let left_out = left_out(View(tokens));
    let mut found: Vec<(Place, Place)> = left_out.into_iter().map(|range| wipe(tokens, range)).collect();
    if let Some(range) = main_inside(View(tokens)) {
        found.push(wipe(tokens, range));
        found.sort_unstable();
    }
    found
}

fn wipe(tokens: &mut [Token], (first, last): (usize, usize)) -> (Place, Place) {
    for token in &mut tokens[first..=last] {
        (token.kind, token.text) = (Kind::Literal, String::new());
    }
    ((tokens[first].line, tokens[first].column), (tokens[last].line, tokens[last].column))
}

/// The same text with spaces in place of what is never compiled, so that everything else keeps its position.
pub fn without(text: &str, unused: &[(Place, Place)]) -> String {
    let (mut here, mut left) = ((1, 0), unused.iter().peekable());
    let blanked = text.chars().map(|letter| {
        while left.next_if(|(_, last)| *last < here).is_some() {}
        let inside = left.peek().is_some_and(|(first, _)| *first <= here);
        here = if letter == '\n' { (here.0 + 1, 0) } else { (here.0, here.1 + 1) };
        if inside && letter != '\n' {
            ' '
        } else {
            letter
        }
    });
    blanked.collect()
}

/// First and last token of every item and statement that the build of a kernel leaves out.
fn left_out(view: View<'_>) -> Vec<(usize, usize)> {
    let test_is_std = is_std_test(view);
    let (mut found, mut braces, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(token) = view.get(at) {
        // A type or a generic parameter is inside other brackets than an item.
        let among_items = braces.last().is_none_or(|brace| *brace);
        let end = if among_items { end_if_left_out(view, at, test_is_std) } else { None };
        found.extend(end.map(|end| (at, end)));
        match token.kind {
            Kind::Open if end.is_none() => braces.push(token.is("{")),
            Kind::Close => drop(braces.pop()),
            _ => {}
        }
        at = end.unwrap_or(at) + 1;
    }
    found
}

/// Whether nothing in this file replaces the attribute `test`.
fn is_std_test(view: View<'_>) -> bool {
    (1..view.0.len()).all(|at| view.0[at].text != "test" || !(view.is_keyword(at - 1, "as") || view.is(at - 1, "!")))
}

/// The last token of the item or statement that starts at `at`, attributes included, if the build leaves it out.
fn end_if_left_out(view: View<'_>, at: usize, test_is_std: bool) -> Option<usize> {
    let first = view.get(at).filter(|first| first.is("#") || first.is_keyword("pub") || first.is_keyword("mod"))?;
    if first.in_call || first.in_definition || first.in_plain || !may_begin_item(view, at) {
        return None;
    }
    let outer = attributes(view, at, false);
    let item = after_visibility(view, outer.end);
    let inner = view.is_keyword(item, "mod") && view.is(item + 2, "{") && attributes(view, item + 3, true).cfg;
    let dropped = outer.cfg || inner || outer.test && test_is_std && function(view, item).is_some();
    if dropped {
        item_end(view, item)
    } else {
        None
    }
}

/// After the end of an item or a statement, or at the start of a block; types and generic parameters occur elsewhere.
fn may_begin_item(view: View<'_>, at: usize) -> bool {
    view.before(at).is_none_or(|before| {
        before.is(";") || before.is("{") || before.is("}") || before.is("]") && ends_inner_attribute(view, at - 1)
    })
}

fn ends_inner_attribute(view: View<'_>, close: usize) -> bool {
    let open = view.0[close].partner;
    open >= 2 && view.is(open - 1, "!") && view.is(open - 2, "#")
}

struct Attributes {
    end: usize,
    /// Whether one of the attributes is a cfg that never holds in the build of a kernel.
    cfg: bool,
    /// Whether one is `#[test]`.
    test: bool,
}

fn attributes(view: View<'_>, at: usize, inner: bool) -> Attributes {
    let mut found = Attributes { end: at, cfg: false, test: false };
    loop {
        let open = found.end + 1 + usize::from(inner);
        let marked = view.is(found.end, "#") && (!inner || view.is(found.end + 1, "!"));
        if !marked || !view.is(open, "[") {
            return found;
        }
        let close = view.0[open].partner;
        if view.is_keyword(open + 1, "cfg") && view.is(open + 2, "(") && view.0[open + 2].partner + 1 == close {
            found.cfg |= holds(view, open + 3, close - 1, 0) == Some(false);
        }
        found.test |= view.is_keyword(open + 1, "test") && close == open + 2;
        found.end = close + 1;
    }
}

/// Whether the condition between `at` and `end` holds in the build of a kernel; None where it depends on the machine.
///
/// rustc is called without `--cfg` and without debug assertions, so that no feature is ever set.
pub fn holds(view: View<'_>, at: usize, end: usize, depth: usize) -> Option<bool> {
    const NEVER: [&str; 6] = ["test", "doctest", "doc", "miri", "debug_assertions", "overflow_checks"];
    if end == at + 1 {
        return NEVER.iter().any(|word| view.is_keyword(at, word)).then_some(false);
    }
    if view.is_keyword(at, "feature") && view.is(at + 1, "=") && end == at + 3 {
        return Some(false);
    }
    let list = view.is(at + 1, "(") && view.0[at + 1].partner + 1 == end;
    if !list || depth > 32 {
        return None;
    }
    let mut parts = Vec::new();
    let mut part = at + 2;
    while part < end - 1 {
        let comma = view.next_comma(part, end - 1);
        parts.push(holds(view, part, comma, depth + 1));
        part = comma + 1;
    }
    let decided = |value: bool| parts.iter().all(|part| *part == Some(value)).then_some(value);
    match view.0[at].text.as_str() {
        "all" if view.0[at].is_name() => {
            if parts.contains(&Some(false)) {
                Some(false)
            } else {
                decided(true)
            }
        }
        "any" if view.0[at].is_name() => {
            if parts.contains(&Some(true)) {
                Some(true)
            } else {
                decided(false)
            }
        }
        "not" if view.0[at].is_name() && parts.len() == 1 => parts[0].map(|part| !part),
        _ => None,
    }
}

fn after_visibility(view: View<'_>, at: usize) -> usize {
    if !view.is_keyword(at, "pub") {
        return at;
    }
    if view.is(at + 1, "(") {
        view.0[at + 1].partner + 1
    } else {
        at + 1
    }
}

/// The position of `fn` and a name after `const`, `async`, `unsafe`, `extern "C"`.
fn function(view: View<'_>, mut at: usize) -> Option<usize> {
    while ["const", "async", "unsafe", "extern"].iter().any(|word| view.is_keyword(at, word)) {
        let named = view.is_keyword(at, "extern") && view.get(at + 1)?.kind == Kind::Literal;
        at += if named { 2 } else { 1 };
    }
    (view.is_keyword(at, "fn") && view.get(at + 1)?.is_name()).then_some(at)
}

/// The last token of the item that starts at `at`. Too early an end only leaves more source to check.
fn item_end(view: View<'_>, at: usize) -> Option<usize> {
    if let Some(at) = function(view, at) {
        return first(view, at, true, true);
    }
    let at = if view.is_keyword(at, "unsafe") { at + 1 } else { at };
    let name_at = |at: usize| view.get(at).is_some_and(Token::is_name);
    // A statement: a block, or a call of a macro. What follows the brackets is checked.
    let open = if name_at(at) && view.is(at + 1, "!") { at + 2 } else { at };
    if view.get(open).is_some_and(|token| token.kind == Kind::Open && (open > at || token.is("{"))) {
        return Some(view.0[open].partner);
    }
    match view.get(at).filter(|token| token.kind == Kind::Ident)?.text.as_str() {
        "mod" | "struct" | "union" if name_at(at + 1) => first(view, at, true, true),
        "enum" | "trait" if name_at(at + 1) => first(view, at, true, false),
        "impl" => first(view, at, true, false),
        "use" | "type" => first(view, at, false, true),
        "extern" if view.is_keyword(at + 1, "crate") => first(view, at, false, true),
        "const" if name_at(at + 1) && view.is(at + 2, ":") => first(view, at, false, true),
        "static" => {
            let name = if view.is_keyword(at + 1, "mut") { at + 2 } else { at + 1 };
            if name_at(name) && view.is(name + 1, ":") {
                first(view, name, false, true)
            } else {
                None
            }
        }
        "macro_rules" if view.is(at + 1, "!") && name_at(at + 2) => {
            let open = view.get(at + 3).filter(|open| open.kind == Kind::Open)?;
            let end = if open.is("{") { open.partner } else { open.partner + 1 };
            (open.is("{") || view.is(end, ";")).then_some(end)
        }
        _ => None,
    }
}

/// The end of the first braces, or the first semicolon, at the nesting level of `at` and within the enclosing
/// brackets.
fn first(view: View<'_>, mut at: usize, braces: bool, semicolon: bool) -> Option<usize> {
    loop {
        let token = view.get(at)?;
        match token.kind {
            Kind::Open if braces && token.is("{") => return Some(token.partner),
            Kind::Open => at = token.partner + 1,
            Kind::Close => return None,
            // An item of another form ends here: `trait A = B;`.
            _ if token.is(";") => return semicolon.then_some(at),
            _ => at += 1,
        }
    }
}

/// The contents of `fn main() { … }` when nothing else mentions main. They must not affect anything outside, as an
/// impl or a macro definition would.
fn main_inside(view: View<'_>) -> Option<(usize, usize)> {
    const REACHING: &[&str] = &["impl", "trait", "mod", "macro_rules", "extern", "static", "unsafe"];
    const PRINTING: &[&str] = &["print", "println", "eprint", "eprintln"];
    let mut named = (0..view.0.len()).filter(|&at| view.0[at].is_name() && view.0[at].text == "main");
    let (Some(at), None) = (named.next(), named.next()) else { return None };
    let is_function = at > 0 && view.is_keyword(at - 1, "fn") && view.is(at + 1, "(") && view.is(at + 2, ")");
    let in_file = (0..at).all(|open| view.0[open].kind != Kind::Open || view.0[open].partner < at);
    if !is_function || !view.is(at + 3, "{") || !in_file {
        return None;
    }
    let (first, end) = (at + 4, view.0[at + 3].partner);
    let own = own_macros(view.0);
    let harmless = (first..end).all(|at| {
        let token = &view.0[at];
        let called = view.is(at + 1, "!") && view.get(at + 2).is_some_and(|next| next.kind == Kind::Open);
        let known =
            is_plain(&own, &token.text) || PRINTING.contains(&token.text.as_str()) && !own.contains(&token.text);
        let plain = !token.is("#") && !token.is("$") && !REACHING.iter().any(|word| token.is_keyword(word));
        plain && (!called || !token.is_name() || known && token.text != "asm")
    });
    (harmless && first < end).then(|| (first, end - 1))
}
