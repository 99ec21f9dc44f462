//! The source as a flat list of tokens, with matched brackets and marked contents of macros.

use crate::macros::opaque;
use crate::unused::{self, Place};
use proc_macro2::{Delimiter, LineColumn, Spacing, TokenStream, TokenTree};
use std::collections::BTreeSet;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Ident,
    /// An identifier written as r#name: never a keyword.
    RawIdent,
    Punct,
    Literal,
    Open,
    Close,
}

pub struct Token {
    pub kind: Kind,
    pub text: String,
    pub line: usize,
    pub column: usize,
    /// For Open and Close: the index of the other one.
    pub partner: usize,
    /// Inside the arguments of a call of one of the candidate's own macros.
    pub in_call: bool,
    /// Inside the arguments of one that could take them apart.
    pub taken_apart: bool,
    /// Inside the body of macro_rules.
    pub in_definition: bool,
    /// Inside the arguments of a macro of std.
    pub in_plain: bool,
    /// For Punct: glued to the next one, as in `::`.
    pub joint: bool,
}

pub const DEPTH_LIMIT: usize = 200;

pub struct Flat {
    pub tokens: Vec<Token>,
    pub deepest: usize,
    pub deepest_line: usize,
    /// Start and end of each part that is never compiled; its tokens are blanked.
    pub unused: Vec<(Place, Place)>,
}

/// Flattens the token tree; iterative, because the candidate controls the depth.
pub fn flatten(stream: TokenStream) -> Flat {
    let mut flat = Flat { tokens: Vec::new(), deepest: 0, deepest_line: 0, unused: Vec::new() };
    let mut stack = vec![(stream.into_iter(), None::<(usize, Delimiter, LineColumn)>)];
    while let Some((iterator, _)) = stack.last_mut() {
        match iterator.next() {
            Some(TokenTree::Group(group)) => {
                let (at, opening, closing) = (flat.tokens.len(), group.span_open().start(), group.span_close().start());
                let line = opening.line;
                flat.push(Kind::Open, bracket(group.delimiter(), true), line, false);
                flat.tokens[at].column = opening.column;
                stack.push((group.stream().into_iter(), Some((at, group.delimiter(), closing))));
                if stack.len() > flat.deepest {
                    (flat.deepest, flat.deepest_line) = (stack.len(), line);
                }
            }
            Some(leaf) => flat.leaf(&leaf),
            None => {
                let Some((_, Some((open, delimiter, closing)))) = stack.pop() else { break };
                let at = flat.tokens.len();
                flat.push(Kind::Close, bracket(delimiter, false), closing.line, false);
                flat.tokens[at].column = closing.column;
                flat.tokens[open].partner = at;
                flat.tokens[at].partner = open;
            }
        }
    }
    mark_macros(&mut flat.tokens);
    flat.unused = unused::blank(&mut flat.tokens);
    flat
}

/// Macros of std whose arguments are plain expressions and patterns, so that they assemble nothing from them.
const PLAIN_MACROS: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "vec",
    "format",
    "panic",
    "matches",
    "write",
    "writeln",
    "todo",
    "unimplemented",
    "unreachable",
    "thread_local",
    "format_args",
    "cfg",
    "is_x86_feature_detected",
    "is_aarch64_feature_detected",
    "asm",
];

#[derive(Clone, Copy, PartialEq)]
enum Inside {
    /// Arguments of a macro that takes them whole, or could take them apart.
    Call {
        whole: bool,
    },
    Definition,
    Plain,
}

/// The names that may refer to the candidate's own macros, including "$" when a name is computed.
pub fn own_macros(tokens: &[Token]) -> BTreeSet<String> {
    (0..tokens.len()).filter_map(|at| redefined(View(tokens), at)).collect()
}

/// Whether `name` is a macro of std with plain arguments and not one of the candidate's own.
pub fn is_plain(own: &BTreeSet<String>, name: &str) -> bool {
    !own.contains(name) && !own.contains("$") && PLAIN_MACROS.contains(&name)
}

/// Sets in_call and in_definition. A macro of the candidate's own may have the name of one of std's.
fn mark_macros(tokens: &mut [Token]) {
    let (own, whole_takers) = (own_macros(tokens), opaque(View(tokens)));
    let mut open: Vec<(usize, Inside)> = Vec::new();
    for at in 0..tokens.len() {
        while open.last().is_some_and(|(close, _)| at >= *close) {
            open.pop();
        }
        let within = |inside: Inside| open.iter().any(|(_, found)| *found == inside);
        let (whole, apart) = (within(Inside::Call { whole: true }), within(Inside::Call { whole: false }));
        (tokens[at].in_call, tokens[at].taken_apart) = (whole || apart, apart);
        (tokens[at].in_definition, tokens[at].in_plain) = (within(Inside::Definition), within(Inside::Plain));
        if tokens[at].kind != Kind::Open || open.len() > DEPTH_LIMIT {
            continue;
        }
        match called(&tokens[..at]) {
            Some("macro_rules") => open.push((tokens[at].partner, Inside::Definition)),
            Some(name) if is_plain(&own, name) => open.push((tokens[at].partner, Inside::Plain)),
            Some(name) => open.push((tokens[at].partner, Inside::Call { whole: whole_takers.contains(name) })),
            None => {}
        }
    }
}

