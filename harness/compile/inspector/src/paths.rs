//! Paths and use-trees: the names that refer to std and rayon, and the paths below them.

use crate::tokens::View;
use std::collections::BTreeMap;

/// One full path of a tree: `std::{fs, io as x}` has two.
pub struct Leaf {
    pub path: Vec<String>,
    pub alias: Option<String>,
    pub glob: bool,
}

pub struct Tree {
    pub leaves: Vec<Leaf>,
    /// Where the tree could not be followed: a metavariable, an isolated `::`.
    pub broken: Option<usize>,
    pub end: usize,
}

/// Parses the tree that starts at `at` (an identifier, `{` or `*`).
pub fn tree(view: View<'_>, at: usize) -> Tree {
    let mut tree = Tree { leaves: Vec::new(), broken: None, end: at };
    tree.end = branch(view, at, &[], &mut tree, 0);
    tree
}

fn branch(view: View<'_>, mut at: usize, prefix: &[String], tree: &mut Tree, depth: usize) -> usize {
    let mut path = prefix.to_vec();
    let line = view.get(at).map_or(0, |token| token.line);
    if view.is_path_separator(at) {
        at += 2;
    }
    loop {
        match view.get(at) {
            Some(token) if token.is_name() => {
                path.push(token.text.clone());
                at += 1;
            }
            Some(token) if token.is("*") => {
                tree.leaves.push(Leaf { path, alias: None, glob: true });
                return at + 1;
            }
            Some(token) if token.is("{") => return braces(view, at, &path, tree, depth),
            // Below the root, a generic argument or a metavariable ends the relevant part.
            Some(token) if (token.is("<") || token.is("$")) && path.len() > 1 => break,
            _ => {
                tree.broken = tree.broken.or(Some(line));
                return at + 1;
            }
        }
        if !view.is_path_separator(at) {
            break;
        }
        at += 2;
    }
    let mut alias = None;
    if view.is_keyword(at, "as") {
        match view.get(at + 1) {
            Some(name) if name.is_name() => alias = Some(name.text.clone()),
            // `x as *const f32` is a cast, not a renaming.
            _ if path.len() > 1 => {}
            _ => tree.broken = tree.broken.or(Some(line)),
        }
        at += 2;
    }
    if path.last().is_some_and(|name| name == "self") && path.len() > 1 {
        path.pop();
    }
    tree.leaves.push(Leaf { path, alias, glob: false });
    at
}

fn braces(view: View<'_>, open: usize, path: &[String], tree: &mut Tree, depth: usize) -> usize {
    let close = view.0[open].partner;
    if depth > 64 {
        tree.broken = tree.broken.or(Some(view.0[open].line));
        return close + 1;
    }
    let mut at = open + 1;
    while at < close {
        at = branch(view, at, path, tree, depth + 1).max(at + 1);
        if view.is(at, ",") {
            at += 1;
        } else if at < close {
            tree.broken = tree.broken.or(Some(view.0[open].line));
            at += 1;
        }
    }
    close + 1
}

/// The names that refer to std and rayon in this file, in any scope.
pub struct Roots(BTreeMap<String, &'static str>);

impl Roots {
    pub fn of(&self, name: &str) -> Option<&'static str> {
        self.0.get(name).copied()
    }

    /// Collects renamings until no new one is found, because a renaming may be renamed.
    pub fn gather(view: View<'_>) -> Self {
        let mut roots = Roots(BTreeMap::from([("std".to_owned(), "std"), ("rayon".to_owned(), "rayon")]));
        loop {
            let known = roots.0.len();
            for at in 0..view.0.len() {
                if view.is_keyword(at, "use") {
                    for leaf in tree(view, at + 1).leaves {
                        roots.learn(&leaf.path, leaf.alias);
                    }
                } else if view.is_keyword(at, "extern") && view.is_keyword(at + 1, "crate") {
                    let leaf = tree(view, at + 2);
                    leaf.leaves.into_iter().for_each(|leaf| roots.learn(&leaf.path, leaf.alias));
                }
            }
            if roots.0.len() == known {
                return roots;
            }
        }
    }

    fn learn(&mut self, path: &[String], alias: Option<String>) {
        if let (Some(root), Some(alias)) = (path.last().and_then(|name| self.of(name)), alias) {
            self.0.entry(alias).or_insert(root);
        }
    }
}

/// Modules, macros and primitive names of std without input or output.
const STD_ALLOWED: &[&str] = &[
    "alloc",
    "any",
    "arch",
    "array",
    "ascii",
    "assert",
    "assert_eq",
    "assert_ne",
    "assert_matches",
    "autodiff",
    "bool",
    "borrow",
    "boxed",
    "cell",
    "cfg",
    "char",
    "clone",
    "cmp",
    "collections",
    "column",
    "compile_error",
    "concat",
    "convert",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "default",
    "error",
    "f32",
    "f64",
    "ffi",
    "file",
    "fmt",
    "format",
    "format_args",
    "future",
    "hash",
    "hint",
    "i128",
    "i16",
    "i32",
    "i64",
    "i8",
    "is_aarch64_feature_detected",
    "is_arm_feature_detected",
    "is_x86_feature_detected",
    "isize",
    "iter",
    "line",
    "marker",
    "matches",
    "mem",
    "module_path",
    "num",
    "ops",
    "option",
    "panic",
    "pin",
    "prelude",
    "primitive",
    "ptr",
    "range",
    "rc",
    "result",
    "simd",
    "slice",
    "str",
    "string",
    "stringify",
    "sync",
    "task",
    "thread",
    "thread_local",
    "time",
    "todo",
    "u128",
    "u16",
    "u32",
    "u64",
    "u8",
    "unimplemented",
    "unreachable",
    "usize",
    "vec",
    "write",
    "writeln",
];

/// The rule that a path below std violates, if any. `below` does not include the root.
pub fn broken_by_std(below: &[String], glob: bool) -> Option<&'static str> {
    let Some(first) = below.first() else {
        return glob.then_some("std-glob");
    };
    if STD_ALLOWED.contains(&first.as_str()) {
        return None;
    }
    Some(match first.as_str() {
        "fs" | "path" => "files",
        "net" => "network",
        "process" => "processes",
        "env" | "option_env" => "environment",
        "io" | "print" | "println" | "eprint" | "eprintln" | "dbg" => "input-output",
        // Only the names of C types.
        "os" if below.get(1).is_some_and(|second| second == "raw") => return None,
        "os" => "system",
        "backtrace" => "backtrace",
        "include" | "include_str" | "include_bytes" => "include",
        _ => "std-allow-list",
    })
}

/// The rule that a path below rayon violates: starting work without waiting for it.
pub fn broken_by_rayon(below: &[String]) -> Option<&'static str> {
    below.iter().any(|name| DEFERRING.contains(&name.as_str())).then_some("deferred-work")
}

pub const DEFERRING: &[&str] = &["spawn", "spawn_fifo", "spawn_broadcast"];
