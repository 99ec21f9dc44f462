//! Checks all tokens, macro bodies included: whatever the parser makes of them, the source has no other words.

use crate::deferred::{brought_by_globs, has_pool};
use crate::macros::makes_calls;
use crate::names::{
    broken_by, broken_by_macro, is_arms, is_like_arm, ARMS_MODULES, ATTRIBUTES, CRATE_ATTRIBUTES, KEYED, KEYED_MAPS,
    TIMED_WAITS,
};
use crate::paths::{broken_by_rayon, broken_by_std, tree, Leaf, Roots, DEFERRING};
use crate::rules::Finding;
use crate::tokens::{Flat, Kind, Token, View, DEPTH_LIMIT};
use crate::unused;
use std::collections::BTreeSet;

pub struct Walk<'a> {
    view: View<'a>,
    roots: Roots,
    /// Names that a `use rayon::*` brings in and that start work without waiting.
    brought: Vec<&'static str>,
    has_pool: bool,
    makes_calls: bool,
    /// Whether the word `time` occurs.
    names_time: bool,
    /// Whether a module with std's random key is named.
    names_hash: bool,
    /// Whether a module with Arm's intrinsics is named.
    names_arm: bool,
    /// Whether a map or set of std is named, whose hasher is keyed unless said otherwise.
    names_maps: bool,
    /// The last names of what is imported.
    imported: BTreeSet<String>,
    modules: BTreeSet<String>,
    /// Names of constants and variables, except those that are imported as well.
    values: BTreeSet<String>,
    /// The line of the first asm! whose template a macro assembles.
    assembled_at: Option<usize>,
    pub findings: Vec<Finding>,
}

/// All findings that follow from the tokens alone.
pub fn walk(flat: &Flat) -> Vec<Finding> {
    let view = View(&flat.tokens);
    let roots = Roots::gather(view);
    let mut walk = Walk {
        view,
        brought: brought_by_globs(view, &roots),
        roots,
        has_pool: has_pool(&flat.tokens),
        makes_calls: makes_calls(view),
        names_time: view.names_any(&["time"]),
        names_hash: view.names_any(&["hash", "hash_map"]),
        names_arm: view.names_any(ARMS_MODULES),
        names_maps: view.names_any(KEYED_MAPS),
        imported: imported(view),
        modules: after(view, &["mod"]),
        values: values(view),
        assembled_at: None,
        findings: Vec::new(),
    };
    if flat.deepest > DEPTH_LIMIT {
        let line = flat.deepest_line;
        walk.findings.push(Finding { rule: "nesting", line, detail: format!("brackets nested {} deep", flat.deepest) });
    }
    for at in 0..flat.tokens.len() {
        walk.token(at);
    }
    if let Some(line) = walk.assembled_at {
        crate::asm::assembled(view, line, &mut walk.findings);
    }
    walk.findings
}

impl<'a> Walk<'a> {
    fn token(&mut self, at: usize) {
        let token = &self.view.0[at];
        if token.is_name() {
            self.name(at, token);
            // r#asm! is the same macro, because asm is not a keyword.
            if token.text == "asm" && self.is_call(at) {
                self.assembly(at);
            }
        }
        if token.kind == Kind::Ident {
            match token.text.as_str() {
                "mod" => self.module(at),
                "extern" => self.foreign(at),
                "use" => self.import(at),
                _ => {}
            }
        }
        if token.is("#") {
            self.attribute(at);
        }
    }

    fn find(&mut self, rule: &'static str, at: usize, detail: String) {
        self.findings.push(Finding { rule, line: self.view.0[at].line, detail });
    }

    /// `name ! (`, and not `name != (`.
    fn is_call(&self, at: usize) -> bool {
        self.view.is(at + 1, "!") && self.view.get(at + 2).is_some_and(|token| token.kind == Kind::Open)
    }

    fn name(&mut self, at: usize, token: &'a Token) {
        let name = token.text.as_str();
        // std's clocks are reached through a path that says time; without it, these are the candidate's own names.
        let own_clock = !self.names_time && matches!(name, "Instant" | "SystemTime" | "UNIX_EPOCH");
        // So is std's random key, through one that says hash.
        let own_key = !self.names_hash && name == "RandomState";
        // Arm's intrinsics are reached through a path that says so, too.
        let own = own_clock || own_key || !self.names_arm && is_arms(name) || self.is_own_value(at, name);
        if let Some(rule) = broken_by(name).filter(|_| !own) {
            self.find(rule, at, format!("names {name}"));
        }
        if let Some(rule) = broken_by_macro(name) {
            if self.is_call(at) {
                self.find(rule, at, format!("calls {name}!"));
            } else if token.in_call && self.makes_calls {
                self.find("computed-macro", at, format!("hands the name {name} to a macro"));
            }
        } else if name == "asm" && token.in_call && self.makes_calls && !self.is_call(at) {
            self.find("computed-macro", at, "hands the name asm to a macro".to_owned());
        }
        if let Some((_, owner)) = TIMED_WAITS.iter().find(|(wait, _)| *wait == name) {
            self.timed_wait(at, name, owner);
        }
        if KEYED.contains(&name) && self.names_maps && !self.is_own_function(at, name) {
            self.find("randomness", at, format!("calls {name}, whose result is another one in every process"));
        }
        if let Some(root) = self.roots.of(name) {
            self.root(at, token, root);
        }
        if DEFERRING.contains(&name) {
            self.deferring(at, name);
        }
    }

