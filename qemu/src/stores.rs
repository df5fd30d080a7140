//! The log of stores: which instruction wrote to a range of addresses, and when.
//!
//! The plug-in of `qemu/plugin` keeps it, see [`crate::observer`]; it reports what instructions
//! store. What the core itself stacks on entry to an exception is no instruction's store, and is
//! not in it. Must never happen here: a log that looks complete and is not. What gave way to newer
//! stores is counted in [`StoreLog::dropped`], and a range that comes too late is an error.

use crate::emulator::Emulator;
use crate::error::Error;
use crate::guest_ram::RamRange;
use crate::observer::{Message, Observer, SOCKET};
use crate::qtest::check_range;

/// Most stores that the plug-in keeps.
pub const STORE_LOG_LIMIT: usize = 4096;

/// One store of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store {
    /// The number of the instruction, 1 for the first since power-on, over all boots: what
    /// [`Emulator::exact_instructions`] says when the guest stops behind it.
    pub instruction: u64,
    /// The address of the instruction.
    pub pc: u32,
    /// First address that was written, also if that is not watched itself.
    pub address: u32,
    /// Size in bytes. An instruction that stores several registers makes several stores.
    pub size_bytes: u32,
}

/// The stores to the watched ranges since the log was last taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreLog {
    /// In the order in which they were made; the newest [`STORE_LOG_LIMIT`].
    pub stores: Vec<Store>,
    /// How many older ones are not among them.
    pub dropped: u64,
}

impl Emulator {
    /// Logs from now on what instructions store to these ranges, besides those watched already; up
    /// to 8 at a time, RAM or devices. The log goes on over resets.
    ///
    /// The first ones must come before the guest has run, because what QEMU has translated before
    /// cannot be watched any more. A run without them costs nothing more.
    ///
    /// # Errors
    /// Without [`crate::Launch::observer`]; when a range is empty or ends above `0xffff_ffff`; when
    /// the plug-in refuses, because there are too many or the guest has run, or does not answer in
    /// time. Ranges before the refused one are watched then.
    pub fn watch_stores(&mut self, ranges: &[RamRange]) -> Result<(), Error> {
        let observer = observed(self.observer.as_mut(), "watch stores")?;
        for range in ranges {
            check_range(range.address, range.size_bytes as usize)?;
            let question = format!("watch {} {}", range.address, range.size_bytes);
            let answer = observer.ask(&question, |message| match message {
                Message::Watching => Ok(None),
                Message::Refused(reason) => Ok(Some(reason)),
                other => Err(other),
            })?;
            if let Some(answer) = answer {
                return Err(Error::Refused { socket: SOCKET, command: question, answer });
            }
        }
        Ok(())
    }

    /// Takes the log, which is empty then. Nothing is in it while nothing is watched. After a
    /// lockup what it held can be taken once.
    ///
    /// # Errors
    /// Without [`crate::Launch::observer`]; when QEMU has ended otherwise, or the log of a lockup
    /// was taken; when the plug-in does not answer in time.
    pub fn stores(&mut self) -> Result<StoreLog, Error> {
        let observer = observed(self.observer.as_mut(), "read the log of stores")?;
        let answer = observer.ask("stores", |message| match message {
            Message::Stores(log) => Ok(log),
            other => Err(other),
        });
        match answer {
            Err(closed @ Error::Closed { .. }) => observer.last_stores.take().ok_or(closed),
            answer => answer,
        }
    }
}

fn observed<'a>(
    observer: Option<&'a mut Observer>,
    doing: &'static str,
) -> Result<&'a mut Observer, Error> {
    let found = || "without the plug-in".to_owned();
    observer.ok_or_else(|| Error::State { doing, expected: "observed", found: found() })
}

/// Reads `1234 134217808 536870912 4`: instruction, PC, address, size in bytes.
pub(crate) fn parse(text: &str) -> Option<Store> {
    let mut numbers = text.split(' ');
    let instruction = numbers.next()?.parse().ok()?;
    let mut next = || numbers.next()?.parse::<u32>().ok();
    let store = Store { instruction, pc: next()?, address: next()?, size_bytes: next()? };
    numbers.next().is_none().then_some(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_four_numbers() {
        let store = Store { instruction: u64::MAX, pc: 64, address: 0xffff_fffc, size_bytes: 4 };
        assert_eq!(parse("18446744073709551615 64 4294967292 4"), Some(store));
        for bad in ["", "1 2 3", "1 2 3 4 5", "1 2 3 x", "1 2 4294967296 4", "1  2 3 4"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
