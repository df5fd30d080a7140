//! The images of a board, application and bootloader: built by cargo at most once a run, found
//! without cargo when they are fresh.
//!
//! Under nextest every test is a process of its own, so the question "is it fresh?" must cost next
//! to nothing: cargo leaves a list of every file that the image depends on beside it, and comparing
//! their times with the image's is a few dozen calls.

use crate::evidence::{BOOTLOADER_FILE, IMAGE_FILE};
use crate::image::{ImageProblem, seal};
use crashrig_layout::parse::Board;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folder of the board files, in the workspace.
pub const BOARDS_FOLDER: &str = "firmware/boards";
/// Package and binary of the image.
const IMAGE: Part = Part { package: "crashrig-image", file: IMAGE_FILE };
/// Those of the bootloader.
const BOOTLOADER: Part = Part { package: "crashrig-bootloader", file: BOOTLOADER_FILE };
/// Features of the bootloader; any other is one of the image.
const BOOTLOADER_FEATURES: &[&str] = &["without-image-check"];
/// Profile of the workspace manifest.
const PROFILE: &str = "firmware";
/// Files that no dependency list names and that change the image all the same.
const SETTINGS: &[&str] =
    &["Cargo.lock", "Cargo.toml", "rust-toolchain.toml", ".cargo/config.toml"];

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareError {
    /// A file or folder of the build cannot be used.
    #[error("{action} {path}: {source}")]
    File {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Cargo did not build it.
    #[error("build the image for {board}: {command} failed\n{output}")]
    Build {
        /// The board.
        board: String,
        /// The command.
        command: String,
        /// The end of what cargo said.
        output: String,
    },
    /// The toolchain has no standard library for the chip.
    #[error(
        "build the image for {board}: the Rust target {triple} is not installed; \
         run `cargo ci setup`"
    )]
    NotSetUp {
        /// The board.
        board: String,
        /// What its chip's core wants.
        triple: &'static str,
    },
    /// What cargo built cannot be given its header.
    #[error("seal {path}: {problem}")]
    Seal {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: ImageProblem,
    },
}

/// What to build.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Folder of the workspace.
    pub workspace: &'a Path,
    /// Folder of build products; images are in `crashrig/` below it.
    pub target_folder: &'a Path,
    /// The board.
    pub board: &'a Board,
    /// Features of the image or the bootloader; none but for mutants.
    pub features: &'a [String],
}

impl Request<'_> {
    fn folder(&self) -> PathBuf {
        let mut name = self.board.name.clone();
        for feature in self.features {
            name = format!("{name}+{feature}");
        }
        self.target_folder.join("crashrig").join("images").join(name)
    }
}

/// One of the programs in flash.
#[derive(Debug, Clone, Copy)]
struct Part {
    package: &'static str,
    /// Name of its file, in a folder of images and in a bundle.
    file: &'static str,
}

/// The image of a board, built if it is not fresh; so is the bootloader, which lies beside it.
///
/// # Errors
/// See [`FirmwareError`].
pub fn image(request: &Request<'_>) -> Result<PathBuf, FirmwareError> {
    let is_bootloaders = |feature: &String| BOOTLOADER_FEATURES.contains(&feature.as_str());
    let (of_bootloader, of_image): (Vec<_>, Vec<_>) =
        request.features.iter().cloned().partition(is_bootloaders);
    let folder = request.folder();
    if request.board.bootloader.is_some() {
        part(&Request { features: &of_bootloader, ..*request }, &BOOTLOADER, &folder)?;
    }
    part(&Request { features: &of_image, ..*request }, &IMAGE, &folder)
}

