//! DMA of the published crate `stm32f4xx-hal`, unchanged, on the models of DMA1 and DMA2: the image
//! of `firmware/hal` on every QEMU of this machine.
//!
//! The image reports what the crate gave back. That it was the models that moved the bytes is
//! counted at their bus; without them, the program comes to no end.
#![expect(clippy::unwrap_used, reason = "a test may stop anywhere")]

mod witness;

use crashrig_harness::execute::load_image;
use crashrig_harness::firmware::{Request, hal_image};
use crashrig_harness::image::Image;
use crashrig_harness::rig::{DEFAULT_BOARD, Rig};
use crashrig_harness::target::emulator::dma_controllers;
use crashrig_layout::parse::Board;
use crashrig_qemu::{Emulator, KeeperProgram, Launch, Limits, Stop, discover};
use std::path::{Path, PathBuf};
use std::time::Duration;
use witness::{Moved, Witnessed};

/// Flags of a stream, as they stand in LISR and HISR.
const FIFO_ERROR: u32 = 1 << 0;
const TRANSFER_ERROR: u32 = 1 << 3;
const HALF: u32 = 1 << 4;
const COMPLETE: u32 = 1 << 5;
/// Bits of the image's words, and how its program ends: `firmware/hal/src/device/report.rs`.
const WHOLE: u32 = 1 << 8;
const INTERRUPTED: u32 = 1 << 9;
const FINISHED: u32 = 1;
/// A copy that went through.
const COPIED: u32 = HALF | COMPLETE | WHOLE;

/// What each case but the paused one comes to. Items that are left stand from bit 16.
const CASES: [(&str, u32); 11] = [
    ("ONE_BYTE", COPIED),
    ("ODD", COPIED),
    ("BURSTS_OF_4", COPIED),
    ("BURSTS_OF_16", COPIED),
    ("NEXT", COPIED),
    ("MISFIT", FIFO_ERROR | 64 << 16),
    // Nothing was copied, which is what the image calls whole here.
    ("FROM_CCM", TRANSFER_ERROR | WHOLE | 64 << 16),
    ("AFTER_ERROR", COPIED),
    // The handler has cleared the flag of the end.
    ("BY_INTERRUPT", HALF | WHOLE | INTERRUPTED),
    ("TEXT", WHOLE | INTERRUPTED),
    ("TEXTS", HALF | WHOLE),
];

/// What USART2 sends.
const TEXT: &str = "stm32f4xx-hal sends this by stream 6 of DMA1, with an interrupt\n";
/// Bytes of each of the texts of USART3, which are of one digit each.
const LENGTH: usize = 512;

/// Bytes of the copies that go through: the cases above, the first target of `NEXT`, and a page by
/// interrupt.
const COPIED_BYTES: usize = 1 + 101 + 256 + 1024 + 500 + 300 + 64 + 4096;
/// Items of the paused copy.
const PAUSED_ITEMS: usize = 8192;

/// One QEMU with the image, and its output.
struct Bench {
    emulator: Emulator,
    image: Image,
    /// What the serial ports have sent, from the first one on.
    sent: [PathBuf; 3],
    _folder: tempfile::TempDir,
}

impl Bench {
    fn start(program: &crashrig_qemu::Program, image: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sent = ["1", "2", "3"].map(|port| folder.path().join(port));
        let mut launch = Launch::new(program.clone(), "netduinoplus2", folder.path());
        launch.image = Some(image.to_owned());
        launch.keeper = KeeperProgram { path: Some(env!("CARGO_BIN_EXE_crashrig").into()) };
        launch.serial_ports = sent.clone().into();
        let emulator = Emulator::start(&launch).unwrap();
        Self { emulator, image: load_image(image).unwrap(), sent, _folder: folder }
    }

    fn symbol(&self, name: &str) -> u32 {
        let name = format!("crashrig_hal::device::{name}");
        let symbol = self.image.symbol(&name);
        symbol.unwrap_or_else(|| unreachable!("no symbol {name}")).address
    }

