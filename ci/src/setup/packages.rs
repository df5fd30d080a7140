//! Which packages make up an unpacked emulator, and which version of each is taken.

use super::cache::{OLDEST_WANTED, leading_version};
use anyhow::{Context as _, Result};
use crashrig_qemu::Version;

/// The package that holds the program.
pub const PROGRAM_PACKAGE: &str = "qemu-system-arm";

/// What the program needs beside it.
pub const COMPANIONS: &[&str] = &["qemu-system-common", "qemu-system-data"];

/// Modules that the program looks for when it starts. Older releases carry some of them in other
/// packages, so a missing one is no error.
pub const MODULES: &[&str] =
    &["qemu-system-gui", "qemu-system-modules-opengl", "qemu-system-modules-spice"];

/// The versions a package has, from the answer of `apt-cache madison`.
#[must_use]
pub fn offered(answer: &str, package: &str) -> Vec<String> {
    let mut versions = Vec::new();
    for line in answer.lines() {
        let mut columns = line.split('|').map(str::trim);
        if columns.next() == Some(package)
            && let Some(version) = columns.next()
            && !versions.iter().any(|known| known == version)
        {
            versions.push(version.to_owned());
        }
    }
    versions
}

/// Chooses the newest wanted version of the program and what belongs to it, as `package=version`.
///
/// # Errors
/// If no version is new enough, or a companion of that version is missing.
pub fn choose(answer: &str) -> Result<(Version, Vec<String>)> {
    let offers = offered(answer, PROGRAM_PACKAGE);
    let newest = offers
        .iter()
        .filter_map(|version| Some((upstream(version)?, version)))
        .filter(|(number, _)| *number >= OLDEST_WANTED)
        // Among equal numbers the first stands, which apt lists as the newest.
        .reduce(|best, other| if other.0 > best.0 { other } else { best });
    let (number, version) = newest.with_context(|| {
        let found = if offers.is_empty() { "none".to_owned() } else { offers.join(", ") };
        format!("{PROGRAM_PACKAGE} has the versions {found}, expected {OLDEST_WANTED} or newer")
    })?;
    let mut chosen = vec![format!("{PROGRAM_PACKAGE}={version}")];
    for package in COMPANIONS.iter().chain(MODULES) {
        let offers = offered(answer, package);
        let belongs = |offer: &&String| without_rebuild(offer) == without_rebuild(version);
        match offers.iter().find(belongs) {
            Some(offer) => chosen.push(format!("{package}={offer}")),
            None if MODULES.contains(package) => {}
            None => anyhow::bail!(
                "{package} has the versions {}, expected {version} as {PROGRAM_PACKAGE} has",
                offers.join(", ")
            ),
        }
    }
    Ok((number, chosen))
}

/// The number of the program itself: after the epoch, up to the distribution's additions.
fn upstream(version: &str) -> Option<Version> {
    leading_version(version.split_once(':').map_or(version, |(_, rest)| rest))
}

/// A version without the mark of a rebuild, which packages of one source do not share.
fn without_rebuild(version: &str) -> &str {
    match version.rsplit_once("+b") {
        Some((head, tail)) if !tail.is_empty() && tail.chars().all(|c| c.is_ascii_digit()) => head,
        _ => version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[(&str, &str)], expected: Result<&[&str], &str>) {
        let answer: String = rows
            .iter()
            .map(|(package, version)| format!(" {package} | {version} | place Packages\n"))
            .collect();
        match (choose(&answer), expected) {
            (Ok((_, chosen)), Ok(expected)) => assert_eq!(chosen, expected),
            (Err(problem), Err(expected)) => {
                assert!(problem.to_string().contains(expected), "{problem}");
            }
            (found, expected) => panic!("found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn the_newest_version_and_its_companions_are_taken() {
        let rows = [
            ("qemu-system-arm", "1:9.2.0+ds-1~bpo12+1"),
            ("qemu-system-arm", "1:10.0.2+ds-2~bpo12+1+b3"),
            ("qemu-system-arm", "1:7.2+dfsg-7+b3"),
            ("qemu-system-common", "1:9.2.0+ds-1~bpo12+1"),
            ("qemu-system-common", "1:10.0.2+ds-2~bpo12+1+b3"),
            ("qemu-system-data", "1:10.0.2+ds-2~bpo12+1"),
            ("qemu-system-gui", "1:10.0.2+ds-2~bpo12+1+b4"),
        ];
        check(
            &rows,
            Ok(&[
                "qemu-system-arm=1:10.0.2+ds-2~bpo12+1+b3",
                "qemu-system-common=1:10.0.2+ds-2~bpo12+1+b3",
                "qemu-system-data=1:10.0.2+ds-2~bpo12+1",
                "qemu-system-gui=1:10.0.2+ds-2~bpo12+1+b4",
            ]),
        );
    }

    #[test]
    fn what_is_too_old_or_incomplete_is_refused() {
        check(&[], Err("versions none, expected 8.0.0 or newer"));
        check(&[("qemu-system-arm", "1:7.2-1")], Err("1:7.2-1, expected 8.0.0 or newer"));
        check(&[("qemu-system-arm", "1:8.2-1")], Err("qemu-system-common has the versions "));
    }
}
