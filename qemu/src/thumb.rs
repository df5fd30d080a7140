//! The loads and stores of Thumb code, decoded far enough to carry one out on the host.
//!
//! Pure. Knows the forms that move general registers: offsets, indexed forms, pairs and lists
//! (DDI0403E A5.2.4, A5.3.5 to A5.3.10, from memory, not checked against its text). Anything else
//! is [`None`], never a guess: exclusive accesses, tables of branches, what is relative to the
//! program counter or loads it, floating point.

use crate::models::Width;

/// One access of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    /// Whether memory is read.
    pub loads: bool,
    /// The register that is loaded or stored, 0 to 14.
    pub register: u8,
    pub address: u32,
    pub width: Width,
    /// Whether what is loaded is sign-extended.
    pub signed: bool,
}

/// What an instruction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transfer {
    /// Lowest address first; never empty.
    pub accesses: Vec<Access>,
    /// The base register and its value afterwards, if it changes.
    pub writeback: Option<(u8, u32)>,
    /// Size of the instruction in bytes.
    pub length: u32,
}

/// Whether an instruction is of two halfwords (DDI0403E A5.1).
#[must_use]
pub const fn is_wide(first: u16) -> bool {
    first >> 11 >= 0b11101
}

/// WFI or WFE, narrow or wide.
pub(crate) const fn is_wait([first, second]: [u16; 2]) -> bool {
    matches!(first, 0xbf20 | 0xbf30) || (first == 0xf3af && matches!(second, 0x8002 | 0x8003))
}

/// Decodes an instruction. `registers` are r0 to r15.
pub(crate) fn decode(code: [u16; 2], registers: &[u32; 16]) -> Option<Transfer> {
    let [first, second] = code.map(u32::from);
    if is_wide(code[0]) { wide(first, second, registers) } else { narrow(first, registers) }
}

/// The value of a field of instruction bits as a register number.
const fn field(bits: u32, shift: u32, mask: u32) -> u8 {
    (bits >> shift & mask) as u8
}

fn value(registers: &[u32; 16], register: u8) -> u32 {
    registers.get(usize::from(register)).copied().unwrap_or_default()
}

fn single(access: Access, length: u32) -> Transfer {
    Transfer { accesses: vec![access], writeback: None, length }
}

fn narrow(code: u32, registers: &[u32; 16]) -> Option<Transfer> {
    let base = value(registers, field(code, 3, 7));
    let immediate = code >> 6 & 31;
    let loads = code & 1 << 11 != 0;
    let register = field(code, 0, 7);
    let access = |width, address: u32| Access { loads, register, address, width, signed: false };
    let access = match code >> 12 {
        0b0101 => {
            let address = base.wrapping_add(value(registers, field(code, 6, 7)));
            let (loads, width, signed) = match code >> 9 & 7 {
                0 => (false, Width::Word, false),
                1 => (false, Width::Half, false),
                2 => (false, Width::Byte, false),
                3 => (true, Width::Byte, true),
                4 => (true, Width::Word, false),
                5 => (true, Width::Half, false),
                6 => (true, Width::Byte, false),
                _ => (true, Width::Half, true),
            };
            Access { loads, register, address, width, signed }
        }
        0b0110 => access(Width::Word, base.wrapping_add(immediate * 4)),
        0b0111 => access(Width::Byte, base.wrapping_add(immediate)),
        0b1000 => access(Width::Half, base.wrapping_add(immediate * 2)),
        0b1001 => Access {
            register: field(code, 8, 7),
            ..access(Width::Word, value(registers, 13).wrapping_add((code & 0xff) * 4))
        },
        0b1100 => {
            let base = field(code, 8, 7);
            // A load of the base register itself leaves no other value in it.
            let writes_back = !loads || code & 1 << base == 0;
            return list(code & 0xff, base, value(registers, base), loads, writes_back, 2);
        }
        _ => return None,
    };
    Some(single(access, 2))
}

/// Registers of a list at consecutive words from `start` up.
fn list(
    registers: u32,
    base: u8,
    start: u32,
    loads: bool,
    writes_back: bool,
    length: u32,
) -> Option<Transfer> {
    let numbers = (0..15_u8).filter(|number| registers & 1 << number != 0);
    let accesses: Vec<Access> = numbers
        .zip((0..).map(|index: u32| start.wrapping_add(4 * index)))
        .map(|(register, address)| Access {
            loads,
            register,
            address,
            width: Width::Word,
            signed: false,
        })
        .collect();
    let end = start.wrapping_add(4 * accesses.len() as u32);
    let writeback = writes_back.then_some((base, end));
    (!accesses.is_empty() && registers & 1 << 15 == 0).then_some(Transfer {
        accesses,
        writeback,
        length,
    })
}