    fn word(&mut self, name: &str) -> u32 {
        let address = self.symbol(&format!("report::{name}"));
        let mut bytes = [0; 4];
        self.emulator.read(address, &mut bytes).unwrap();
        u32::from_le_bytes(bytes)
    }

    /// Runs until the program has ended, or the limit.
    fn run(&mut self, instructions: u64) -> Stop {
        self.emulator.break_at(self.symbol("finished")).unwrap();
        self.emulator.resume().unwrap();
        let wall = Duration::from_secs(60);
        let limits = Limits { instructions: Some(instructions), wall, ..Limits::default() };
        self.emulator.wait(&limits).unwrap()
    }
}

fn board(rig: &Rig) -> Board {
    Board::load(&rig.boards(), DEFAULT_BOARD).unwrap()
}

/// The image, and each QEMU there is.
fn on_each(check: impl Fn(Bench, &Board)) {
    let rig = Rig::here();
    let board = board(&rig);
    let (workspace, target_folder) = (&rig.workspace, &rig.target_folder);
    let image = hal_image(&Request { workspace, target_folder, board: &board, features: &[] });
    let image = image.unwrap();
    let programs = discover::find_all();
    assert!(!programs.is_empty(), "no QEMU found; run `cargo ci setup`");
    for program in programs {
        eprintln!("on QEMU {}", program.version);
        check(Bench::start(&program, &image), &board);
    }
}

#[test]
fn the_crate_moves_memory_and_text() {
    on_each(|mut bench, board| {
        let moved = Moved::default();
        let controllers = dma_controllers(&board.chip);
        let model = Witnessed { controllers, moved: moved.clone() };
        bench.emulator.attach(Box::new(model)).unwrap();
        let stop = bench.run(50_000_000);
        assert!(!matches!(stop, Stop::Exit { .. } | Stop::Killed { .. }), "{stop:?}");
        let found = CASES.map(|(name, _)| (name, bench.word(name)));
        assert!(matches!(stop, Stop::Breakpoint { .. }), "{stop:?} with {found:x?}");
        assert_eq!(bench.word("END"), FINISHED, "with {found:x?}");
        for (found, expected) in found.into_iter().zip(CASES) {
            assert_eq!(found, expected, "{:#x}, expected {:#x}", found.1, expected.1);
        }
        let paused = bench.word("PAUSED");
        let left = (paused >> 16) as usize;
        assert_eq!(paused & 0xffff, WHOLE, "flags are cleared, and its beginning has arrived");
        assert!((1..PAUSED_ITEMS).contains(&left), "{left} items were left");

        let target = bench.symbol("copies::run::{{closure}}::TARGET");
        let copied = moved.bytes(target, 3 * 8192);
        assert_eq!(copied, COPIED_BYTES + PAUSED_ITEMS - left, "what the controllers wrote");
        let [first, second, third] =
            &bench.sent.clone().map(|it| std::fs::read_to_string(it).unwrap());
        assert_eq!((first.as_str(), second.as_str()), ("", TEXT));
        // The buffer that comes after the last is the third again, until the stream is disabled.
        let texts = ["1", "2", "3", "4", "3"].map(|digit| digit.repeat(LENGTH)).concat();
        assert!(texts.starts_with(third) && third.len() >= 4 * LENGTH, "{third}");
        for (data_register, text) in [(0x4000_4404, second), (0x4000_4804, third)] {
            assert_eq!(moved.bytes(data_register, 1), text.len(), "{data_register:#x}");
        }
    });
}

/// The control: nothing in QEMU does it.
#[test]
fn without_the_models_nothing_moves() {
    on_each(|mut bench, _| {
        // It polls until a limit ends it: of instructions, or of the log in which QEMU notes that
        // it has no such device.
        let stop = bench.run(2_000_000);
        assert!(matches!(stop, Stop::InstructionLimit | Stop::OutputLimit), "{stop:?}");
        assert_eq!((bench.word("END"), bench.word("ONE_BYTE")), (0, 0));
    });
}
