//! What only the parsed source shows: whose spawn is called.

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
}

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

    fn visit_ident(&mut self, node: &'ast proc_macro2::Ident) {
        self.mentions_pool |= node.to_string().starts_with("ThreadPool");
    }

    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
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
