//! Transfers each of which breaks one rule: what the fault `dma-misuse` arms, by its parameter.
//!
//! Must never happen here: a plan that breaks two rules, of which only the first would be noticed.

use super::dma::{COPY, ON_DMA1, RECEPTION, first_of};
use crashrig_layout::AliasKind;
use crashrig_memory::dma::{Burst, Mode, Plan, Side, StreamId, Threshold, Width};
use crashrig_port::dma::serial;
use crashrig_port::platform;

/// The plan of a number, and the stream that is to carry it out. `from` and `to` are blocks of
/// 1 KiB and 2 KiB.
pub fn breaking(number: u32, from: u32, to: u32) -> (StreamId, Plan) {
    let copy = Plan::copy(from, to + 4, 64);
    let four = Side { burst: Burst::Four, ..copy.memory };
    let words = Side::memory(to, Width::Word);
    let receive = Plan::receive(serial::data_address(), to, 64);
    let plan = match number {
        1 => Plan::copy(from, first_of("sram2").1 - 128, 256),
        2 => return (ON_DMA1, copy),
        3 => Plan { memory: four, ..Plan::copy(from, to + 4, 1024) },
        4 => Plan::copy(from, first_of("flash").1 - 1024, 64),
        5 => Plan::copy(from, bit_band(), 64),
        6 => Plan { fifo: None, ..copy },
        7 => Plan { items: 65_536, ..copy },
        8 => Plan { mode: Mode::Circular, ..copy },
        9 => Plan {
            memory: Side { burst: Burst::Eight, ..four },
            fifo: Some(Threshold::Half),
            ..copy
        },
        // 62 bytes do not fill words.
        10 => Plan { memory: words, ..Plan::copy(from + 1, to, 62) },
        11 => {
            let memory = Side { burst: Burst::Four, ..receive.memory };
            let (fifo, mode) = (Some(Threshold::Full), Mode::Circular);
            return (RECEPTION, Plan { memory, items: 62, fifo, mode, ..receive });
        }
        12 => Plan { memory: Side { address: to + 2, ..words }, ..copy },
        13 => {
            let memory = Side { burst: Burst::Four, ..receive.memory };
            return (RECEPTION, Plan { memory, ..receive });
        }
        14 => return (RECEPTION, Plan { memory: words, ..receive }),
        15 => Plan {
            peripheral: Side { burst: Burst::Four, ..copy.peripheral },
            fifo: Some(Threshold::ThreeQuarters),
            ..copy
        },
        // On a stack: of a thread whose stack lies in core-coupled memory.
        _ => Plan::copy(from, first_of("ccm").0, 64),
    };
    (COPY, plan)
}

/// Where the bits of RAM are words.
fn bit_band() -> u32 {
    let mut aliases = platform::platform().aliases.iter();
    aliases.find(|it| it.kind == AliasKind::BitBand).map_or(0, |it| it.start)
}