fn wide(first: u32, second: u32, registers: &[u32; 16]) -> Option<Transfer> {
    let base = field(first, 0, 15);
    let start = value(registers, base);
    if base == 15 {
        return None;
    }
    match first >> 9 {
        0b111_1100 => wide_single(first, second, registers),
        0b111_0100 if first & 1 << 6 != 0 => pair(first, second, base, start),
        0b111_0100 => {
            let (loads, writes_back) = (first & 1 << 4 != 0, first & 1 << 5 != 0);
            match first >> 7 & 3 {
                0b01 => list(second, base, start, loads, writes_back, 4),
                0b10 => {
                    let below = start.wrapping_sub(4 * second.count_ones());
                    let transfer = list(second, base, below, loads, false, 4)?;
                    Some(Transfer { writeback: writes_back.then_some((base, below)), ..transfer })
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// LDRD and STRD.
fn pair(first: u32, second: u32, base: u8, start: u32) -> Option<Transfer> {
    let (before, writes_back) = (first & 1 << 8 != 0, first & 1 << 5 != 0);
    if !before && !writes_back {
        // Exclusive accesses and tables of branches.
        return None;
    }
    let (address, changed) = indexed(start, (second & 0xff) * 4, first & 1 << 7 != 0, before);
    let access = |register, address| Access {
        loads: first & 1 << 4 != 0,
        register,
        address,
        width: Width::Word,
        signed: false,
    };
    let (one, two) = (field(second, 12, 15), field(second, 8, 15));
    let accesses = vec![access(one, address), access(two, address.wrapping_add(4))];
    let writeback = writes_back.then_some((base, changed));
    (one < 15 && two < 15).then_some(Transfer { accesses, writeback, length: 4 })
}

/// The address of an access, and what the base register has become if it changes.
const fn indexed(start: u32, offset: u32, upwards: bool, before: bool) -> (u32, u32) {
    let changed = if upwards { start.wrapping_add(offset) } else { start.wrapping_sub(offset) };
    (if before { changed } else { start }, changed)
}

fn wide_single(first: u32, second: u32, registers: &[u32; 16]) -> Option<Transfer> {
    let base = field(first, 0, 15);
    let start = value(registers, base);
    let (signed, loads) = (first & 1 << 8 != 0, first & 1 << 4 != 0);
    let width = match first >> 5 & 3 {
        0 => Width::Byte,
        1 => Width::Half,
        2 if !signed => Width::Word,
        _ => return None,
    };
    let mut writeback = None;
    let address = if first & 1 << 7 != 0 {
        start.wrapping_add(second & 0xfff)
    } else if second & 1 << 11 != 0 {
        let (before, writes_back) = (second & 1 << 10 != 0, second & 1 << 8 != 0);
        if !before && !writes_back {
            return None;
        }
        let upwards = second & 1 << 9 != 0;
        let (address, changed) = indexed(start, second & 0xff, upwards, before);
        writeback = writes_back.then_some((base, changed));
        address
    } else if second & 0xfc0 == 0 {
        start.wrapping_add(value(registers, field(second, 0, 15)) << (second >> 4 & 3))
    } else {
        return None;
    };
    let register = field(second, 12, 15);
    if register == 15 || (signed && !loads) {
        return None;
    }
    let access = Access { loads, register, address, width, signed };
    Some(Transfer { writeback, ..single(access, 4) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Width::{Byte, Half, Word};

    #[test]
    fn the_length_of_an_instruction_is_in_its_first_halfword() {
        let check = |halfword, wide| assert_eq!(is_wide(halfword), wide, "{halfword:#06x}");
        check(0xB500, false); // push {lr}
        check(0xE7FE, false); // b .
        check(0xE800, true);
        check(0xF000, true); // first half of bl
        check(0xE92D, true); // push.w
        check(0xDE00, false); // udf #0
    }

    /// Registers of which each holds its number times 0x100.
    fn registers() -> [u32; 16] {
        std::array::from_fn(|number| number as u32 * 0x100)
    }

    /// One access: loads, register, address, width, and whether signed.
    fn check(code: [u16; 2], length: u32, expected: (bool, u8, u32, Width, bool)) {
        let (loads, register, address, width, signed) = expected;
        let access = Access { loads, register, address, width, signed };
        let found = decode(code, &registers());
        assert_eq!(found, Some(single(access, length)), "{code:04x?}");
    }

    #[test]
    fn narrow_forms() {
        check([0x6849, 0], 2, (true, 1, 0x104, Word, false)); // ldr r1, [r1, #4]
        check([0x6011, 0], 2, (false, 1, 0x200, Word, false)); // str r1, [r2]
        check([0x78d1, 0], 2, (true, 1, 0x203, Byte, false)); // ldrb r1, [r2, #3]
        check([0x7011, 0], 2, (false, 1, 0x200, Byte, false)); // strb r1, [r2]
        check([0x8891, 0], 2, (true, 1, 0x204, Half, false)); // ldrh r1, [r2, #4]
        check([0x8011, 0], 2, (false, 1, 0x200, Half, false)); // strh r1, [r2]
        check([0x58d1, 0], 2, (true, 1, 0x500, Word, false)); // ldr r1, [r2, r3]
        check([0x50d1, 0], 2, (false, 1, 0x500, Word, false)); // str r1, [r2, r3]
        check([0x56d1, 0], 2, (true, 1, 0x500, Byte, true)); // ldrsb r1, [r2, r3]
        check([0x5ed1, 0], 2, (true, 1, 0x500, Half, true)); // ldrsh r1, [r2, r3]
        check([0x9902, 0], 2, (true, 1, 0xd08, Word, false)); // ldr r1, [sp, #8]
    }

    #[test]
    fn wide_forms() {
        check([0xf8d2, 0x1024], 4, (true, 1, 0x224, Word, false)); // ldr.w r1, [r2, #36]
        check([0xf8c2, 0xe024], 4, (false, 14, 0x224, Word, false)); // str.w lr, [r2, #36]
        check([0xf852, 0x1c04], 4, (true, 1, 0x1fc, Word, false)); // ldr r1, [r2, #-4]
        check([0xf852, 0x1023], 4, (true, 1, 0xe00, Word, false)); // ldr.w r1, [r2, r3, lsl #2]
        check([0xf882, 0x1003], 4, (false, 1, 0x203, Byte, false)); // strb.w r1, [r2, #3]
        check([0xf9b2, 0x1002], 4, (true, 1, 0x202, Half, true)); // ldrsh.w r1, [r2, #2]
    }

    /// Several accesses as (register, address), and the base register afterwards.
    fn check_many(code: [u16; 2], accesses: &[(u8, u32)], writeback: Option<(u8, u32)>) {
        let found = decode(code, &registers()).unwrap();
        let places: Vec<_> = found.accesses.iter().map(|it| (it.register, it.address)).collect();
        assert_eq!((places.as_slice(), found.writeback), (accesses, writeback), "{code:04x?}");
    }

    #[test]
    fn indexed_forms_pairs_and_lists() {
        check_many([0xf842, 0x1b04], &[(1, 0x200)], Some((2, 0x204))); // str r1, [r2], #4
        check_many([0xf852, 0x1f04], &[(1, 0x204)], Some((2, 0x204))); // ldr r1, [r2, #4]!
        check_many([0xe9d2, 0x1302], &[(1, 0x208), (3, 0x20c)], None); // ldrd r1, r3, [r2, #8]
        check_many([0xe942, 0x1302], &[(1, 0x1f8), (3, 0x1fc)], None); // strd r1, r3, [r2, #-8]
        check_many([0xc20a, 0], &[(1, 0x200), (3, 0x204)], Some((2, 0x208))); // stm r2!, {r1, r3}
        check_many([0xca0c, 0], &[(2, 0x200), (3, 0x204)], None); // ldm r2, {r2, r3}
        check_many([0xe882, 0x4008], &[(3, 0x200), (14, 0x204)], None); // stm.w r2, {r3, lr}
        check_many([0xe922, 0x000a], &[(1, 0x1f8), (3, 0x1fc)], Some((2, 0x1f8))); // stmdb r2!
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let check = |code| assert_eq!(decode(code, &registers()), None, "{code:04x?}");
        check([0x4801, 0]); // ldr r0, [pc, #4]
        check([0xf8df, 0x1004]); // ldr.w r1, [pc, #4]
        check([0xf8d2, 0xf000]); // ldr pc, [r2]
        check([0xe852, 0x1f00]); // ldrex r1, [r2]
        check([0xe842, 0x1000]); // strex r0, r1, [r2]
        check([0xe8d0, 0xf001]); // tbb [r0, r1]
        check([0xe8bd, 0x8010]); // pop.w {r4, pc}
        check([0xed92, 0x0a00]); // vldr s0, [r2]
        check([0x3101, 0]); // adds r1, #1
        check([0xe7fe, 0]); // b .
    }

    #[test]
    fn waiting_is_recognised() {
        assert!(is_wait([0xbf30, 0]) && is_wait([0xbf20, 0]) && is_wait([0xf3af, 0x8003]));
        assert!(!is_wait([0xbf00, 0]) && !is_wait([0xf3af, 0x8000]));
        assert!(is_wide(0xe800) && is_wide(0xf8d2) && !is_wide(0xe7fe));
    }
}
