//! Tiny Thumb images, and an emulator that runs one of them, for each QEMU of this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crashrig_qemu::{Emulator, KeeperProgram, Launch, Limits, Program, discover};

/// Where the code of every image begins; flat images are put at address 0, an alias of the flash.
pub const CODE: u32 = 0x40;
/// A word of RAM that the images count in.
pub const COUNTER: u32 = 0x2000_0000;
/// The first value of the stack pointer.
pub const STACK: u32 = 0x2001_0000;

/// A halfword of code, or the load of a constant into a register.
#[derive(Clone, Copy)]
pub enum Code {
    /// An instruction as it stands.
    Half(u16),
    /// `ldr rN, =VALUE`
    Load(u8, u32),
}

use Code::{Half, Load};

/// `b .`
pub const STAY: Code = Half(0xe7fe);

/// Counts boots in [`COUNTER`] and asks for a reset.
pub const RESET_LOOP: &[Code] = &[
    Load(0, COUNTER),
    Half(0x6801), // ldr r1, [r0]
    Half(0x3101), // adds r1, #1
    Half(0x6001), // str r1, [r0]
    Load(2, 0xe000_ed0c),
    Load(3, 0x05fa_0004),
    Half(0x6013), // str r3, [r2]
    STAY,
];

/// Exits with code 7 through semihosting.
pub const EXIT: &[Code] = &[
    Load(0, 0x20),
    Load(1, COUNTER),
    Load(2, 0x2_0026),
    Load(3, 7),
    Half(0x600a), // str r2, [r1]
    Half(0x604b), // str r3, [r1, #4]
    Half(0xbeab), // bkpt 0xab
    STAY,
];

/// An undefined instruction; the handler executes another one, where no fault can be taken.
pub const LOCKUP: &[Code] = &[Half(0xde00), STAY];

/// Counts in [`COUNTER`] for ever: `ldr` at 0x40, `adds` at 0x42, `str` at 0x44, `b` at 0x46.
pub const COUNT: &[Code] = &[
    Load(0, COUNTER),
    Half(0x3101), // adds r1, #1
    Half(0x6001), // str r1, [r0]
    Half(0xe7fc), // b to the adds
];

/// Sleeps for ever.
pub const SLEEP: &[Code] = &[Half(0xbf30), Half(0xe7fd)];

/// Prints one X on the semihosting console. Its call, of two instructions, comes last.
pub const TALK: &[Code] = &[
    Load(1, COUNTER),
    Load(2, 0x58),
    Half(0x600a), // str r2, [r1]
    Half(0x2003), // movs r0, #3: SYS_WRITEC
    Half(0xbeab), // bkpt 0xab
];

/// Behind [`TALK`]: calls again for ever.
pub const AGAIN: &[Code] = &[
    Half(0xe7fc), // b to the movs
];

/// Asks for a reset.
pub const RESET: &[Code] = &[
    Load(2, 0xe000_ed0c),
    Load(3, 0x05fa_0004),
    Half(0x6013), // str r3, [r2]
    STAY,
];

/// Prints one X, then does something else.
pub fn talk_and(rest: &[Code]) -> Vec<Code> {
    [TALK, rest].concat()
}

/// The image: a vector table whose handlers all lead to an undefined instruction, then the code.
pub fn image(code: &[Code]) -> Vec<u8> {
    let constants_at = CODE + (2 * code.len() as u32).next_multiple_of(4);
    let mut constants = Vec::new();
    let mut bytes = Vec::new();
    for (index, part) in code.iter().enumerate() {
        let half = match *part {
            Half(half) => half,
            Load(register, value) => {
                let place = constants_at + 4 * constants.len() as u32;
                let base = (CODE + 2 * index as u32 + 4) & !3;
                constants.push(value);
                0x4800 | u16::from(register) << 8 | ((place - base) / 4) as u16
            }
        };
        bytes.extend_from_slice(&half.to_le_bytes());
    }
    bytes.resize((constants_at - CODE) as usize, 0);
    bytes.extend(constants.iter().flat_map(|value| value.to_le_bytes()));
    let handler = CODE + bytes.len() as u32;
    bytes.extend_from_slice(&0xde00_u16.to_le_bytes());
    let mut vectors = [handler | 1; 16];
    vectors[0] = STACK;
    vectors[1] = CODE | 1;
    vectors.iter().flat_map(|vector| vector.to_le_bytes()).chain(bytes).collect()
}

/// An emulator and the folder of its output.
pub struct Rig {
    /// Dropped before the folder.
    pub emulator: Emulator,
    /// Holds the image and the output.
    _folder: tempfile::TempDir,
}

impl Rig {
    /// An emulator that was started with its output in the folder.
    pub fn new(emulator: Emulator, folder: tempfile::TempDir) -> Self {
        Self { emulator, _folder: folder }
    }
}

/// The launch of an image in a folder.
pub fn launch(program: &Program, code: &[Code], folder: &Path) -> Launch {
    let path = folder.join("image.bin");
    std::fs::write(&path, image(code)).unwrap();
    let mut launch = Launch::new(program.clone(), "netduinoplus2", folder);
    launch.image = Some(path);
    launch.keeper = keeper();
    launch
}

/// Starts an image.
pub fn start(program: &Program, code: &[Code]) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::start(&launch(program, code, folder.path())).unwrap();
    Rig { emulator, _folder: folder }
}

/// The keeper that cargo built for the tests.
pub fn keeper() -> KeeperProgram {
    KeeperProgram { path: Some(PathBuf::from(env!("CARGO_BIN_EXE_crashrig-qemu-keeper"))) }
}

/// Runs a check on every QEMU of this machine, at least one.
pub fn on_each(check: impl Fn(&Program)) {
    let programs = discover::find_all();
    assert!(!programs.is_empty(), "no QEMU found; run `cargo ci setup`");
    for program in programs {
        eprintln!("on QEMU {}", program.version);
        check(&program);
    }
}

/// Limits on instructions and on the time of the host.
pub fn limits(instructions: Option<u64>, wall_ms: u64) -> Limits {
    Limits { instructions, wall: Duration::from_millis(wall_ms), ..Limits::default() }
}

/// The word at an address.
pub fn word(emulator: &mut Emulator, address: u32) -> u32 {
    let mut bytes = [0; 4];
    emulator.read(address, &mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}
