//! Which peripheral asks for the next item of a stream (RM0090 §10.3.3, tables 42 and 43).
//!
//! Only serial ports, since of the peripherals with requests QEMU models those so far that its
//! data register can be moved by somebody else. Any other channel never asks. The tables are from
//! memory, not checked.

use super::stream::Direction;
use crate::error::Error;
use crate::models::{Bus, Width};

/// A serial port: the addresses of its registers follow from the first one (RM0090 §30.6).
struct Serial {
    base: u32,
    /// Controller (0 is DMA1), stream and channel of reception.
    receives: &'static [(usize, usize, u32)],
    /// The same of transmission.
    transmits: &'static [(usize, usize, u32)],
}

const SERIALS: [Serial; 6] = [
    Serial { base: 0x4001_1000, receives: &[(1, 2, 4), (1, 5, 4)], transmits: &[(1, 7, 4)] },
    Serial { base: 0x4000_4400, receives: &[(0, 5, 4)], transmits: &[(0, 6, 4)] },
    Serial { base: 0x4000_4800, receives: &[(0, 1, 4)], transmits: &[(0, 3, 4), (0, 4, 7)] },
    Serial { base: 0x4000_4c00, receives: &[(0, 2, 4)], transmits: &[(0, 4, 4)] },
    Serial { base: 0x4000_5000, receives: &[(0, 0, 4)], transmits: &[(0, 7, 4)] },
    Serial {
        base: 0x4001_1400,
        receives: &[(1, 1, 5), (1, 2, 5)],
        transmits: &[(1, 6, 5), (1, 7, 5)],
    },
];

/// USART_CR3, of which bit 6 lets reception ask for items and bit 7 transmission.
const CONTROL_3: u32 = 0x14;

/// Whether the peripheral of a stream asks for an item now.
pub(super) fn requested(
    place: (usize, usize, u32),
    direction: Direction,
    bus: &mut dyn Bus,
) -> Result<bool, Error> {
    let receives = direction == Direction::Receive;
    let serial = SERIALS.iter().find(|serial| {
        let places = if receives { serial.receives } else { serial.transmits };
        places.contains(&place)
    });
    let Some(serial) = serial else { return Ok(false) };
    // USART_SR.RXNE is bit 5, TXE bit 7.
    let (enable, ready) = if receives { (1 << 6, 1 << 5) } else { (1 << 7, 1 << 7) };
    Ok(bus.load(serial.base + CONTROL_3, Width::Word)? & enable != 0
        && bus.load(serial.base, Width::Word)? & ready != 0)
}
