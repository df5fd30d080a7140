//! What a program can do to the heap: give back what is not its to give, and write over its words.
//!
//! After each the image goes on with the operation that would rely on the damage. The heap must
//! find it first and end the boot; what returns from here has found nothing.

use crashrig_layout::Capabilities;
use crashrig_memory::heap::Alignment;
use crashrig_port::{heap, platform};

const CAPS: Capabilities = Capabilities::DEFAULT;
const BLOCK_BYTES: u32 = 28;

const TWICE: u32 = 0;
const FOREIGN: u32 = 1;

fn allocate(size_bytes: u32) -> Option<u32> {
    heap::allocate(size_bytes, Alignment::NATURAL, CAPS).ok()
}

/// Releases an address that is not handed out.
#[inline(never)]
pub fn release_wrong_address(which: u32) {
    let Some(block) = allocate(BLOCK_BYTES) else { return };
    let address = match which {
        TWICE => {
            let _ = heap::free(block);
            block
        }
        // The stack of the main thread is static.
        FOREIGN => platform::main_stack_start(),
        _ => block + 8,
    };
    let _ = heap::free(address);
}
