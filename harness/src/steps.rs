//! One boot in steps: the device is stopped at addresses of its image, and looked at there.
//!
//! A stop lets QEMU's clock jump to its next deadline (with `sleep=off` a stopped core counts as
//! one that waits), which would be a clock tick at once. So the tick's period starts anew at each
//! stop. QEMU 7.2 drops that write, so figures of it would hold a tick: it is refused.

use crate::image::Image;
use crate::scenario::Fill;
use crate::target::{BenchError, Boundary, Deadline, Session, Target, Wait};
use crashrig_layout::Need;
use crashrig_wire::Mailbox;
use crashrig_wire::command::MAILBOX_SYMBOL;
use std::path::Path;

/// SysTick's current value (DDI0403E B3.3.5): any write starts its period anew.
const TICK_VALUE: u32 = 0xE000_E018;

/// Whether a version of the emulator lets the tick's period start anew.
#[must_use]
pub fn can_restart_tick(version: &str) -> bool {
    !version.starts_with("7.")
}

/// Starts the tick's period anew on the stopped device, so that no tick comes at once.
///
/// # Errors
/// The bench failed.
pub fn restart_tick(session: &mut dyn Session) -> Result<(), BenchError> {
    session.write_core_word(TICK_VALUE, 0)
}

const RUN_ID: u32 = 1;

/// A device that is taken through one boot.
pub struct Steps<'a> {
    session: Box<dyn Session>,
    image: &'a Image,
}

impl<'a> Steps<'a> {
    /// Powers a device up and gives it a command; it stands before its first instruction. Its raw
    /// streams go into a folder, which is made.
    ///
    /// # Errors
    /// The bench failed, or the target cannot be measured in steps.
    pub fn begin(
        target: &dyn Target,
        image: &'a Image,
        command: Mailbox,
        needs: &[Need],
        seed: u64,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        if !can_restart_tick(target.version()) {
            let version = target.version();
            return Err(BenchError(format!(
                "measure in steps: found QEMU {version}, which drops writes to SysTick; expected 8 \
                 or later"
            )));
        }
        std::fs::create_dir_all(folder).map_err(BenchError::of)?;
        let session = target.open(image, None, needs, folder)?;
        let mut steps = Self { session, image };
        steps.session.power_on(Fill::Noise, seed, false)?;
        let mailbox = steps.address(MAILBOX_SYMBOL)?;
        let command = Mailbox { run_id: RUN_ID, ticket: 1, ..command };
        steps.session.write(mailbox, &command.to_bytes())?;
        Ok(steps)
    }

    /// The session, for everything else.
    pub fn session(&mut self) -> &mut dyn Session {
        self.session.as_mut()
    }

    /// The address of a symbol.
    ///
    /// # Errors
    /// The image has no such symbol.
    pub fn address(&self, symbol: &str) -> Result<u32, BenchError> {
        let found = self.image.symbol(symbol).map(|symbol| symbol.address);
        found.ok_or_else(|| {
            BenchError(format!("find symbol {symbol} in {}", self.image.origin().display()))
        })
    }

    /// Runs on to one of some addresses, each of which is a breakpoint or a watched range.
    ///
    /// # Errors
    /// The device came to something else.
    pub fn run_to(&mut self, addresses: &[u32]) -> Result<u32, BenchError> {
        match self.run()? {
            Wait::Breakpoint { address } if addresses.contains(&address) => Ok(address),
            other => {
                let found = words(&other);
                Err(BenchError(format!("measure in steps: found {found}, expected a stop")))
            }
        }
    }

    /// Runs on to whatever comes.
    ///
    /// # Errors
    /// The bench failed.
    pub fn run(&mut self) -> Result<Wait, BenchError> {
        self.session.resume()?;
        let wait = self.session.wait(&Deadline::default())?;
        if matches!(wait, Wait::Breakpoint { .. }) {
            restart_tick(self.session.as_mut())?;
        }
        Ok(wait)
    }

    /// A register of the stopped core.
    ///
    /// # Errors
    /// The target does not offer it.
    pub fn register(&mut self, name: &str) -> Result<u32, BenchError> {
        let value = self.session.register(name)?;
        value.ok_or_else(|| BenchError(format!("measure in steps: no register {name}")))
    }

    /// Instructions since power-on.
    ///
    /// # Errors
    /// The target does not count.
    pub fn instructions(&mut self) -> Result<u64, BenchError> {
        let count = self.session.instructions()?;
        count.ok_or_else(|| BenchError("measure in steps: no count of instructions".to_owned()))
    }
}

fn words(wait: &Wait) -> String {
    match wait {
        Wait::Boundary(Boundary::Hang { limit, .. }) => format!("no end within its {limit}"),
        Wait::Boundary(boundary) => format!("a {}", boundary.name()),
        Wait::Breakpoint { address } => format!("{address:#010x}"),
        Wait::Running => "no stop".to_owned(),
    }
}
