//! A server of our command, and the `probe-rs` command at it.

use crashrig_harness::firmware::{Request, rtt_image as build};
use crashrig_harness::image::Image;
use crashrig_harness::rig::{DEFAULT_BOARD, Rig};
use crashrig_layout::parse::Board;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where `cargo ci probe-tools` has put the command.
const VARIABLE: &str = "CRASHRIG_PROBE_RS";

/// A running `probe-server`. Dropping it ends the server and its emulator.
pub struct Server {
    child: Child,
    /// What leads to the board: probe, description, chip.
    words: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts one for a program, which is not in flash yet.
    pub fn start(elf: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_crashrig"));
        command.arg("probe-server").arg("--elf").arg(elf);
        command.arg("--listen").arg(format!("unix:{}", folder.path().join("s").display()));
        command.arg("--chip-file").arg(folder.path().join("chip.yaml"));
        command.arg("--folder").arg(folder.path());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // What it tells its user to call is what is called here.
        let line = lines.map_while(Result::ok).find(|line| line.contains("probe-rs reset "));
        let line = line.expect("what to call");
        let (_, words) = line.split_once("probe-rs reset ").unwrap();
        let words = words.split_whitespace().map(str::to_owned).collect();
        Self { child, words, _folder: folder }
    }

    /// A call of `probe-rs`.
    pub fn command(&self, subcommand: &[&str], arguments: &[&str]) -> Command {
        let program = std::env::var_os(VARIABLE).expect("CRASHRIG_PROBE_RS leads to probe-rs");
        let mut command = Command::new(program);
        command.args(subcommand).args(&self.words).args(arguments).env("RUST_BACKTRACE", "0");
        command
    }

    /// A call that must succeed; its output.
    pub fn probe_rs(&self, subcommand: &[&str], arguments: &[&str]) -> String {
        let output = self.command(subcommand, arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{subcommand:?}: {text}\n{errors}");
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The keeper ends the emulator.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The test image and its file.
pub fn image() -> (PathBuf, Image) {
    let path = Rig::here().image(DEFAULT_BOARD, &[]).expect("an image");
    let image = Image::parse(std::fs::read(&path).unwrap(), &path).expect("an image");
    (path, image)
}

/// The image that logs through RTT.
pub fn rtt_image() -> PathBuf {
    let rig = Rig::here();
    let board = Board::load(&rig.boards(), DEFAULT_BOARD).expect("a board");
    let (workspace, target_folder) = (&rig.workspace, &rig.target_folder);
    build(&Request { workspace, target_folder, board: &board, features: &[] }).expect("an image")
}

/// The bytes that `read b8` prints: lines of an address, a colon, and bytes in hexadecimal.
pub fn words(text: &str) -> Vec<u8> {
    let bytes = text.lines().filter_map(|line| line.split_once(": ")).flat_map(|(_, bytes)| {
        bytes.split_whitespace().map(|digits| u8::from_str_radix(digits, 16).unwrap())
    });
    bytes.collect()
}