    /// Handles what waits for some time, and so can tell the time to another thread. Without its owner's name, and after a
    /// dot in the case of `sleep`, these are the candidate's own names.
    fn timed_wait(&mut self, at: usize, name: &str, owner: &str) {
        let before = self.view.before(at);
        let declared = before.is_some_and(|before| before.is_keyword("fn"));
        let own_method = name == "sleep" && before.is_some_and(|before| before.is("."));
        if self.view.names_any(&[owner]) && !declared && !own_method {
            self.find("clock", at, format!("waits for some time with {name}"));
        }
    }

    /// `v_f16` and similar names may be variables: bound in this file, and used where an intrinsic would make no
    /// sense.
    fn is_own_value(&self, at: usize, name: &str) -> bool {
        let (token, view) = (&self.view.0[at], self.view);
        let path = at >= 2 && view.is_path_separator(at - 2) || view.is_path_separator(at + 1);
        let plain = !(token.in_call || token.in_definition || path || view.is(at + 1, "("));
        plain && is_like_arm(name) && self.values.contains(name)
    }

    /// A function of a trait is called as a method or by a path, so a name that stands alone is the candidate's own. In
    /// macros, which may put something before it, only a definition is.
    fn is_own_function(&self, at: usize, name: &str) -> bool {
        let (token, before) = (&self.view.0[at], self.view.before(at));
        let declared = before.is_some_and(|before| before.is_keyword("fn"));
        let alone = !before.is_some_and(|before| before.is(".") || before.is(":") || before.is("$"));
        let plain = !(token.in_call || token.in_definition || self.imported.contains(name));
        declared || alone && plain
    }

    fn assembly(&mut self, at: usize) {
        if crate::asm::check(self.view, at + 2, &mut self.findings) {
            self.assembled_at = self.assembled_at.or(Some(self.view.0[at].line));
        }
    }

    /// Handles std or rayon, or a name that refers to one of them.
    fn root(&mut self, at: usize, token: &'a Token, root: &'static str) {
        if self.view.before(at).is_some_and(|before| before.is(".")) {
            return;
        }
        if !self.view.is_path_separator(at + 1) {
            if token.in_call || token.in_definition {
                self.find("computed-path", at, format!("hands {} to a macro", token.text));
            }
            return;
        }
        let tree = tree(self.view, at);
        if tree.broken.is_some() {
            self.find("computed-path", at, format!("a path below {root} that is not written out"));
        }
        for leaf in tree.leaves {
            let below = &leaf.path[1..];
            let rule = if root == "std" { broken_by_std(below, leaf.glob) } else { broken_by_rayon(below) };
            if let Some(rule) = rule {
                self.find(rule, at, format!("uses {}", shown(root, &leaf)));
            }
        }
    }

    /// Handles rayon's spawn in its other spellings; scope.spawn and thread::spawn are awaited, or checked by the
    /// conduct gate.
    fn deferring(&mut self, at: usize, name: &str) {
        let token = &self.view.0[at];
        let as_method = self.view.before(at).is_some_and(|before| before.is("."));
        let declared = as_method || self.view.before(at).is_some_and(|before| before.is_keyword("fn"));
        let owner = if at >= 2 && self.view.is_path_separator(at - 2) { Some(self.view.before(at - 2)) } else { None };
        if self.brought.contains(&name) && !declared && owner.is_none_or(|owner| self.is_module(owner)) {
            self.find("deferred-work", at, format!("uses rayon::{name}"));
        }
        if self.has_pool && as_method && (token.in_call || token.in_definition || token.in_plain) {
            self.find("deferred-work", at, format!("calls {name} in a macro, beside a thread pool"));
        }
        const AWAITED: [&str; 4] = ["thread", "Scope", "ScopeFifo", "Builder"];
        let foreign = |owner: Option<&Token>| owner.is_none_or(|owner| !AWAITED.contains(&owner.text.as_str()));
        if self.has_pool && owner.is_some_and(foreign) {
            self.find("deferred-work", at, format!("uses {name} of a thread pool"));
        }
    }

    /// Whether it is a module of this file, into which a glob could have imported something.
    fn is_module(&self, owner: Option<&Token>) -> bool {
        owner.is_some_and(|owner| {
            matches!(owner.text.as_str(), "self" | "super" | "crate") || self.modules.contains(&owner.text)
        })
    }

