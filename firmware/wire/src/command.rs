//! Host to device: the mailbox, one command at a time.
//!
//! The host writes it before the first instruction of a boot, or while the device runs; the device
//! reads it at boot and, where a fault says so, polls it. It lies in a no-init section under the
//! symbol [`MAILBOX_SYMBOL`], so the same way serves an emulator and a debug probe. A device
//! without a sound mailbox runs the clean boot and touches no host channel.

use crate::Fault;
use crate::bytes::{get_u8, get_u16, get_u32, put_u16, put_u32};
use crate::crc::crc32;

/// ELF symbol of the mailbox.
pub const MAILBOX_SYMBOL: &str = "CRASHRIG_MAILBOX";
/// First word: the bytes `RIGM`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RIGM");
/// The version this crate writes and reads.
pub const VERSION: u16 = 1;
/// Length in bytes.
pub const MAILBOX_LENGTH: usize = 64;

const VERSION_AT: usize = 4;
const LENGTH_AT: usize = 6;
const RUN_ID_AT: usize = 8;
const TICKET_AT: usize = 12;
const FAULT_AT: usize = 16;
const FLAGS_AT: usize = 20;
const SEED_AT: usize = 24;
const PARAMETERS_AT: usize = 28;
const WITHOUT_AT: usize = PARAMETERS_AT + 4 * PARAMETER_COUNT;
const CRC_AT: usize = MAILBOX_LENGTH - 4;
const _: () = assert!(WITHOUT_AT + 4 <= CRC_AT);

/// How many parameters a command has.
pub const PARAMETER_COUNT: usize = 4;

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailbox {
    /// Identifies the run; never 0.
    pub run_id: u32,
    /// Rises by one with each command of a run, so that a polling device knows a new one.
    pub ticket: u32,
    /// What to break.
    pub fault: Fault,
    /// See the constants of this type.
    pub flags: u32,
    /// Everything random on the device comes from here.
    pub seed: u32,
    /// What they mean depends on the fault; 0 stands for the fault's own choice.
    pub parameters: [u32; PARAMETER_COUNT],
    /// Detectors to be switched off for this boot, by [`crate::Detector::bit`]. An image without
    /// the feature `injection` has no such switches.
    pub without: u32,
}

impl Mailbox {
    /// A host serves semihosting calls: log frames may be sent that way.
    pub const SEMIHOSTING: u32 = 1 << 0;
    /// The device shall mark every record it finds as read before it carries out the fault.
    pub const ACKNOWLEDGE: u32 = 1 << 1;

    /// The bytes to be written at the mailbox.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; MAILBOX_LENGTH] {
        let mut bytes = [0; MAILBOX_LENGTH];
        put_u32(&mut bytes, 0, MAGIC);
        put_u16(&mut bytes, VERSION_AT, VERSION);
        put_u16(&mut bytes, LENGTH_AT, MAILBOX_LENGTH as u16);
        put_u32(&mut bytes, RUN_ID_AT, self.run_id);
        put_u32(&mut bytes, TICKET_AT, self.ticket);
        put_u32(&mut bytes, FAULT_AT, u32::from(self.fault.code()));
        put_u32(&mut bytes, FLAGS_AT, self.flags);
        put_u32(&mut bytes, SEED_AT, self.seed);
        for (index, parameter) in self.parameters.iter().enumerate() {
            put_u32(&mut bytes, PARAMETERS_AT + 4 * index, *parameter);
        }
        put_u32(&mut bytes, WITHOUT_AT, self.without);
        let crc = crc32(bytes.get(..CRC_AT).unwrap_or_default());
        put_u32(&mut bytes, CRC_AT, crc);
        bytes
    }

    /// Reads a mailbox; nothing unless everything about it holds.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<MAILBOX_LENGTH>()?;
        let sound = get_u32(bytes, 0) == MAGIC
            && get_u16(bytes, VERSION_AT) == VERSION
            && usize::from(get_u16(bytes, LENGTH_AT)) == MAILBOX_LENGTH
            && crc32(bytes.get(..CRC_AT)?) == get_u32(bytes, CRC_AT);
        if !sound {
            return None;
        }
        Some(Self {
            run_id: get_u32(bytes, RUN_ID_AT),
            ticket: get_u32(bytes, TICKET_AT),
            fault: Fault::from_code(get_u8(bytes, FAULT_AT))?,
            flags: get_u32(bytes, FLAGS_AT),
            seed: get_u32(bytes, SEED_AT),
            parameters: core::array::from_fn(|i| get_u32(bytes, PARAMETERS_AT + 4 * i)),
            without: get_u32(bytes, WITHOUT_AT),
        })
    }

    /// Whether a flag is set.
    #[must_use]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_comes_back_and_a_flipped_bit_is_noticed() {
        let sent = Mailbox {
            run_id: 7,
            ticket: 1,
            fault: Fault::BusRead,
            flags: Mailbox::SEMIHOSTING,
            seed: 0x5EED,
            parameters: [1, 2, 3, 4],
            without: 6,
        };
        let bytes = sent.to_bytes();
        assert_eq!(Mailbox::read(&bytes), Some(sent));
        for bit in 0..8 * MAILBOX_LENGTH {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Mailbox::read(&flipped), None, "bit {bit}");
        }
    }
}
