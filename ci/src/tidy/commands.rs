//! Rule about commands in documents and workflows: the jobs they name exist.

use super::{Finding, Source, Tree};
use crate::jobs::JOBS;

/// The words in front of the name of a job.
const DOOR: &str = "cargo ci ";
/// The two commands that do everything on a fresh machine.
const MAIN_COMMANDS: &[&str] = &["cargo ci demo", "cargo ci test"];

/// Jobs that are named exist; workflows do nothing but call them; the README names both main ones.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_ending(&["md", "yml"]) {
        findings.extend(unknown_jobs(file));
    }
    for file in tree.files.iter().filter(|file| file.path.starts_with(".github/workflows/")) {
        findings.extend(other_commands(file));
    }
    if let Some(readme) = tree.file("README.md") {
        for command in MAIN_COMMANDS.iter().filter(|command| !readme.text.contains(*command)) {
            let expected = format!("`{command}`");
            findings.push(Finding::new(&readme.path, 1, "no such command", expected));
        }
    }
    findings
}

fn unknown_jobs(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for (at, _) in line.match_indices(DOOR) {
            let rest = line.get(at + DOOR.len()..).unwrap_or_default();
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            // `cargo ci <job>` stands for any of them.
            if !name.is_empty() && JOBS.iter().all(|job| job.name != name) {
                let names: Vec<_> = JOBS.iter().map(|job| job.name).collect();
                let found = format!("the job `{name}`");
                let expected = format!("one of {}", names.join(", "));
                findings.push(Finding::new(&file.path, number, found, expected));
            }
        }
    }
    findings
}

fn other_commands(file: &Source) -> Vec<Finding> {
    let commands = file.lines().filter_map(|(number, line)| {
        let command = line.trim_start().trim_start_matches("- ").strip_prefix("run:")?;
        Some((number, command.trim()))
    });
    commands
        .filter(|(_, command)| !command.starts_with(DOOR) || command.contains(['&', ';', '|']))
        .map(|(number, command)| {
            let found = format!("the command `{command}`");
            Finding::new(&file.path, number, found, "one job, called by `cargo ci`")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::check_rule;
    use super::*;

    #[test]
    fn named_jobs_exist() {
        let names: Vec<_> = JOBS.iter().map(|job| job.name).collect();
        let expected =
            format!("docs/a.md:2: found the job `tset`, expected one of {}", names.join(", "));
        let text = "`cargo ci test`, `cargo ci <job>`\n`cargo ci tset`\n";
        check_rule(check, &[("docs/a.md", text)], &[&expected]);
    }

    #[test]
    fn a_workflow_only_calls_jobs() {
        let text = "a:\n  - run: cargo ci test\n  - name: b\n    run: apt-get install c\n\
                    \x20   run: cargo ci lint && rm d\n";
        let place = ".github/workflows/ci.yml";
        let end = "expected one job, called by `cargo ci`";
        check_rule(
            check,
            &[(place, text)],
            &[
                &format!("{place}:4: found the command `apt-get install c`, {end}"),
                &format!("{place}:5: found the command `cargo ci lint && rm d`, {end}"),
            ],
        );
    }

    #[test]
    fn the_readme_names_what_to_type() {
        let expected = "README.md:1: found no such command, expected `cargo ci test`";
        check_rule(check, &[("README.md", "# A\n\n`cargo ci demo`\n")], &[expected]);
    }
}
