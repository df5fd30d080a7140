//! The frames of a crash, from its record, the RAM at the boundary if there is some, and the image.
//!
//! Frame pointers are the contract: the image keeps r7, and the chain is followed exactly as the
//! dying device followed it (`crashrig_wire::trail`). Where the exception frame was lost, frame 0
//! says so and the chain still tells who called. Call frame information (DWARF 4 §6.4) is used for
//! one question only: whether the function at pc had saved its return address yet. Nothing here
//! guesses: an address that is no return address by the rules of the trail becomes no frame.

use super::symbols::{Place, Symbols};
use crate::image::Image;
use crashrig_wire::record::Trust;
use crashrig_wire::trail::{Memory, is_return_address, walk};
use crashrig_wire::{Record, cfsr};
use gimli::{BaseAddresses, CfaRule, RegisterRule, UnwindContext, UnwindSection};

/// Calls that a backtrace shows at most, inlined ones not counted.
pub const MAXIMUM_CALLS: usize = 256;

/// r7, the frame pointer of Thumb code.
const FRAME_POINTER: usize = 7;
/// The stack pointer's number in DWARF (AADWARF32 §4.1), and r7's.
const DWARF_STACK_POINTER: u16 = 13;
const DWARF_FRAME_POINTER: u16 = 7;
const DWARF_LINK_REGISTER: gimli::Register = gimli::Register(14);

/// A range of RAM as it was at the boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RamRange<'a> {
    /// Its first address.
    pub start: u32,
    /// What it held.
    pub bytes: &'a [u8],
}

/// One line of a backtrace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// Where it was executing, or where it would have gone on; nothing if that was lost.
    pub address: Option<u32>,
    /// Path of the function, without hash.
    pub function: Option<String>,
    /// Source file, relative to the workspace where it is one of ours.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Whether the function was inlined into the one of the next line.
    pub inlined: bool,
    /// What must be known to read this line right.
    pub note: Option<String>,
}

/// Code from the image, stack from the snapshot.
struct View<'a> {
    image: &'a Image,
    ram: &'a [RamRange<'a>],
}

impl Memory for View<'_> {
    fn stack_word(&self, address: u32) -> Option<u32> {
        self.ram.iter().find_map(|range| {
            let offset = usize::try_from(address.checked_sub(range.start)?).ok()?;
            range.bytes.get(offset..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
        })
    }

    fn code_halfword(&self, address: u32) -> Option<u16> {
        self.image.code_halfword(address)
    }
}

