//! The images of a board, application and bootloader: built by cargo at most once a run, found
//! without cargo when they are fresh (see [`crate::product`]).

use crate::evidence::{BOOTLOADER_FILE, IMAGE_FILE};
use crate::image::{ImageProblem, seal};
use crate::product::{FileError, Place, take_over};
use crashrig_layout::parse::Board;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folder of the board files, in the workspace.
pub const BOARDS_FOLDER: &str = "firmware/boards";
/// Package and binary of the image.
const IMAGE: Part = Part { package: "crashrig-image", file: IMAGE_FILE };
/// Those of the bootloader.
const BOOTLOADER: Part = Part { package: "crashrig-bootloader", file: BOOTLOADER_FILE };
/// Those of the bench that compares heaps.
const BENCH: Part = Part { package: "crashrig-bench", file: "bench.elf" };
/// Those of the witness for the models of DMA.
const HAL: Part = Part { package: "crashrig-hal", file: "hal.elf" };
/// Those of the program that debugging tools of others are tried with.
const RTT: Part = Part { package: "crashrig-rtt", file: "rtt.elf" };
/// Features of the bootloader; any other is one of the image.
const BOOTLOADER_FEATURES: &[&str] = &["without-image-check"];
/// Profile of the workspace manifest.
const PROFILE: &str = "firmware";
/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareError {
    /// A file or folder of the build cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
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
    /// Features of the image or the bootloader beside those that the board names; none but for
    /// mutants and levels of the heap.
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
    let of_image = [&request.board.image_features[..], &of_image].concat();
    part(&Request { features: &of_image, ..*request }, &IMAGE, &folder)
}

/// The image that compares heaps, built if it is not fresh.
///
/// # Errors
/// See [`FirmwareError`].
pub fn bench_image(request: &Request<'_>) -> Result<PathBuf, FirmwareError> {
    part(request, &BENCH, &request.folder())
}

/// The image with DMA of `stm32f4xx-hal`, built if it is not fresh.
///
/// # Errors
/// See [`FirmwareError`].
pub fn hal_image(request: &Request<'_>) -> Result<PathBuf, FirmwareError> {
    part(request, &HAL, &request.folder())
}

/// The image that logs through RTT, built if it is not fresh.
///
/// # Errors
/// See [`FirmwareError`].
pub fn rtt_image(request: &Request<'_>) -> Result<PathBuf, FirmwareError> {
    part(request, &RTT, &request.folder())
}

fn part(request: &Request<'_>, part: &Part, folder: &Path) -> Result<PathBuf, FirmwareError> {
    let elf = folder.join(part.file);
    let place = Place { workspace: request.workspace, target_folder: request.target_folder };
    place.refresh(&elf, |started| build(request, part, &place, &elf, started))?;
    Ok(elf)
}

fn build(
    request: &Request<'_>,
    part: &Part,
    place: &Place<'_>,
    elf: &Path,
    started: SystemTime,
) -> Result<(), FirmwareError> {
    let triple = request.board.chip.core.rust_target();
    let mut arguments =
        vec!["build", "--package", part.package, "--target", triple, "--profile", PROFILE];
    let features = request.features.join(",");
    if !features.is_empty() {
        arguments.extend(["--features", &features]);
    }
    let variables = [("CRASHRIG_BOARD", request.board.name.as_str()), ("DEFMT_LOG", "trace")];
    if let Err(refusal) = place.cargo(&arguments, &variables)? {
        let board = request.board.name.clone();
        if refusal.output.contains("can't find crate for `core`") {
            return Err(FirmwareError::NotSetUp { board, triple });
        }
        let output = refusal.end();
        return Err(FirmwareError::Build { board, command: refusal.command, output });
    }
    // Cargo's folder is the next board's, too. The image's header is filled in on the way.
    let built = request.target_folder.join(triple).join(PROFILE).join(part.package);
    take_over(&built, elf, started, |bytes| {
        seal(bytes).map_err(|problem| FirmwareError::Seal { path: built.clone(), problem })
    })
}
