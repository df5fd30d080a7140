//! The observer of an emulator: the plug-in of `qemu/plugin`, built as the images are, and whether
//! this QEMU can load it.
//!
//! It is optional. Whatever stands in its way is a reason why scenarios that need it are ignored,
//! never trouble of the bench.

use crate::product::{FileError, Place, take_over};
use crashrig_qemu::{Program, observer};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::SystemTime;

/// What cargo calls it.
const PACKAGE: &str = "crashrig-plugin";
/// The file that cargo makes, in its folder of the development profile and in ours.
const FILE: &str = "libcrashrig_plugin.so";

/// The plug-in for one QEMU, looked for once.
#[derive(Debug)]
pub struct ObserverSource {
    program: Program,
    workspace: PathBuf,
    target_folder: PathBuf,
    found: OnceLock<Result<PathBuf, String>>,
}

/// Why there is no plug-in.
#[derive(Debug, thiserror::Error)]
enum PluginError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{command} failed: {line}")]
    Build { command: String, line: String },
}

impl ObserverSource {
    /// Nothing is looked for yet.
    #[must_use]
    pub const fn new(program: Program, workspace: PathBuf, target_folder: PathBuf) -> Self {
        Self { program, workspace, target_folder, found: OnceLock::new() }
    }

    /// The file that QEMU can load. When it is fresh, this takes a few milliseconds.
    ///
    /// # Errors
    /// A phrase: QEMU loads no plug-ins, or the plug-in cannot be built.
    pub fn file(&self) -> Result<&PathBuf, &str> {
        let find = || {
            observer::probe(&self.program)?;
            self.build().map_err(|error| error.to_string())
        };
        self.found.get_or_init(find).as_ref().map_err(String::as_str)
    }

    fn build(&self) -> Result<PathBuf, PluginError> {
        let place = Place { workspace: &self.workspace, target_folder: &self.target_folder };
        let product = self.target_folder.join("crashrig").join("plugin").join(FILE);
        place.refresh(&product, |started: SystemTime| {
            place.cargo(&["build", "--package", PACKAGE], &[])?.map_err(|refusal| {
                let error = refusal.output.lines().find(|line| line.starts_with("error"));
                let line = error.unwrap_or("no line of an error").to_owned();
                PluginError::Build { command: refusal.command, line }
            })?;
            let built = self.target_folder.join("debug").join(FILE);
            take_over::<PluginError>(&built, &product, started, |_| Ok(()))
        })?;
        Ok(product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crashrig_qemu::discover;
    use std::path::Path;

    fn check(program: Program, workspace: &Path, parts: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let source = ObserverSource::new(program, workspace.into(), folder.path().into());
        let reason = source.file().unwrap_err();
        for part in parts {
            assert!(reason.contains(part), "{part:?} in {reason:?}");
        }
        assert_eq!(reason.lines().count(), 1, "a phrase for a list: {reason:?}");
    }

    #[test]
    fn what_stands_in_the_way_is_a_reason() {
        let program = discover::find().unwrap();
        let workspace = tempfile::tempdir().unwrap();
        let none = Program { path: "/no/such/qemu".into(), ..program.clone() };
        check(none, workspace.path(), &["start /no/such/qemu"]);
        let no_workspace = ["cargo", "build --package crashrig-plugin", "failed: error"];
        check(program.clone(), workspace.path(), &no_workspace);
        check(program, Path::new("/no/such/workspace"), &["start", "cargo"]);
    }
}