fn part(request: &Request<'_>, part: &Part, folder: &Path) -> Result<PathBuf, FirmwareError> {
    let elf = folder.join(part.file);
    if is_fresh(request, &elf) {
        return Ok(elf);
    }
    std::fs::create_dir_all(folder).map_err(|source| FirmwareError::File {
        action: "create",
        path: folder.to_owned(),
        source,
    })?;
    // One builder at a time, over all processes; whoever waited finds a fresh image.
    let lock_path = request.target_folder.join("crashrig").join("build.lock");
    let file = |action: &'static str| {
        let path = lock_path.clone();
        move |source| FirmwareError::File { action, path, source }
    };
    let lock = File::create(&lock_path).map_err(file("create"))?;
    lock.lock().map_err(file("lock"))?;
    if !is_fresh(request, &elf) {
        build(request, part, &elf)?;
    }
    Ok(elf)
}

fn is_fresh(request: &Request<'_>, elf: &Path) -> bool {
    let Some(built) = modified(elf).filter(|_| elf.metadata().is_ok_and(|file| file.len() > 0))
    else {
        return false;
    };
    let Ok(list) = std::fs::read_to_string(elf.with_extension("d")) else { return false };
    let settings = SETTINGS.iter().map(|name| request.workspace.join(name));
    // What the build itself wrote is as fresh as the image, or another board's by now.
    let is_input = |path: &PathBuf| !path.starts_with(request.target_folder);
    dependencies(&list)
        .into_iter()
        .filter(is_input)
        .chain(settings)
        .all(|path| modified(&path).is_some_and(|changed| changed < built) && !grew(&path, built))
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

fn build(request: &Request<'_>, part: &Part, elf: &Path) -> Result<(), FirmwareError> {
    let triple = request.board.chip.core.rust_target();
    let mut arguments = vec![
        "build".to_owned(),
        "--package".to_owned(),
        part.package.to_owned(),
        "--target".to_owned(),
        triple.to_owned(),
        "--profile".to_owned(),
        PROFILE.to_owned(),
        "--target-dir".to_owned(),
        request.target_folder.display().to_string(),
    ];
    if !request.features.is_empty() {
        arguments.extend(["--features".to_owned(), request.features.join(",")]);
    }
    let started = SystemTime::now();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let command = format!("{cargo} {}", arguments.join(" "));
    // Flags of the caller's own build are not the image's; the workspace's configuration says
    // those.
    let output = duct::cmd(&cargo, &arguments)
        .dir(request.workspace)
        .env("CRASHRIG_BOARD", &request.board.name)
        .env("DEFMT_LOG", "trace")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .stdin_null()
        .stderr_to_stdout()
        .stdout_capture()
        .unchecked()
        .run()
        .map_err(|source| FirmwareError::File { action: "start", path: cargo.into(), source })?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let board = request.board.name.clone();
        if text.contains("can't find crate for `core`") {
            return Err(FirmwareError::NotSetUp { board, triple });
        }
        let lines: Vec<_> = text.lines().collect();
        let end = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n");
        return Err(FirmwareError::Build { board, command, output: end });
    }
    take_over(request, part, elf, started)
}

/// Takes image and dependency list out of cargo's folder, which the next board will write over, and
/// fills in the image's header. The list comes first: an image without its list is not fresh. The
/// image gets the time at which its build started, so that a file changed during the build makes it
/// stale.
fn take_over(
    request: &Request<'_>,
    part: &Part,
    elf: &Path,
    started: SystemTime,
) -> Result<(), FirmwareError> {
    let triple = request.board.chip.core.rust_target();
    let built = request.target_folder.join(triple).join(PROFILE).join(part.package);
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| FirmwareError::File {
            action: "read",
            path: path.to_owned(),
            source,
        })
    };
    let list = built.with_extension("d");
    let mut file = read(&built)?;
    seal(&mut file).map_err(|problem| FirmwareError::Seal { path: built.clone(), problem })?;
    for (bytes, to) in [(read(&list)?, elf.with_extension("d")), (file, elf.to_owned())] {
        let unfinished = to.with_extension("unfinished");
        std::fs::write(&unfinished, bytes)
            .and_then(|()| File::options().write(true).open(&unfinished)?.set_modified(started))
            .and_then(|()| std::fs::rename(&unfinished, &to))
            .map_err(|source| FirmwareError::File { action: "write", path: to, source })?;
    }
    Ok(())
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
