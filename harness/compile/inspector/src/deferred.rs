//! Finds spawns that are not awaited: scopes and thread builders return something to wait for, rayon's pools do not.

use crate::paths::{tree, Leaf, Roots, DEFERRING};
use crate::rules::Finding;
use crate::tokens::{is_plain, own_macros, Kind, Token, View};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};

/// Whether a pool of rayon's may be used in this file; without both words none can be.
pub fn has_pool(tokens: &[Token]) -> bool {
    let named = |wanted: fn(&str) -> bool| tokens.iter().any(|token| token.is_name() && wanted(&token.text));
    named(|name| name == "rayon") && named(|name| name.starts_with("ThreadPool"))
}

/// Names that a `use rayon::*` may bring in. An import from std::thread beside the glob takes precedence over it.
pub fn brought_by_globs(view: View<'_>, roots: &Roots) -> Vec<&'static str> {
    let around = enclosing(view);
    let std_is_std = (1..view.0.len())
        .all(|at| view.0[at].text != "std" || !["mod", "as"].iter().any(|word| view.is_keyword(at - 1, word)));
    let (mut globs, mut imports) = (BTreeSet::new(), BTreeSet::new());
    for at in 0..view.0.len() {
        let token = &view.0[at];
        if token.is_name() && roots.of(&token.text) == Some("rayon") && view.is_path_separator(at + 1) {
            let all = tree(view, at).leaves.iter().any(|leaf| leaf.glob && leaf.path.len() == 1);
            // Inside the braces of a use, the glob belongs to the path around them.
            globs.extend(all.then(|| outside_use(view, &around, at)));
        } else if token.is_keyword("use") && std_is_std && is_unconditional(view, at) {
            imports.extend(tree(view, at + 1).leaves.into_iter().filter_map(|leaf| imported(&leaf, around[at])));
        }
    }
    let brings = |name: &str| globs.iter().any(|glob| !imports.contains(&(*glob, name.to_owned())));
    DEFERRING.iter().copied().filter(|name| brings(name)).collect()
}

/// The enclosing bracket of every token.
fn enclosing(view: View<'_>) -> Vec<Option<usize>> {
    let mut open = Vec::new();
    let around = view.0.iter().enumerate().map(|(at, token)| {
        if token.kind == Kind::Close {
            open.pop();
        }
        let here = open.last().copied();
        if token.kind == Kind::Open {
            open.push(at);
        }
        here
    });
    around.collect()
}

fn outside_use(view: View<'_>, around: &[Option<usize>], at: usize) -> Option<usize> {
    let mut here = around[at];
    while let Some(open) = here.filter(|open| {
        let before = view.before(*open);
        view.is(*open, "{") && before.is_some_and(|before| before.is(":") || before.is(",") || before.is_keyword("use"))
    }) {
        here = around[open];
    }
    here
}

/// Whether a `use` has no attributes and is not inside a macro.
fn is_unconditional(view: View<'_>, at: usize) -> bool {
    let token = &view.0[at];
    let start = match view.before(at) {
        Some(before) if before.is_keyword("pub") => at - 1,
        Some(before) if before.is(")") => before.partner.saturating_sub(1),
        _ => at,
    };
    let conditional = view.before(start).is_some_and(|before| before.is("]"));
    !(token.in_call || token.in_definition || token.in_plain || conditional)
}

/// An import of the function std::thread::spawn under its own name; a type of that name would not hide a function.
fn imported(leaf: &Leaf, place: Option<usize>) -> Option<(Option<usize>, String)> {
    let [root, module, name] = leaf.path.as_slice() else { return None };
    let known = root == "std" && module == "thread" && !leaf.glob && leaf.alias.is_none();
    known.then(|| (place, name.clone()))
}

/// Every spawn whose receiver is not known to be a scope or a builder.
pub fn spawns(file: &syn::File, tokens: &[Token]) -> Vec<Finding> {
    let mut search = Search { own: own_macros(tokens), borrowed: borrows(tokens), ..Search::default() };
    search.visit_file(file);
    search.findings
}

/// Every spawn as a method, for sources without a syntax tree, where receivers cannot be distinguished.
pub fn unread(view: View<'_>) -> Vec<Finding> {
    let named = (0..view.0.len()).filter(|&at| DEFERRING.contains(&view.0[at].text.as_str()));
    named
        .filter(|&at| view.before(at).is_some_and(|before| before.is(".")))
        .map(|at| finding(view.0[at].line))
        .collect()
}

fn finding(line: usize) -> Finding {
    Finding { rule: "deferred-work", line, detail: "spawns on a thread pool".to_owned() }
}

/// The file defines a type named Scope* or Builder, so names prove nothing here.
fn borrows(tokens: &[Token]) -> bool {
    const NAMING: &[&str] = &["as", "type", "struct", "trait", "enum", "union"];
    tokens.windows(2).any(|pair| {
        let named = pair[1].is_name() && (pair[1].text.starts_with("Scope") || pair[1].text == "Builder");
        named && NAMING.iter().any(|word| pair[0].is_keyword(word))
    })
}

#[derive(Default)]
struct Search {
    /// The names in scope, innermost last; true for values that wait for the work they spawn.
    scopes: Vec<BTreeMap<String, bool>>,
    own: BTreeSet<String>,
    borrowed: bool,
    findings: Vec<Finding>,
}

impl Search {
    fn scoped(&mut self, look: impl FnOnce(&mut Self)) {
        self.scopes.push(BTreeMap::new());
        look(self);
        self.scopes.pop();
    }

    fn bind(&mut self, name: String, waits: bool) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name, waits);
        }
    }

    fn is_awaited(&self, name: &str) -> bool {
        self.scopes.iter().rev().find_map(|scope| scope.get(name)).is_some_and(|waits| *waits)
    }

    /// A parameter may be a scope, unless its type is something else.
    fn parameter(&mut self, pattern: &syn::Pat, of: Option<&syn::Type>) {
        match pattern {
            syn::Pat::Ident(name) => {
                let waits = of.is_none_or(|of| !self.borrowed && may_be_scope(of));
                self.bind(name.ident.to_string(), waits);
            }
            syn::Pat::Type(typed) => self.parameter(&typed.pat, Some(&typed.ty)),
            syn::Pat::Reference(inner) => self.parameter(&inner.pat, of),
            other => self.visit_pat(other),
        }
    }

    /// Whether the receiver is std::thread::Builder::new().name(…), a variable that holds one, or a scope.
    fn waits(&self, mut receiver: &syn::Expr) -> bool {
        const OF_BUILDER: &[&str] = &["name", "stack_size", "no_hooks"];
        while let syn::Expr::MethodCall(call) = receiver {
            if !OF_BUILDER.contains(&call.method.to_string().as_str()) {
                return false;
            }
            receiver = &call.receiver;
        }
        match receiver {
            syn::Expr::Path(path) => path.path.get_ident().is_some_and(|name| self.is_awaited(&name.to_string())),
            syn::Expr::Call(call) => !self.borrowed && makes_builder(&call.func),
            _ => false,
        }
    }
}

