//! The table of exit codes, read from the source of the harness.
//!
//! Read and not linked, so that the door to every chore stays open while the harness does not
//! compile.

use std::collections::BTreeMap;
use syn::visit::{self, Visit};

/// Where the table stands.
pub const PLACE: &str = "harness/src/exit.rs";

/// Code, name and meaning of each exit code, in the order of the table; nothing if there is no such
/// table in the text.
#[must_use]
pub fn find(text: &str) -> Option<Vec<[String; 3]>> {
    let file = syn::parse_file(text).ok()?;
    let mut reader = Reader::default();
    reader.visit_file(&file);
    reader.rows.into_iter().collect::<Option<Vec<_>>>().filter(|rows| !rows.is_empty())
}

#[derive(Default)]
struct Reader {
    constants: BTreeMap<String, String>,
    rows: Vec<Option<[String; 3]>>,
}

impl Reader {
    /// One field of a row: a literal, or the name of a constant above the table.
    fn value(&self, row: &syn::ExprStruct, name: &str) -> Option<String> {
        let is_named = |member: &syn::Member| match member {
            syn::Member::Named(found) => found == name,
            syn::Member::Unnamed(_) => false,
        };
        let field = row.fields.iter().find(|field| is_named(&field.member))?;
        match &field.expr {
            syn::Expr::Path(path) => {
                self.constants.get(&path.path.get_ident()?.to_string()).cloned()
            }
            other => literal(other),
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_const(&mut self, constant: &'ast syn::ItemConst) {
        if let Some(value) = literal(&constant.expr) {
            self.constants.insert(constant.ident.to_string(), value);
        }
        visit::visit_item_const(self, constant);
    }

    fn visit_expr_struct(&mut self, row: &'ast syn::ExprStruct) {
        if row.path.is_ident("ExitCode") {
            let cells = ["code", "name", "meaning"].map(|name| self.value(row, name));
            let [Some(code), Some(name), Some(meaning)] = cells else {
                self.rows.push(None);
                return;
            };
            self.rows.push(Some([code, name, meaning]));
        }
    }
}

fn literal(expression: &syn::Expr) -> Option<String> {
    let syn::Expr::Lit(literal) = expression else { return None };
    match &literal.lit {
        syn::Lit::Int(number) => Some(number.base10_digits().to_owned()),
        syn::Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[[&str; 3]]>) {
        let expected =
            expected.map(|rows| rows.iter().map(|row| row.map(str::to_owned)).collect::<Vec<_>>());
        assert_eq!(find(text), expected, "{text}");
    }

    #[test]
    fn rows_are_read_with_their_constants() {
        let table = "pub const PASS: u8 = 0;\npub const TABLE: &[ExitCode] = &[\n\
                     ExitCode { code: PASS, name: \"pass\", meaning: \"all well\" },\n\
                     ExitCode { code: 7, name: \"odd\", meaning: \"not\" }];\n";
        check(table, Some(&[["0", "pass", "all well"], ["7", "odd", "not"]]));
    }

    #[test]
    fn a_row_that_cannot_be_read_is_no_table() {
        check(
            "const T: &[ExitCode] = &[ExitCode { code: f(), name: \"a\", meaning: \"b\" }];",
            None,
        );
        check("const T: u8 = 1;", None);
        check("not rust", None);
    }
}
