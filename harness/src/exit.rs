//! Exit codes of the `crashrig` command: documented, and stable from the first release on.

/// Everything that was asked for passed.
pub const PASS: u8 = 0;
/// At least one scenario was judged fail.
pub const FAIL: u8 = 1;
/// The command line was not understood.
pub const USAGE: u8 = 2;
/// The bench failed (no emulator, no image, an undeclared memory map): nothing is said of the
/// firmware.
pub const INFRASTRUCTURE: u8 = 3;
/// A file that was handed in is not what it should be.
pub const BAD_INPUT: u8 = 4;
/// The selection is empty: nothing was run, which is never a pass.
pub const NOTHING_SELECTED: u8 = 5;
/// The run was told to stop before all that was asked for was run, and nothing failed until then.
pub const INTERRUPTED: u8 = 130;

/// One row of the table in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode {
    /// The code.
    pub code: u8,
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// The table in the README, which `tidy` holds against this one.
pub const TABLE: &[ExitCode] = &[
    ExitCode { code: PASS, name: "pass", meaning: "everything that was asked for passed" },
    ExitCode { code: FAIL, name: "fail", meaning: "at least one scenario was judged fail" },
    ExitCode { code: USAGE, name: "usage", meaning: "the command line was not understood" },
    ExitCode {
        code: INFRASTRUCTURE,
        name: "infrastructure",
        meaning: "the bench failed; nothing is said of the firmware",
    },
    ExitCode {
        code: BAD_INPUT,
        name: "bad-input",
        meaning: "a file that was handed in is not what it should be",
    },
    ExitCode {
        code: NOTHING_SELECTED,
        name: "nothing-selected",
        meaning: "the selection is empty; nothing was run",
    },
    ExitCode {
        code: INTERRUPTED,
        name: "interrupted",
        meaning: "the run was told to stop, and nothing had failed until then",
    },
];