/// The frames of a record, innermost first. Never empty. `ram` may be empty: then the trail that
/// the record itself holds is all there is.
#[must_use]
pub fn backtrace(record: &Record, ram: &[RamRange<'_>], symbols: &Symbols<'_>) -> Vec<Frame> {
    let memory = View { image: symbols.image(), ram };
    let mut frames = first_frame(record, symbols);
    let calls = calls(record, &memory);
    if let Some(caller) = unlinked_caller(record, &memory, symbols)
        && calls.first().map(|call| call.address & !1) != Some(caller.address & !1)
    {
        push_call(&mut frames, &caller, symbols);
    }
    for call in calls.iter().take(MAXIMUM_CALLS) {
        push_call(&mut frames, call, symbols);
    }
    if calls.len() > MAXIMUM_CALLS
        && let Some(last) = frames.last_mut()
    {
        last.note = Some(format!("cut after {MAXIMUM_CALLS} calls"));
    }
    frames
}

/// A return address, with its Thumb bit.
struct Call {
    address: u32,
    note: Option<String>,
}

fn first_frame(record: &Record, symbols: &Symbols<'_>) -> Vec<Frame> {
    let pc = record.registers.pc;
    // With a frame pc is the instruction that faulted or would have been next; when software
    // noticed, it is the call.
    if record.trust.has(Trust::PC) {
        return frames_at(pc, pc, None, symbols);
    }
    let reason = if record.faults.cfsr & cfsr::FRAME_LOST != 0 {
        "pc and lr are lost: the core could not write the exception frame"
    } else {
        "pc and lr are lost: the record holds no exception frame"
    };
    vec![Frame { note: Some(reason.to_owned()), ..Frame::default() }]
}

fn push_call(frames: &mut Vec<Frame>, call: &Call, symbols: &Symbols<'_>) {
    let address = call.address & !1;
    frames.extend(frames_at(address, address.wrapping_sub(1), call.note.clone(), symbols));
}

/// The lines of one frame. The source is looked up at `within`, an address inside the instruction
/// that was executing: after a call that never returns another function may begin.
fn frames_at(address: u32, within: u32, note: Option<String>, symbols: &Symbols<'_>) -> Vec<Frame> {
    let line = |place: Place| Frame {
        address: Some(address),
        function: place.function,
        file: place.file,
        line: place.line,
        inlined: place.inlined,
        note: None,
    };
    let mut frames: Vec<_> = symbols.places_at(within).into_iter().map(line).collect();
    if let Some(first) = frames.first_mut() {
        first.note = note;
    }
    frames
}

/// The calls that the chain of frame pointers gives: from the snapshot, or the record's own trail
/// where that is longer. One more than [`MAXIMUM_CALLS`] means that there are more.
fn calls(record: &Record, memory: &View<'_>) -> Vec<Call> {
    let trail = record.trail.get(..usize::from(record.trail_length)).unwrap_or_default();
    let mut found = [0; MAXIMUM_CALLS + 1];
    let mut length = 0;
    if record.trust.has(Trust::CALLEE_SAVED) {
        let end = record.stack_start.saturating_add(record.stack_size);
        let start = record.registers.r.get(FRAME_POINTER).copied().unwrap_or(0);
        length = walk(memory, start, record.stack_start..end, &mut found);
    }
    let found = found.get(..length).unwrap_or_default();
    let longest = if found.len() >= trail.len() { found } else { trail };
    let calls = longest.iter().enumerate().map(|(index, &address)| {
        let recorded = trail.get(index).copied().filter(|recorded| *recorded != address);
        let note = recorded.map(|recorded| format!("the record's trail has {recorded:#010x} here"));
        Call { address, note }
    });
    calls.collect()
}

/// The caller of the function at pc where that function had not yet linked its frame into the
/// chain: it faulted in its first instructions, or keeps no frame at all. The chain lacks exactly
/// this call.
fn unlinked_caller(record: &Record, memory: &View<'_>, symbols: &Symbols<'_>) -> Option<Call> {
    if !record.trust.has(Trust::FRAME) {
        return None;
    }
    let (pc, lr) = (record.registers.pc, record.registers.lr);
    let function = |address| memory.image.symbol_at(address).map(|symbol| symbol.address);
    let (address, note) = match saved_return_address(pc, symbols) {
        // A function that never returns need not save lr: after a call of its own, lr leads back
        // into it. At its very first instruction that is its caller all the same, by recursion.
        Some(Saved::InLinkRegister)
            if function(pc) != function(lr.wrapping_sub(2)) || function(pc) == Some(pc) =>
        {
            (lr, "from lr")
        }
        Some(Saved::InLinkRegister) => return None,
        Some(Saved::OnStack { base, offset }) => {
            let base = match base {
                DWARF_STACK_POINTER if record.trust.has(Trust::STACK_POINTER) => {
                    record.registers.sp
                }
                DWARF_FRAME_POINTER if record.trust.has(Trust::CALLEE_SAVED) => {
                    record.registers.r.get(FRAME_POINTER).copied()?
                }
                _ => return None,
            };
            let address = base.wrapping_add_signed(i32::try_from(offset).ok()?);
            (memory.stack_word(address)?, "from the stack, frame not linked yet")
        }
        // Without call frame information: lr can only be the caller if it leads out of the
        // function, and is then more likely right than wrong.
        None => {
            if function(pc).is_none() || function(pc) == function(lr.wrapping_sub(2)) {
                return None;
            }
            (lr, "from lr, may be stale")
        }
    };
    let call = Call { address, note: Some(note.to_owned()) };
    is_return_address(memory, address).then_some(call)
}

/// Where call frame information says that the return address is.
enum Saved {
    /// Not saved yet.
    InLinkRegister,
    /// At an offset from a register, both as DWARF counts them.
    OnStack { base: u16, offset: i64 },
}

fn saved_return_address(pc: u32, symbols: &Symbols<'_>) -> Option<Saved> {
    let debug_frame = symbols.debug_frame();
    let mut context = UnwindContext::new();
    let row = debug_frame
        .unwind_info_for_address(
            &BaseAddresses::default(),
            &mut context,
            u64::from(pc),
            gimli::DebugFrame::cie_from_offset,
        )
        .ok()?;
    match row.register(DWARF_LINK_REGISTER) {
        None | Some(RegisterRule::Undefined | RegisterRule::SameValue) => {
            Some(Saved::InLinkRegister)
        }
        Some(RegisterRule::Offset(saved)) => match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                Some(Saved::OnStack { base: register.0, offset: offset.checked_add(saved)? })
            }
            CfaRule::Expression(_) => None,
        },
        _ => None,
    }
}
