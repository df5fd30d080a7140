//! Addresses given back to the heap that are not the program's to give.

use super::blocks;
use crashrig_layout::Capabilities;
use crashrig_memory::heap::Alignment;
use crashrig_port::{heap, platform};

const TWICE: u32 = 0;
const FOREIGN: u32 = 1;

/// Releases an address that is not handed out.
#[inline(never)]
pub fn release_wrong_address(which: u32) {
    let Ok(block) = heap::allocate(32, Alignment::NATURAL, Capabilities::DEFAULT) else { return };
    let address = match which {
        TWICE => {
            let _ = blocks::free(block);
            block
        }
        // The stack of the main thread is static.
        FOREIGN => platform::main_stack_start(),
        _ => block + 8,
    };
    let _ = blocks::free(address);
}
