//! Fetches the emulator of the backports suite and unpacks it into the tool cache.
//!
//! apt is given a source file, lists and a cache of its own, so the system's sources stay as they
//! are. Everything happens in a work folder; the last step is one rename, so an interruption leaves
//! nothing that looks complete. A lock keeps two set-ups from working in the same folder.

use super::{cache, packages, sources};
use crate::step::Step;
use anyhow::{Context as _, Result, anyhow, bail};
use crashrig_qemu::{discover, tools};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long apt may take to read the lists of one source.
const LISTS_DEADLINE: Duration = Duration::from_secs(5 * 60);
/// How long apt may take to fetch the packages, about 30 MB.
const PACKAGES_DEADLINE: Duration = Duration::from_secs(20 * 60);
/// How long another set-up is waited for.
const LOCK_DEADLINE: Duration = Duration::from_secs(25 * 60);
/// How many sources are tried before set-up gives up.
const SOURCE_LIMIT: usize = 4;
/// The machine of the suite, which the emulator must know.
const MACHINE: &str = "netduinoplus2";

/// Provides an unpacked emulator in the tool cache `cache_folder`.
///
/// # Errors
/// If the machine has no usable source, or a command fails; the message names it.
pub fn provide(codename: &str, cache_folder: &Path) -> Result<()> {
    fs::create_dir_all(cache_folder)
        .with_context(|| format!("cannot create {}", cache_folder.display()))?;
    let _lock = lock(&cache_folder.join("setup.lock"))?;
    if let Ok(program) = discover::at(&tools::qemu_program(cache_folder)) {
        eprintln!("emulator: QEMU {} was unpacked by another set-up meanwhile", program.version);
        return Ok(());
    }
    let work = cache_folder.join("setup.work");
    remove(&work)?;
    let folders = Folders::create(&work)?;
    let candidates = sources::backports(&sources::of_machine(Path::new("/etc/apt")), codename);
    if candidates.is_empty() {
        bail!(
            "no package source of this machine has the suite {codename} with component main; \
             expected one below /etc/apt, or an emulator named by CRASHRIG_QEMU"
        );
    }
    read_lists(&folders, &candidates)?;
    let mut query = folders.apt("apt-cache").arg("madison").arg(packages::PROGRAM_PACKAGE);
    query = query.args(packages::COMPANIONS).args(packages::MODULES);
    let (version, chosen) = packages::choose(&query.answer()?)?;
    eprintln!("emulator: fetching QEMU {version} ({} packages)", chosen.len());
    let fetch = folders.apt("apt-get").arg("download").args(&chosen);
    fetch.in_folder(&folders.packages).run_within(PACKAGES_DEADLINE)?;
    unpack(&folders)?;
    let program = discover::at(&folders.root.join(tools::PROGRAM_BELOW_ROOT))
        .map_err(|problem| anyhow!("failed to {problem}"))?;
    cache::require_machine(&program, MACHINE)?;
    let place = tools::qemu_root(cache_folder);
    remove(&place)?;
    fs::rename(&folders.root, &place)
        .with_context(|| format!("cannot move the emulator to {}", place.display()))?;
    eprintln!("emulator: QEMU {} unpacked into {}", program.version, place.display());
    remove(&work)
}

/// The folders of one set-up, all inside the work folder.
struct Folders {
    source: PathBuf,
    lists: PathBuf,
    cache: PathBuf,
    packages: PathBuf,
    root: PathBuf,
}

impl Folders {
    fn create(work: &Path) -> Result<Self> {
        let folders = Self {
            source: work.join("backports.sources"),
            lists: work.join("lists"),
            cache: work.join("cache"),
            packages: work.join("packages"),
            root: work.join("root"),
        };
        let partial = [folders.lists.join("partial"), folders.cache.join("archives/partial")];
        for folder in partial.iter().chain([&folders.packages, &folders.root]) {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        Ok(folders)
    }

    /// An apt program that sees our source alone and writes into our folders alone.
    fn apt(&self, program: &str) -> Step {
        let options = [
            format!("Dir::Etc::SourceList={}", self.source.display()),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={}", self.lists.display()),
            format!("Dir::Cache={}", self.cache.display()),
            "Acquire::Retries=3".to_owned(),
            // apt would otherwise fetch as a user that cannot enter a home folder.
            "APT::Sandbox::User=root".to_owned(),
        ];
        let step = Step::new(program).env("LC_ALL", "C");
        options.iter().fold(step.arg("-q"), |step, option| step.arg("-o").arg(option))
    }
}

/// Tries the sources in turn until apt can read the lists of one.
fn read_lists(folders: &Folders, candidates: &[String]) -> Result<()> {
    let mut problems = Vec::new();
    for text in candidates.iter().take(SOURCE_LIMIT) {
        fs::write(&folders.source, text)
            .with_context(|| format!("cannot write {}", folders.source.display()))?;
        let update = folders.apt("apt-get").args(["--error-on=any", "update"]);
        match update.run_within(LISTS_DEADLINE) {
            Ok(()) => return Ok(()),
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    bail!("no source of this machine gives the backports suite:\n{}", problems.join("\n"))
}

fn unpack(folders: &Folders) -> Result<()> {
    let entries = fs::read_dir(&folders.packages)
        .with_context(|| format!("cannot list {}", folders.packages.display()))?;
    for entry in entries {
        let package = entry.context("cannot list the packages")?.path();
        Step::new("dpkg").arg("-x").arg(&package).arg(&folders.root).run()?;
    }
    Ok(())
}

/// Holds the lock until it is dropped.
fn lock(place: &Path) -> Result<File> {
    let file = File::create(place).with_context(|| format!("cannot create {}", place.display()))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_DEADLINE => {}
            Err(problem) => {
                return Err(problem).with_context(|| format!("cannot lock {}", place.display()));
            }
        }
        if started.elapsed() < Duration::from_millis(150) {
            eprintln!("emulator: waiting for another set-up that holds {}", place.display());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn remove(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}
