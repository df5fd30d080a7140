//! How a chain of frame pointers is followed, the same way by the dying device and by the host.
//!
//! Code for the image is compiled with frame pointers: every function begins with `push {…, r7,
//! lr}` and points r7 at the saved pair, so `[r7]` is the caller's r7 and `[r7 + 4]` the return
//! address. A broken stack is not believed: each frame must lie inside the stack and above the one
//! before, and each return address must be Thumb code inside the text section, directly after a
//! call.

/// What the walk needs to see of memory; an address that cannot be read answers nothing.
pub trait Memory {
    /// The word at an address of the stack.
    fn stack_word(&self, address: u32) -> Option<u32>;
    /// The halfword at an address of the text section; nothing outside of it.
    fn code_halfword(&self, address: u32) -> Option<u16>;
}

/// Size of the saved pair that r7 points at, in bytes.
const PAIR: u32 = 8;

/// Whether an address is one that a call would return to: odd, inside the text section, and
/// preceded by BL (DDI0403E A7.7.18) or BLX register (A7.7.19).
pub fn is_return_address(memory: &impl Memory, address: u32) -> bool {
    if address & 1 == 0 {
        return false;
    }
    let Some(next) = address.checked_sub(1) else { return false };
    let before = |distance: u32| next.checked_sub(distance).and_then(|a| memory.code_halfword(a));
    let branch_link_register = before(2).is_some_and(|half| half & 0xFF87 == 0x4780);
    let branch_link = before(4).is_some_and(|half| half & 0xF800 == 0xF000)
        && before(2).is_some_and(|half| half & 0xD000 == 0xD000);
    branch_link_register || branch_link
}

/// Follows the chain from a frame pointer through the stack `start..end`, writing return addresses
/// (with their Thumb bit) into `out`, nearest first. Returns how many it wrote.
pub fn walk(
    memory: &impl Memory,
    frame_pointer: u32,
    stack: core::ops::Range<u32>,
    out: &mut [u32],
) -> usize {
    let mut frame = frame_pointer;
    let mut lowest = stack.start;
    let mut length = 0;
    for entry in out {
        let inside = frame >= lowest && frame.checked_add(PAIR).is_some_and(|end| end <= stack.end);
        if !inside || !frame.is_multiple_of(4) {
            break;
        }
        let (Some(next), Some(back)) = (memory.stack_word(frame), memory.stack_word(frame + 4))
        else {
            break;
        };
        if !is_return_address(memory, back) {
            break;
        }
        *entry = back;
        length += 1;
        lowest = frame + PAIR;
        frame = next;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Text at 0x100: `bl` at 0x100, `blx r3` at 0x104, `nop` from 0x106 on.
    struct Fixture(BTreeMap<u32, u32>);

    impl Memory for Fixture {
        fn stack_word(&self, address: u32) -> Option<u32> {
            self.0.get(&address).copied()
        }
        fn code_halfword(&self, address: u32) -> Option<u16> {
            match address {
                0x100 => Some(0xF000),
                0x102 => Some(0xF800),
                0x104 => Some(0x4798),
                0x106..0x200 => Some(0xBF00),
                _ => None,
            }
        }
    }

    fn check(words: &[(u32, u32)], frame_pointer: u32, expected: &[u32]) {
        let memory = Fixture(words.iter().copied().collect());
        let mut out = [0; 4];
        let length = walk(&memory, frame_pointer, 0x2000..0x2100, &mut out);
        assert_eq!(&out[..length], expected);
    }

    #[test]
    fn a_sound_chain_is_followed_to_its_end() {
        let chain = [(0x2000, 0x2010), (0x2004, 0x105), (0x2010, 0), (0x2014, 0x107)];
        check(&chain, 0x2000, &[0x105, 0x107]);
    }

    #[test]
    fn a_broken_chain_ends_where_it_breaks() {
        check(&[(0x2010, 0x2000), (0x2014, 0x105)], 0x2010, &[0x105]); // frames must rise
        check(&[(0x2000, 0x2010), (0x2004, 0x104)], 0x2000, &[]); // no Thumb bit
        check(&[(0x2000, 0x2010), (0x2004, 0x10B)], 0x2000, &[]); // not after a call
        check(&[(0x2000, 0x2010), (0x2004, 0x301)], 0x2000, &[]); // outside of the text
        check(&[(0x2002, 0x2010), (0x2006, 0x105)], 0x2002, &[]); // not aligned
        check(&[(0x1FF8, 0x2010), (0x1FFC, 0x105)], 0x1FF8, &[]); // below the stack
        check(&[(0x20FC, 0x2010), (0x2100, 0x105)], 0x20FC, &[]); // pair sticks out at the top
        check(&[], 0xFFFF_FFFC, &[]); // end of the address space
    }

    #[test]
    fn a_loop_of_frames_ends_with_the_buffer_or_sooner() {
        check(&[(0x2000, 0x2000), (0x2004, 0x105)], 0x2000, &[0x105]);
    }
}
