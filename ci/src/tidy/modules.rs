//! Rule: each source file is a part of some crate.
//!
//! A file that no other names as a module is not compiled, and its tests do not run; nobody is
//! told. Two files of tests were lost like that when their lines were merged away.

use super::{Finding, Source, Tree};

/// Files of these names begin a crate, or are the module that their folder is named after.
const HEADS: [&str; 4] = ["lib", "main", "mod", "build"];
/// Each file in a folder of these names begins a crate of its own.
const PROGRAMS: [&str; 4] = ["tests", "benches", "examples", "bin"];

/// Each file begins a crate, or the one above it in its folder names it.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let lost = tree.rust().filter(|file| !is_part(tree, file));
    let finding = |file: &Source| {
        Finding::new(&file.path, 1, "a file that is not compiled", "its `mod` in the file above")
    };
    lost.map(finding).collect()
}

fn is_part(tree: &Tree, file: &Source) -> bool {
    let path = file.path.strip_suffix(".rs").unwrap_or(&file.path);
    let (folder, stem) = split(path);
    if stem == "mod" {
        let (above, name) = split(folder);
        return is_named(tree, above, name);
    }
    let is_head = HEADS.contains(&stem) || is_of_programs(folder);
    is_head
        || is_named(tree, folder, stem)
        || has_path(tree, folder, stem)
        || is_compiled_by_test(tree, &file.path, folder)
}

/// Whether a test names a file, or all of its folder, to have it compiled, and perhaps refused.
fn is_compiled_by_test(tree: &Tree, path: &str, folder: &str) -> bool {
    let Some((_, inside)) = path.split_once("/tests/") else { return false };
    let all = folder.split_once("/tests/").map(|(_, folder)| format!("tests/{folder}/*.rs"));
    let names = [Some(format!("tests/{inside}")), all];
    let names: Vec<_> = names.iter().flatten().map(|name| format!("\"{name}\"")).collect();
    tree.rust().any(|file| {
        file.lines().any(|(_, line)| names.iter().any(|name| line.contains(name.as_str())))
    })
}

/// Whether a file above a folder has a module of a name.
fn is_named(tree: &Tree, folder: &str, name: &str) -> bool {
    let module = format!("mod {name};");
    let mut above = tree.rust().filter(|file| is_above(&file.path, folder));
    above.any(|file| file.lines().any(|(_, line)| is_module(line, &module)))
}

/// Whether a file in the same folder says that a module lies in this one.
fn has_path(tree: &Tree, folder: &str, name: &str) -> bool {
    let path = format!("path = \"{name}.rs\"");
    let mut beside = tree.rust().filter(|file| split(&file.path).0 == folder);
    beside.any(|file| file.lines().any(|(_, line)| line.contains(&path) && !is_comment(line)))
}

/// The folder of a path, and the rest.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn is_of_programs(folder: &str) -> bool {
    PROGRAMS.contains(&split(folder).1)
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// A line that is a module, whoever may see it.
fn is_module(line: &str, module: &str) -> bool {
    let before = line.trim_end().strip_suffix(module);
    let is_module = before.is_some_and(|before| before.is_empty() || before.ends_with([' ', ']']));
    is_module && !is_comment(line)
}

/// Whether a file can name those in a folder: the head of it, the file of its name, or, where each
/// file is a program, any.
fn is_above(path: &str, folder: &str) -> bool {
    let Some(path) = path.strip_suffix(".rs") else { return false };
    if path == folder {
        return true;
    }
    let (place, stem) = split(path);
    place == folder && (HEADS.contains(&stem) || is_of_programs(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::check_rule;

    fn lost(path: &str) -> String {
        format!("{path}:1: found a file that is not compiled, expected its `mod` in the file above")
    }

    #[test]
    fn a_file_that_nobody_names_is_lost() {
        let files = [
            ("a/src/lib.rs", "mod heap;\n// mod gone;\nmod premod;\n"),
            ("a/src/heap/mod.rs", "pub(crate) mod lists;\n"),
            ("a/src/heap/lists.rs", ""),
            ("a/src/heap/left.rs", ""),
            ("a/src/gone.rs", ""),
            ("a/src/od.rs", ""),
            ("a/src/premod.rs", "mod below;"),
            ("a/src/premod/below.rs", ""),
            ("a/src/premod/aside.rs", ""),
            ("a/src/lone/mod.rs", ""),
        ];
        let expected = ["gone", "heap/left", "lone/mod", "od", "premod/aside"];
        let expected = expected.map(|name| lost(&format!("a/src/{name}.rs")));
        check_rule(check, &files, &expected.each_ref().map(String::as_str));
    }

    #[test]
    fn what_begins_a_crate_is_named_by_nobody() {
        let files = [
            ("a/build.rs", ""),
            ("a/src/main.rs", "#[cfg_attr(new, path = \"mpu_new.rs\")]\nmod mpu;\n"),
            ("a/src/mpu.rs", "#[path = \"mpu_tests.rs\"]\nmod tests;\n"),
            ("a/src/mpu_new.rs", ""),
            ("a/src/mpu_tests.rs", ""),
            ("a/src/bin/other.rs", ""),
            ("a/tests/whole.rs", "mod ram;\n"),
            ("a/tests/ram/mod.rs", ""),
            ("a/tests/heap/main.rs", "mod bits;\n"),
            ("a/tests/heap/bits.rs", ""),
            ("a/tests/heap/trace.rs", ""),
            ("a/tests/types.rs", "pass(\"tests/types/one.rs\"); fail(\"tests/types/bad/*.rs\");"),
            ("a/tests/types/one.rs", ""),
            ("a/tests/types/two.rs", ""),
            ("a/tests/types/bad/three.rs", ""),
        ];
        let expected = [lost("a/tests/heap/trace.rs"), lost("a/tests/types/two.rs")];
        check_rule(check, &files, &expected.each_ref().map(String::as_str));
    }
}
