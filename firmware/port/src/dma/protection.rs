//! Arm's memory protection controllers for AHB5, in front of the RAM of AN505: each block of memory
//! is for secure accesses or for others, and who is wrong is refused and told by an interrupt.
//!
//! After a reset all blocks are secure, and so are the core and the DMA engines here, at the secure
//! addresses of memory. An engine that is told a non-secure address, or a block that was given
//! away, is refused. Must never be done here: a block given away behind somebody's back.
//!
//! Sources: Arm CoreLink SIE-200 TRM (DDI 0571), chapter on the TrustZone AHB5 memory protection
//! controller, from memory, not checked; addresses: `info mtree`; the rest was measured in QEMU
//! 7.2.22 and 10.0.2: blocks of 1 KiB, and that no interrupt has to be enabled before it comes.

use super::words;
use crashrig_memory::dma::protected::Blocks;

/// The interrupt that all of them share.
pub(super) const LINE: u32 = 9;

/// Registers, and the first secure address of the memory behind.
const CONTROLLERS: [Controller; 4] = [
    Controller { registers: 0x5800_7000, start: 0x1000_0000 },
    Controller { registers: 0x5800_8000, start: 0x3800_0000 },
    Controller { registers: 0x5800_9000, start: 0x3820_0000 },
    Controller { registers: 0x5008_3000, start: 0x3000_0000 },
];

const CONTROL: u32 = 0;
const BLOCK_LIMIT: u32 = 0x10;
const BLOCK_SIZE: u32 = 0x14;
const BLOCK_INDEX: u32 = 0x18;
const BLOCK_TABLE: u32 = 0x1C;
const INTERRUPT_STATUS: u32 = 0x20;
const INTERRUPT_CLEAR: u32 = 0x24;
const INTERRUPT_ENABLE: u32 = 0x28;
/// The address of the first access that was refused, from the start of the memory.
const REFUSED_OFFSET: u32 = 0x2C;

/// In CONTROL: the answer to a refused access is an error, instead of nothing.
const ANSWER_WITH_ERROR: u32 = 1 << 4;
/// In CONTROL: the index of the table rises by itself.
const INDEX_RISES: u32 = 1 << 8;
/// Blocks of one word of the table.
const WORD_BLOCKS: u32 = 32;

#[derive(Debug, Clone, Copy)]
struct Controller {
    registers: u32,
    start: u32,
}

impl Controller {
    fn read(self, offset: u32) -> u32 {
        words::read(self.registers + offset)
    }

    /// # Safety
    /// What the controller then refuses, nobody needs.
    unsafe fn write(self, offset: u32, word: u32) {
        // SAFETY: promised by the caller.
        unsafe { words::write(self.registers + offset, word) }
    }

    fn blocks(self) -> Blocks {
        Blocks {
            start: self.start,
            count: (self.read(BLOCK_LIMIT) + 1) * WORD_BLOCKS,
            block_bytes: 1 << ((self.read(BLOCK_SIZE) & 0xF) + 5),
        }
    }

    /// The word of the table that holds a block. Nothing else comes in between.
    fn table_word(self, block: u32) -> u32 {
        // SAFETY: an index changes no right.
        unsafe { self.write(CONTROL, self.read(CONTROL) & !INDEX_RISES) };
        // SAFETY: as above.
        unsafe { self.write(BLOCK_INDEX, block / WORD_BLOCKS) };
        self.read(BLOCK_TABLE)
    }

    fn is_secure(self, block: u32) -> bool {
        critical_section::with(|_| self.table_word(block) & 1 << (block % WORD_BLOCKS) == 0)
    }
}

/// The first of some bytes that secure accesses do not get to. Aliases are not looked at.
pub(super) fn first_blocked(start: u32, size_bytes: u32) -> Option<u32> {
    CONTROLLERS.into_iter().find_map(|controller| {
        let blocks = controller.blocks();
        let mut used = blocks.of(start, size_bytes);
        let block = used.find(|block| !controller.is_secure(*block))?;
        Some(blocks.start_of(block).max(start))
    })
}

/// The oldest access that was refused, once, by the secure address of the memory. What the core was
/// refused it knows by a bus fault; QEMU's model notes only what others were.
pub(super) fn take_refused() -> Option<u32> {
    let mut controllers = CONTROLLERS.into_iter();
    let controller = controllers.find(|controller| controller.read(INTERRUPT_STATUS) & 1 != 0)?;
    let address = controller.start + controller.read(REFUSED_OFFSET);
    // SAFETY: what has been seen is cleared; no right changes.
    unsafe { controller.write(INTERRUPT_CLEAR, 1) };
    Some(address)
}

/// Gives whole blocks of memory, by their secure addresses, to secure accesses or takes them away:
/// all blocks that hold some of the bytes. Memory without such a controller is as it was. Accesses
/// that are refused are answered with an error from then on.
///
/// # Safety
/// Nobody uses bytes of the blocks while they are taken away: the core itself is refused.
pub unsafe fn set_secure(start: u32, size_bytes: u32, is_secure: bool) {
    for controller in CONTROLLERS {
        for block in controller.blocks().of(start, size_bytes) {
            critical_section::with(|_| {
                let word = controller.table_word(block);
                let bit = 1 << (block % WORD_BLOCKS);
                let word = if is_secure { word & !bit } else { word | bit };
                // SAFETY: nobody uses the block, as the caller promises.
                unsafe { controller.write(BLOCK_TABLE, word) };
                let control = controller.read(CONTROL) | ANSWER_WITH_ERROR;
                // SAFETY: it changes the answer to what is refused anyway.
                unsafe { controller.write(CONTROL, control) };
                // SAFETY: an interrupt that nobody has a handler for is a record.
                unsafe { controller.write(INTERRUPT_ENABLE, 1) };
            });
        }
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}