impl<'ast> Visit<'ast> for Search {
    /// Items do not see the variables of the function around them.
    fn visit_item(&mut self, node: &'ast syn::Item) {
        let outer = std::mem::take(&mut self.scopes);
        self.scoped(|search| visit::visit_item(search, node));
        self.scopes = outer;
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.scoped(|search| visit::visit_impl_item_fn(search, node));
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        self.scoped(|search| visit::visit_trait_item_fn(search, node));
    }

    fn visit_expr_closure(&mut self, node: &'ast syn::ExprClosure) {
        self.scoped(|search| {
            node.inputs.iter().for_each(|input| search.parameter(input, None));
            search.visit_expr(&node.body);
        });
    }

    fn visit_fn_arg(&mut self, node: &'ast syn::FnArg) {
        if let syn::FnArg::Typed(typed) = node {
            self.parameter(&typed.pat, Some(&typed.ty));
        }
    }

    fn visit_block(&mut self, node: &'ast syn::Block) {
        self.scoped(|search| visit::visit_block(search, node));
    }

    fn visit_arm(&mut self, node: &'ast syn::Arm) {
        self.scoped(|search| visit::visit_arm(search, node));
    }

    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        self.scoped(|search| visit::visit_expr_if(search, node));
    }

    fn visit_expr_while(&mut self, node: &'ast syn::ExprWhile) {
        self.scoped(|search| visit::visit_expr_while(search, node));
    }

    fn visit_expr_for_loop(&mut self, node: &'ast syn::ExprForLoop) {
        self.scoped(|search| visit::visit_expr_for_loop(search, node));
    }

    fn visit_local(&mut self, node: &'ast syn::Local) {
        let Some(value) = &node.init else { return self.visit_pat(&node.pat) };
        self.visit_local_init(value);
        let waits = self.waits(&value.expr);
        self.visit_pat(&node.pat);
        if let syn::Pat::Ident(name) = &node.pat {
            self.bind(name.ident.to_string(), waits);
        }
    }

    fn visit_pat_ident(&mut self, node: &'ast syn::PatIdent) {
        self.bind(node.ident.to_string(), false);
        visit::visit_pat_ident(self, node);
    }

    /// A macro used as a statement may bind the names in its arguments.
    fn visit_stmt_macro(&mut self, node: &'ast syn::StmtMacro) {
        let plain = node.mac.path.get_ident().is_some_and(|name| is_plain(&self.own, &name.to_string()));
        if !plain {
            self.rebind(node.mac.tokens.clone());
        }
    }

    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
        if DEFERRING.contains(&node.method.to_string().as_str()) && !self.waits(&node.receiver) {
            self.findings.push(finding(node.method.span().start().line));
        }
        visit::visit_expr_method_call(self, node);
    }
}

impl Search {
    fn rebind(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(name) => self.bind(name.to_string(), false),
                TokenTree::Group(group) => self.rebind(group.stream()),
                _ => {}
            }
        }
    }
}

fn makes_builder(function: &syn::Expr) -> bool {
    let syn::Expr::Path(path) = function else { return false };
    let mut names = path.path.segments.iter().rev().map(|segment| segment.ident.to_string());
    names.next().is_some_and(|name| name == "new") && names.next().is_some_and(|name| name == "Builder")
}

/// Scope of rayon or std, behind any reference, or an inferred type.
fn may_be_scope(of: &syn::Type) -> bool {
    #[derive(Default)]
    struct Names(Vec<String>);
    impl<'ast> Visit<'ast> for Names {
        fn visit_path_segment(&mut self, node: &'ast syn::PathSegment) {
            self.0.push(node.ident.to_string());
            visit::visit_path_segment(self, node);
        }
    }
    let mut names = Names::default();
    names.visit_type(of);
    names.0.is_empty() || names.0.iter().any(|name| name.starts_with("Scope"))
}
