//! Rule: a function fits on a screen. Counted by a real parser, from `fn` to the closing brace.

use super::{Finding, Source, Tree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// What a function may have, in lines.
const MOST_LINES: usize = 70;

/// Functions stay short, tests and closures inside them counted in.
pub fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(in_file).collect()
}

fn in_file(source: &Source) -> Vec<Finding> {
    match syn::parse_file(&source.text) {
        Ok(file) => {
            let mut lengths = Lengths { path: &source.path, findings: Vec::new() };
            lengths.visit_file(&file);
            lengths.findings
        }
        Err(problem) => {
            let line = problem.span().start().line;
            vec![Finding::new(&source.path, line, problem.to_string(), "a Rust source file")]
        }
    }
}

struct Lengths<'a> {
    path: &'a str,
    findings: Vec<Finding>,
}

impl Lengths<'_> {
    fn measure(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let lines = body.span().end().line.saturating_sub(first) + 1;
        if lines > MOST_LINES {
            let found = format!("{lines} lines in `{}`", signature.ident);
            let expected = format!("at most {MOST_LINES}");
            self.findings.push(Finding::new(self.path, first, found, expected));
        }
    }
}

impl<'ast> Visit<'ast> for Lengths<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.measure(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_rule;
    use super::*;

    #[test]
    fn long_functions_are_found_wherever_they_stand() {
        let body = |lines: usize| "\n".repeat(lines - 1);
        let text = format!(
            "fn short() {{{}}}\nfn long() {{{}}}\nimpl A {{ fn method() {{{}}} }}\n\
             trait T {{ fn given() {{{}}} }}\nmod m {{ fn inner() {{{}}} }}\n",
            body(70),
            body(71),
            body(80),
            body(90),
            body(100)
        );
        check_rule(
            check,
            &[("a.rs", &text), ("b.rs", "fn (\n")],
            &[
                "a.rs:71: found 71 lines in `long`, expected at most 70",
                "a.rs:142: found 80 lines in `method`, expected at most 70",
                "a.rs:222: found 90 lines in `given`, expected at most 70",
                "a.rs:312: found 100 lines in `inner`, expected at most 70",
                "b.rs:1: found cannot parse string into token stream, expected a Rust source file",
            ],
        );
    }
}
