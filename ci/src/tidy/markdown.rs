//! Rule about documents: one title, and links that lead somewhere. The network is never asked.

use super::{Finding, Source, Tree};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// What a document holds that others can be checked against.
struct Document {
    titles: Vec<usize>,
    anchors: Vec<String>,
    links: Vec<(usize, String)>,
}

/// One title per document; links inside the project name a file and a heading that exist.
pub fn check(tree: &Tree) -> Vec<Finding> {
    tree.with_ending(&["md"]).flat_map(|file| in_document(tree, file)).collect()
}

fn in_document(tree: &Tree, file: &Source) -> Vec<Finding> {
    let document = read(&file.text);
    let mut findings = Vec::new();
    match document.titles.as_slice() {
        [1] => {}
        [line] => {
            findings.push(Finding::new(&file.path, *line, "a title further down", "it in line 1"));
        }
        [] => findings.push(Finding::new(&file.path, 1, "no title", "one, in line 1")),
        [_, second, ..] => {
            findings.push(Finding::new(&file.path, *second, "a second title", "one title"));
        }
    }
    for (line, link) in document.links {
        if let Some(problem) = broken(tree, file, &link) {
            findings.push(Finding::new(&file.path, line, format!("the link `{link}`"), problem));
        }
    }
    findings
}

/// What a link lacks; nothing if it leads somewhere or out of the project.
fn broken(tree: &Tree, file: &Source, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let place = if path.is_empty() { Some(file.path.clone()) } else { joined(&file.path, path) };
    let Some(place) = place.filter(|place| tree.has(place)) else {
        return Some("a file of the project".to_owned());
    };
    let target = tree.file(&place).filter(|target| target.is(&["md"]));
    let known = target.map(|target| read(&target.text).anchors).unwrap_or_default();
    if !anchor.is_empty() && !known.iter().any(|name| name == anchor) {
        return Some(format!("a heading of {place}"));
    }
    None
}

/// A path of a link as a path from the root; nothing if it leaves the project.
fn joined(document: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn read(text: &str) -> Document {
    let mut document = Document { titles: Vec::new(), anchors: Vec::new(), links: Vec::new() };
    let mut heading: Option<String> = None;
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        let line = text.get(..range.start).map_or(1, |head| head.matches('\n').count() + 1);
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                heading = Some(String::new());
                if level == HeadingLevel::H1 {
                    document.titles.push(line);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                document.anchors.extend(heading.take().map(|words| anchor(&words)));
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                document.links.push((line, dest_url.to_string()));
            }
            _ => {}
        }
    }
    document
}

/// The anchor of a heading as the usual viewers make it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::check_rule;
    use super::*;

    #[test]
    fn a_document_has_one_title_in_front() {
        check_rule(
            check,
            &[
                ("a.md", "# One\n\n```\n# no title\n```\n"),
                ("b.md", "text\n\n# One\n"),
                ("c.md", "text\n"),
                ("d.md", "# One\n\n# Two\n"),
            ],
            &[
                "b.md:3: found a title further down, expected it in line 1",
                "c.md:1: found no title, expected one, in line 1",
                "d.md:3: found a second title, expected one title",
            ],
        );
    }

    #[test]
    fn links_lead_to_files_and_headings() {
        let text = "# One\n\n[a](../b.rs) [b](c.md#the-end-of-it) [c](#one) [d](https://e.test)\n\n\
                    [e](gone.md)\n[f](c.md#gone)\n[g](../../x.md) [h](../docs/)\n";
        check_rule(
            check,
            &[("docs/a.md", text), ("docs/c.md", "# C\n\n## The `end` of it!\n"), ("b.rs", "")],
            &[
                "docs/a.md:5: found the link `gone.md`, expected a file of the project",
                "docs/a.md:6: found the link `c.md#gone`, expected a heading of docs/c.md",
                "docs/a.md:7: found the link `../../x.md`, expected a file of the project",
            ],
        );
    }
}
