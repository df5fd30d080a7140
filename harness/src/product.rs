//! What cargo builds for a run, outside of cargo's own folder: found without cargo when it is
//! fresh, built by one process at a time when it is not.
//!
//! Under nextest every test is a process of its own, so the question "is it fresh?" must cost next
//! to nothing: cargo leaves a list of every file that a product depends on beside it, and comparing
//! their times with the product's is a few dozen calls. Must never happen here: a product that
//! stands for sources other than those it was built from.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files that no dependency list names and that change a product all the same.
const SETTINGS: &[&str] =
    &["Cargo.lock", "Cargo.toml", "rust-toolchain.toml", ".cargo/config.toml"];

/// Lines of cargo's output that are shown when it fails.
const OUTPUT_LINES: usize = 40;

/// A file or folder of a build cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{action} {path}: {source}")]
pub struct FileError {
    /// What was to be done.
    pub action: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What the system says.
    pub source: std::io::Error,
}

impl FileError {
    fn of<'a>(action: &'static str, path: &'a Path) -> impl Fn(std::io::Error) -> Self + 'a {
        move |source| Self { action, path: path.to_owned(), source }
    }
}

/// Where cargo builds.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Folder of the workspace.
    pub workspace: &'a Path,
    /// Folder of build products; what is taken out of cargo's part is in `crashrig/` below it.
    pub target_folder: &'a Path,
}

/// What cargo said of a build that failed.
#[derive(Debug)]
pub struct Refusal {
    /// The command.
    pub command: String,
    /// What cargo said.
    pub output: String,
}

impl Refusal {
    /// The end of what cargo said.
    #[must_use]
    pub fn end(&self) -> String {
        let lines: Vec<_> = self.output.lines().collect();
        lines.get(lines.len().saturating_sub(OUTPUT_LINES)..).unwrap_or_default().join("\n")
    }
}

impl Place<'_> {
    /// Calls `build` if a product is not fresh, one builder at a time over all processes; whoever
    /// waited finds it fresh. What `build` gets is the time at which it started.
    ///
    /// # Errors
    /// The product's folder or the lock cannot be used, or what `build` says.
    pub fn refresh<E: From<FileError>>(
        &self,
        product: &Path,
        build: impl FnOnce(SystemTime) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_fresh(product) {
            return Ok(());
        }
        let folder = product.parent().unwrap_or(self.target_folder);
        std::fs::create_dir_all(folder).map_err(FileError::of("create", folder))?;
        let lock_path = self.target_folder.join("crashrig").join("build.lock");
        let lock = File::create(&lock_path).map_err(FileError::of("create", &lock_path))?;
        lock.lock().map_err(FileError::of("lock", &lock_path))?;
        if self.is_fresh(product) { Ok(()) } else { build(SystemTime::now()) }
    }

    /// Runs cargo with this place's target folder and some variables set; `Err` inside says why it
    /// did not build.
    ///
    /// # Errors
    /// Cargo cannot be started.
    pub fn cargo(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Result<(), Refusal>, FileError> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let target_folder = self.target_folder.display().to_string();
        let arguments = [arguments, &["--target-dir", &target_folder]].concat();
        // Flags of the caller's own build are not this one's; the workspace's configuration says
        // those.
        let mut expression = duct::cmd(&cargo, &arguments)
            .dir(self.workspace)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET")
            .stdin_null()
            .stderr_to_stdout()
            .stdout_capture()
            .unchecked();
        for (name, value) in variables {
            expression = expression.env(name, value);
        }
        let output = expression.run().map_err(FileError::of("start", Path::new(&cargo)))?;
        if output.status.success() {
            return Ok(Ok(()));
        }
        let command = format!("{cargo} {}", arguments.join(" "));
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Err(Refusal { command, output }))
    }

    fn is_fresh(&self, product: &Path) -> bool {
        let is_whole = product.metadata().is_ok_and(|file| file.len() > 0);
        let Some(built) = modified(product).filter(|_| is_whole) else { return false };
        let Ok(list) = std::fs::read_to_string(list_of(product)) else { return false };
        let settings = SETTINGS.iter().map(|name| self.workspace.join(name));
        // What the build itself wrote is as fresh as the product, or another board's by now.
        let is_input = |path: &PathBuf| !path.starts_with(self.target_folder);
        dependencies(&list).into_iter().filter(is_input).chain(settings).all(|path| {
            modified(&path).is_some_and(|changed| changed < built) && !grew(&path, built)
        })
    }
}

/// Takes a product and its dependency list out of cargo's folder, where the next build may write
/// over it; `change` is what is done to its bytes on the way. The list comes first: a product
/// without its list is not fresh. The product gets the time at which its build started, so that a
/// file changed during the build makes it stale.
///
/// # Errors
/// A file cannot be read or written, or what `change` says.
pub fn take_over<E: From<FileError>>(
    built: &Path,
    product: &Path,
    started: SystemTime,
    change: impl FnOnce(&mut [u8]) -> Result<(), E>,
) -> Result<(), E> {
    let read = |path: &Path| std::fs::read(path).map_err(FileError::of("read", path));
    let list = list_of(built);
    let mut file = read(built)?;
    change(&mut file)?;
    for (bytes, to) in [(read(&list)?, list_of(product)), (file, product.to_owned())] {
        let unfinished = to.with_extension("unfinished");
        std::fs::write(&unfinished, bytes)
            .and_then(|()| File::options().write(true).open(&unfinished)?.set_modified(started))
            .and_then(|()| std::fs::rename(&unfinished, &to))
            .map_err(FileError::of("write", &to))?;
    }
    Ok(())
}

fn list_of(product: &Path) -> PathBuf {
    product.with_extension("d")
}

/// A folder counts as changed when something was added to it, which its own time tells.
fn grew(path: &Path, built: SystemTime) -> bool {
    let Ok(entries) = std::fs::read_dir(path) else { return false };
    entries.flatten().any(|entry| modified(&entry.path()).is_none_or(|changed| changed >= built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// The files behind the colon of a dependency list; a blank inside of a name is escaped.
fn dependencies(list: &str) -> Vec<PathBuf> {
    let Some((_, files)) = list.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let mut paths = Vec::new();
    let mut current = String::new();
    let mut characters = files.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&' ') => {
                current.push(' ');
                characters.next();
            }
            ' ' => paths.push(PathBuf::from(std::mem::take(&mut current))),
            other => current.push(other),
        }
    }
    paths.push(PathBuf::from(current));
    paths.retain(|path| !path.as_os_str().is_empty());
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_list_may_have_blanks_in_its_names() {
        let list = "/t/image: /a/b.rs /a/with\\ blank.rs /c.toml\n\n/x: /y\n";
        let expected = ["/a/b.rs", "/a/with blank.rs", "/c.toml"].map(PathBuf::from);
        assert_eq!(dependencies(list), expected);
        assert!(dependencies("").is_empty());
    }
}
