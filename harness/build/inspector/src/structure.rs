//! What only the parsed source shows: whose spawn is called, and which words are names of values.

use crate::paths::DEFERRING;
use crate::rules::Finding;
use std::collections::BTreeSet;
use syn::visit::{self, Visit};

#[derive(Default)]
pub struct Structure {
    /// Names bound by a closure or a function's parameters: a scope is always one of these.
    parameters: BTreeSet<String>,
    /// Receivers of spawn that are not plain names, or the name and the line.
    spawns: Vec<(Option<String>, usize)>,
    mentions_pool: bool,
    /// Line and column of every word that can only name a function, a variable or a field, never a type.
    pub values: BTreeSet<(usize, usize)>,
    /// In how many macros, one in the arguments of another, we are: each is read anew.
    macros: usize,
}

const MACROS_READ: usize = 4;

pub fn read(file: &syn::File) -> Structure {
    let mut structure = Structure::default();
    structure.visit_file(file);
    structure
}

impl Structure {
    /// spawn on a rayon pool is not awaited; on a scope, which comes as a parameter, it is.
    pub fn deferred(&self) -> Vec<Finding> {
        if !self.mentions_pool {
            return Vec::new();
        }
        let awaited = |name: &Option<String>| name.as_ref().is_some_and(|name| self.parameters.contains(name));
        let pool = self.spawns.iter().filter(|(receiver, _)| !awaited(receiver));
        pool.map(|(_, line)| Finding {
            rule: "deferred-work",
            line: *line,
            detail: "spawns on a thread pool".to_owned(),
        })
        .collect()
    }
}

impl<'ast> Visit<'ast> for Structure {
    fn visit_expr_closure(&mut self, node: &'ast syn::ExprClosure) {
        node.inputs.iter().for_each(|input| self.bind(input));
        visit::visit_expr_closure(self, node);
    }

    fn visit_fn_arg(&mut self, node: &'ast syn::FnArg) {
        if let syn::FnArg::Typed(typed) = node {
            self.bind(&typed.pat);
        }
        visit::visit_fn_arg(self, node);
    }

    fn visit_signature(&mut self, node: &'ast syn::Signature) {
        self.value(&node.ident);
        visit::visit_signature(self, node);
    }

    fn visit_field(&mut self, node: &'ast syn::Field) {
        node.ident.iter().for_each(|name| self.value(name));
        visit::visit_field(self, node);
    }

    fn visit_member(&mut self, node: &'ast syn::Member) {
        if let syn::Member::Named(name) = node {
            self.value(name);
        }
    }

    fn visit_pat_ident(&mut self, node: &'ast syn::PatIdent) {
        self.value(&node.ident);
        visit::visit_pat_ident(self, node);
    }

    /// In a value's path, what stands last is the value; a type can only stand before it.
    fn visit_expr_path(&mut self, node: &'ast syn::ExprPath) {
        node.path.segments.last().into_iter().for_each(|last| self.value(&last.ident));
        visit::visit_expr_path(self, node);
    }

    /// The arguments of assert!, vec! and their like are expressions. A macro of the candidate's own proves nothing.
    fn visit_macro(&mut self, node: &'ast syn::Macro) {
        if self.macros == MACROS_READ {
            return;
        }
        let arguments = syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        for argument in node.parse_body_with(arguments).into_iter().flatten() {
            let mut inside = Structure { macros: self.macros + 1, ..Structure::default() };
            inside.visit_expr(&argument);
            self.values.append(&mut inside.values);
            // Dropping a tree recurses, as deep as the candidate likes.
            std::mem::forget(argument);
        }
    }

    fn visit_ident(&mut self, node: &'ast proc_macro2::Ident) {
        self.mentions_pool |= node.to_string().starts_with("ThreadPool");
    }

    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
        self.value(&node.method);
        if DEFERRING.contains(&node.method.to_string().as_str()) && !names_builder(&node.receiver) {
            let receiver = match &*node.receiver {
                syn::Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
                _ => None,
            };
            self.spawns.push((receiver, node.method.span().start().line));
        }
        visit::visit_expr_method_call(self, node);
    }
}

impl Structure {
    fn value(&mut self, name: &proc_macro2::Ident) {
        let start = name.span().start();
        self.values.insert((start.line, start.column));
    }

    fn bind(&mut self, pattern: &syn::Pat) {
        match pattern {
            syn::Pat::Ident(name) => {
                self.parameters.insert(name.ident.to_string());
            }
            syn::Pat::Type(typed) => self.bind(&typed.pat),
            syn::Pat::Reference(inner) => self.bind(&inner.pat),
            _ => {}
        }
    }
}

/// std::thread::Builder::new().name(…).spawn(…), which returns a handle to join.
fn names_builder(mut receiver: &syn::Expr) -> bool {
    while let syn::Expr::MethodCall(call) = receiver {
        receiver = &call.receiver;
    }
    let syn::Expr::Call(call) = receiver else { return false };
    let syn::Expr::Path(path) = &*call.func else { return false };
    path.path.segments.iter().any(|segment| segment.ident == "Builder")
}
