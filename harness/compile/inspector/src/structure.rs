//! Facts from the syntax tree: which words are names of values.

use std::collections::BTreeSet;
use syn::visit::{self, Visit};

#[derive(Default)]
pub struct Structure {
    /// Line and column of every word that can only name a function, a variable or a field, never a type.
    pub values: BTreeSet<(usize, usize)>,
    /// Depth of nested macro arguments; each is parsed separately.
    macros: usize,
}

const MACROS_READ: usize = 4;

pub fn read(file: &syn::File) -> Structure {
    let mut structure = Structure::default();
    structure.visit_file(file);
    structure
}

impl<'ast> Visit<'ast> for Structure {
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

    /// In the path of a value, only the last word is the value; a type can only precede it.
    fn visit_expr_path(&mut self, node: &'ast syn::ExprPath) {
        node.path.segments.last().into_iter().for_each(|last| self.value(&last.ident));
        visit::visit_expr_path(self, node);
    }

    /// The arguments of assert!, vec! and similar macros are expressions. A macro of the candidate's own proves
    /// nothing.
    fn visit_macro(&mut self, node: &'ast syn::Macro) {
        if self.macros == MACROS_READ {
            return;
        }
        let arguments = syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        for argument in node.parse_body_with(arguments).into_iter().flatten() {
            let mut inside = Structure { macros: self.macros + 1, ..Structure::default() };
            inside.visit_expr(&argument);
            // append() would merge the two sets again for every macro.
            self.values.extend(inside.values);
            // Dropping a tree recurses, as deep as the candidate chooses.
            std::mem::forget(argument);
        }
    }

    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
        self.value(&node.method);
        visit::visit_expr_method_call(self, node);
    }
}

impl Structure {
    fn value(&mut self, name: &proc_macro2::Ident) {
        let start = name.span().start();
        self.values.insert((start.line, start.column));
    }
}
