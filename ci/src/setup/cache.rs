//! What is expected of an emulator beyond what `crashrig-qemu` asks: new enough, and able to start.
//!
//! Where the tool cache lies and how an unpacked emulator is recognised is stated in
//! `crashrig_qemu::tools`; nothing here repeats it.

use crate::step::Step;
use anyhow::{Context as _, Result, bail};
use crashrig_qemu::command::MODULE_VARIABLE;
use crashrig_qemu::{Program, Version, tools};
use std::path::PathBuf;

/// The oldest emulator that set-up is content with.
pub const OLDEST_WANTED: Version = Version { major: 8, minor: 0, patch: 0 };

/// Reads the numbers a text begins with, e.g. `10.0.2+ds-2` or `8.2`; missing ones are 0.
#[must_use]
pub fn leading_version(text: &str) -> Option<Version> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let mut numbers = text.get(..end)?.split('.').map(str::parse::<u32>);
    let major = numbers.next()?.ok()?;
    let mut following = || numbers.next().and_then(Result::ok).unwrap_or(0);
    Some(Version { major, minor: following(), patch: following() })
}

/// Requires that an emulator knows the machine the suite runs on, which it looks up with its
/// modules.
///
/// # Errors
/// If it does not, or cannot be started.
pub fn require_machine(program: &Program, machine: &str) -> Result<()> {
    let mut step = Step::new(&program.path).args(["-machine", "help"]);
    if let Some(folder) = &program.modules {
        step = step.env(MODULE_VARIABLE, folder);
    }
    if !step.answer()?.lines().any(|line| line.split_whitespace().next() == Some(machine)) {
        bail!("{} does not know the machine {machine}", program.path.display());
    }
    Ok(())
}

/// The tool cache of the user.
///
/// # Errors
/// If neither `XDG_CACHE_HOME` nor `HOME` is set to an absolute path.
pub fn folder() -> Result<PathBuf> {
    tools::cache_folder()
        .context("no cache folder: expected XDG_CACHE_HOME or HOME to be an absolute path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_front_of_package_versions() {
        for (text, expected) in [
            ("10.0.2+ds-2+deb13u1~bpo12+1", Some((10, 0, 2))),
            ("8.2", Some((8, 2, 0))),
            ("7.2+dfsg-7", Some((7, 2, 0))),
            ("", None),
            ("dfsg", None),
            (".2", None),
        ] {
            let expected = expected.map(|(major, minor, patch)| Version { major, minor, patch });
            assert_eq!(leading_version(text), expected, "{text}");
        }
    }

    #[test]
    fn what_knows_no_machine_is_refused() {
        let version = OLDEST_WANTED;
        let path = PathBuf::from("/bin/echo");
        let program = Program { path, version, share: None, modules: None };
        let message = require_machine(&program, "netduinoplus2").unwrap_err().to_string();
        assert!(message.contains("does not know the machine netduinoplus2"), "{message}");
    }
}