/// The name that a macro_rules or a renaming defines here; "$" when it is computed.
fn redefined(view: View<'_>, at: usize) -> Option<String> {
    let name = if view.is_keyword(at, "macro_rules") && view.is(at + 1, "!") {
        view.get(at + 2)?
    } else if view.is_keyword(at, "as") {
        view.get(at + 1).filter(|token| token.is_name())?
    } else {
        return None;
    };
    Some(if name.is_name() { name.text.clone() } else { "$".to_owned() })
}

/// The macro whose arguments start after `tokens`: `name! (` or `macro_rules! name (`; "$" for a computed name.
fn called(tokens: &[Token]) -> Option<&str> {
    let mut back = tokens.iter().rev();
    let (last, before) = (back.next()?, back.next()?);
    if last.is("!") && !last.joint {
        return Some(if before.is_name() { before.text.as_str() } else { return None });
    }
    let third = back.next()?;
    (before.is("!") && third.is_keyword("macro_rules")).then_some("macro_rules")
}

fn bracket(delimiter: Delimiter, open: bool) -> &'static str {
    match (delimiter, open) {
        (Delimiter::Parenthesis, true) => "(",
        (Delimiter::Parenthesis, false) => ")",
        (Delimiter::Brace, true) => "{",
        (Delimiter::Brace, false) => "}",
        (Delimiter::Bracket, true) => "[",
        (Delimiter::Bracket, false) => "]",
        (Delimiter::None, _) => "",
    }
}

impl Flat {
    fn push(&mut self, kind: Kind, text: &str, line: usize, joint: bool) {
        let text = text.to_owned();
        self.tokens.push(Token {
            kind,
            text,
            line,
            column: 0,
            partner: 0,
            in_call: false,
            taken_apart: false,
            in_definition: false,
            in_plain: false,
            joint,
        });
    }

    fn leaf(&mut self, tree: &TokenTree) {
        let (text, line) = (tree.to_string(), tree.span().start().line);
        match tree {
            // A lifetime is an apostrophe and an identifier; it names nothing that matters here.
            TokenTree::Ident(_) if self.tokens.last().is_some_and(|before| before.is("'")) => {
                self.push(Kind::Literal, &text, line, false);
            }
            TokenTree::Ident(_) => match text.strip_prefix("r#") {
                Some(name) => self.push(Kind::RawIdent, name, line, false),
                None => self.push(Kind::Ident, &text, line, false),
            },
            TokenTree::Punct(punct) => self.push(Kind::Punct, &text, line, punct.spacing() == Spacing::Joint),
            TokenTree::Literal(_) => self.push(Kind::Literal, &text, line, false),
            TokenTree::Group(_) => {}
        }
        if let Some(token) = self.tokens.last_mut() {
            token.column = tree.span().start().column;
        }
    }
}

impl Token {
    pub fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Ident | Kind::RawIdent)
    }

    pub fn is_keyword(&self, word: &str) -> bool {
        self.kind == Kind::Ident && self.text == word
    }

    /// Whether it is punctuation or a bracket with this text.
    pub fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Punct | Kind::Open | Kind::Close) && self.text == text
    }
}

/// A view of the tokens that can be indexed past either end.
#[derive(Clone, Copy)]
pub struct View<'a>(pub &'a [Token]);

impl<'a> View<'a> {
    pub fn get(self, at: usize) -> Option<&'a Token> {
        self.0.get(at)
    }

    pub fn before(self, at: usize) -> Option<&'a Token> {
        at.checked_sub(1).and_then(|index| self.0.get(index))
    }

    /// Whether any of the words is a name somewhere in the source.
    pub fn names_any(self, words: &[&str]) -> bool {
        self.0.iter().any(|token| token.is_name() && words.contains(&token.text.as_str()))
    }

    pub fn is(self, at: usize, text: &str) -> bool {
        self.get(at).is_some_and(|token| token.is(text))
    }

    pub fn is_keyword(self, at: usize, word: &str) -> bool {
        self.get(at).is_some_and(|token| token.is_keyword(word))
    }

    /// The next comma from `at` on that is not inside further brackets, or `close`.
    pub fn next_comma(self, mut at: usize, close: usize) -> usize {
        while at < close && !self.is(at, ",") {
            at = if self.0[at].kind == Kind::Open { self.0[at].partner + 1 } else { at + 1 };
        }
        at
    }

    /// `::` begins at `at`.
    pub fn is_path_separator(self, at: usize) -> bool {
        self.is(at, ":") && self.0[at].joint && self.is(at + 1, ":")
    }
}
