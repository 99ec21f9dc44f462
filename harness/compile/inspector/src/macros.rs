//! What the candidate's own macros could do with the words in their arguments.

use crate::tokens::{own_macros, Kind, View};
use std::collections::BTreeSet;

/// Own macros that take whole items or expressions only, so that their arguments are compiled unchanged.
pub fn opaque(view: View<'_>) -> BTreeSet<String> {
    let (mut found, mut others) = (BTreeSet::new(), BTreeSet::new());
    for at in 0..view.0.len() {
        if view.is_keyword(at, "as") {
            others.extend(view.get(at + 1).map(|name| name.text.clone()));
        } else if view.is_keyword(at, "macro_rules") && view.is(at + 1, "!") {
            let Some(open) = view.get(at + 3).filter(|open| open.kind == Kind::Open) else { continue };
            let takes_words = (at + 4..open.partner)
                .any(|at| view.is(at, ":") && (view.is_keyword(at + 1, "tt") || view.is_keyword(at + 1, "ident")));
            let of = if takes_words { &mut others } else { &mut found };
            of.insert(view.0[at + 2].text.clone());
        }
    }
    if own_macros(view.0).contains("$") {
        return BTreeSet::new();
    }
    found.retain(|name| !others.contains(name));
    found
}

/// Whether a macro of this file could place a word from its arguments in front of an exclamation mark.
pub fn makes_calls(view: View<'_>) -> bool {
    view.0.iter().enumerate().any(|(at, token)| {
        // A macro that receives a dollar sign, or another macro's rules, can define rules that are not visible here.
        let handed = token.is("$") && token.in_call && !token.in_definition;
        let rewritten = token.is_keyword("macro_rules") && token.in_call;
        let named = token.is("$") && view.get(at + 1).is_some_and(|next| next.kind != Kind::Open);
        handed || rewritten || named && (view.is(at + 1, "$") || at + 2 < view.0.len() && joins(view, at + 2))
    })
}

/// Whether a metavariable followed by the token at `at` may expand to a macro call `name!`.
fn joins(view: View<'_>, at: usize) -> bool {
    let next = &view.0[at];
    let ends_repetition = next.kind == Kind::Close && next.partner > 0 && view.is(next.partner - 1, "$");
    next.is("!") || next.is("$") || ends_repetition
}