    fn module(&mut self, at: usize) {
        let named = at + if self.view.is(at + 1, "$") { 3 } else { 2 };
        let inline = self.view.is(named, "{");
        if !inline {
            self.find("outside-module", at, "a module whose body is not written here".to_owned());
        } else if self.view.0[at].taken_apart {
            self.find("outside-module", at, "a module handed to a macro that could drop its body".to_owned());
        }
    }

    fn foreign(&mut self, at: usize) {
        if self.view.is_keyword(at + 1, "crate") {
            let name = self.view.get(at + 2).map_or("", |token| token.text.as_str());
            if !["core", "alloc", "std", "rayon", "self"].contains(&name) {
                self.find("extern-crate", at, format!("extern crate {name}"));
            }
            return;
        }
        let named = self.view.get(at + 1).is_some_and(|token| token.kind == Kind::Literal);
        let function = self.view.is_keyword(at + 1 + usize::from(named), "fn");
        if !function || self.view.0[at].taken_apart {
            self.find("extern-block", at, "an extern block".to_owned());
        }
    }

    /// Handles a forbidden macro under another name.
    fn import(&mut self, at: usize) {
        for leaf in tree(self.view, at + 1).leaves {
            let last = leaf.path.last().map_or("", String::as_str);
            if leaf.alias.is_some() && leaf.path.len() > 1 && (last == "asm" || broken_by_macro(last).is_some()) {
                self.find("computed-macro", at, format!("renames {last}"));
            }
        }
    }

    fn attribute(&mut self, at: usize) {
        let inner = self.view.is(at + 1, "!");
        let open = at + 1 + usize::from(inner);
        if self.view.is(open, "[") {
            self.attribute_in(open + 1, self.view.0[open].partner);
        }
    }

    /// Handles one attribute between `at` and `end`; cfg_attr and unsafe(…) contain further ones.
    fn attribute_in(&mut self, at: usize, end: usize) {
        let Some(token) = self.view.get(at).filter(|token| token.is_name()) else { return };
        let name = token.text.as_str();
        let open = at + 1;
        let has_list = self.view.is(open, "(") && open < end;
        if name == "cfg_attr" && has_list {
            let close = self.view.0[open].partner;
            let mut part = self.view.next_comma(open + 1, close);
            if unused::holds(self.view, open + 1, part, 0) == Some(false) {
                return;
            }
            while part < close {
                let next = self.view.next_comma(part + 1, close);
                self.attribute_in(part + 1, next);
                part = next;
            }
        } else if name == "unsafe" && has_list {
            self.attribute_in(open + 1, self.view.0[open].partner);
        } else if CRATE_ATTRIBUTES.contains(&name) {
            self.find("crate-attribute", at, format!("the crate attribute {name}"));
        } else if name == "path" {
            self.find("outside-module", at, "the attribute path".to_owned());
        } else if name == "used" {
            self.find("exported-symbol", at, "the attribute used".to_owned());
        } else if name == "link" {
            self.find("linking", at, "the attribute link".to_owned());
        } else if name == "target_feature" && has_list {
            self.features(open);
        } else if !ATTRIBUTES.contains(&name) && broken_by(name).is_none() {
            self.find("attribute", at, format!("the attribute {name}"));
        }
    }

    fn features(&mut self, open: usize) {
        for at in open + 1..self.view.0[open].partner {
            let text = &self.view.0[at].text;
            let reduced = ["bf16", "fp16", "amx", "fp8", "f16c", "avxneconvert", "fhm"];
            if self.view.0[at].kind == Kind::Literal && reduced.iter().any(|part| text.contains(part)) {
                self.find("precision", at, format!("enables {text}"));
            }
        }
    }
}

/// The names that follow one of these words.
fn after(view: View<'_>, words: &[&str]) -> BTreeSet<String> {
    let named = (1..view.0.len()).filter(|&at| words.iter().any(|word| view.is_keyword(at - 1, word)));
    named.filter(|&at| view.0[at].is_name()).map(|at| view.0[at].text.clone()).collect()
}

/// The last name of every path that a `use` brings in.
fn imported(view: View<'_>) -> BTreeSet<String> {
    let uses = (0..view.0.len()).filter(|&at| view.is_keyword(at, "use"));
    uses.flat_map(|at| tree(view, at + 1).leaves).filter_map(|leaf| leaf.path.last().cloned()).collect()
}

fn values(view: View<'_>) -> BTreeSet<String> {
    let mut values = after(view, &["let", "mut", "const", "static"]);
    for at in (0..view.0.len()).filter(|&at| view.is_keyword(at, "use")) {
        for leaf in tree(view, at + 1).leaves {
            values.retain(|name| leaf.path.last() != Some(name) && leaf.alias.as_ref() != Some(name));
        }
    }
    values
}

fn shown(root: &str, leaf: &Leaf) -> String {
    let mut path = vec![root];
    path.extend(leaf.path[1..].iter().map(String::as_str));
    if leaf.glob {
        path.push("*");
    }
    path.join("::")
}
