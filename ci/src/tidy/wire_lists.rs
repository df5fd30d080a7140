//! The closed lists of `wire`, read from its source: names from the code, meanings from the
//! comments.
//!
//! The names alone would come from the crate itself; what they mean stands in doc comments, and the
//! glossary shall say the same words. Reading both here keeps one home for them.

use proc_macro2::TokenTree;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;

/// One entry of a closed list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name in scenario files and reports.
    pub name: String,
    /// Its code, as the source writes it.
    pub code: String,
    /// What its doc comment says, in one line.
    pub meaning: String,
}

/// A closed list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The name of its type, e.g. `Fault`.
    pub name: String,
    /// The word for one entry, e.g. `fault`.
    pub what: String,
    /// Its entries, in the order of their codes.
    pub entries: Vec<Entry>,
}

/// The list with a name, e.g. `Fault`, in a source file of `wire`; nothing if it is not there.
///
/// # Errors
/// If the file is not Rust, or a list in it is not in the known form.
pub fn find(text: &str, list: &str) -> syn::Result<Option<List>> {
    for item in syn::parse_file(text)?.items {
        let syn::Item::Macro(item) = item else { continue };
        let closed = item.mac.path.segments.last().is_some_and(|part| part.ident == "closed_list");
        if closed && item.ident.is_none() {
            let parsed: List = syn::parse2(item.mac.tokens)?;
            if parsed.name == list {
                return Ok(Some(parsed));
            }
        }
    }
    Ok(None)
}

/// `#[doc] Name, "what"; #[doc] Variant = code, "name"; …`
impl Parse for List {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(syn::Attribute::parse_outer)?;
        let name = input.parse::<syn::Ident>()?.to_string();
        if input.parse::<Option<syn::Token![as]>>()?.is_some() {
            input.parse::<syn::Ident>()?;
        }
        input.parse::<syn::Token![,]>()?;
        let what = input.parse::<syn::LitStr>()?.value();
        input.parse::<syn::Token![;]>()?;
        let rows = Punctuated::<Row, syn::Token![;]>::parse_terminated(input)?;
        Ok(Self { name, what, entries: rows.into_iter().map(|row| row.0).collect() })
    }
}

struct Row(Entry);

impl Parse for Row {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let comments = input.call(syn::Attribute::parse_outer)?;
        input.parse::<syn::Ident>()?;
        input.parse::<syn::Token![=]>()?;
        let code = input.parse::<TokenTree>()?.to_string();
        input.parse::<syn::Token![,]>()?;
        let name = input.parse::<syn::LitStr>()?.value();
        let lines: Vec<_> = comments.iter().filter_map(comment).collect();
        Ok(Self(Entry { name, code, meaning: plain(&lines.join(" ")) }))
    }
}

fn comment(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    let syn::Expr::Lit(value) = &pair.value else { return None };
    match &value.lit {
        syn::Lit::Str(text) if pair.path.is_ident("doc") => Some(text.value().trim().to_owned()),
        _ => None,
    }
}

/// A comment as a cell of a table: links to code become code, and bars do not end the cell.
fn plain(comment: &str) -> String {
    comment.replace("[`", "`").replace("`]", "`").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_comments_become_entries() {
        let text = "crate::names::closed_list! {\n/// A.\nOther, \"other\"; /// B\nX = 1, \"x\";\n\
                    }\n\
                    closed_list! {\n/// The list.\nList as u16, \"list\";\n\
                    /// One, see [`A`],\n/// of two.\n\
                    One = 1, \"one\";\n/// Two | more.\nTwo = 2, \"two\"; }\n";
        let list = find(text, "List").unwrap().unwrap();
        assert_eq!(list.what, "list");
        let pairs: Vec<_> =
            list.entries.iter().map(|e| (e.name.as_str(), e.meaning.as_str())).collect();
        assert_eq!(pairs, [("one", "One, see `A`, of two."), ("two", "Two \\| more.")]);
        assert_eq!(find(text, "Gone").unwrap(), None);
        assert!(find("closed_list! { List }", "List").is_err());
    }
}
