//! The commands of a harness that steers, one by one.
//!
//! A command is a byte and its arguments, little-endian, without padding. Each is answered by a
//! byte of 0 and its results, or by a byte of 1, the length of a text in 16 bits, and the text.
//! Only
//! `RUN` is answered later than it is carried out: once the guest has stopped. Answers go out when
//! no command is waiting, so that a harness may send many at once.
//!
//! | code | arguments | results |
//! |---|---|---|
//! | 1 RAM | start, size: u32 each | |
//! | 2 SAVE | slot: u8, whole: u8 | size of the stream: u32, without `cpu_common`: u8 |
//! | 3 RESTORE | slot: u8, what: u8 (1 devices, 2 RAM, 3 both) | |
//! | 4 RUN | see [`run`] | reason, pc: u32 each, executed: i64 |
//! | 5 READ | address, size: u32 each | the bytes |
//! | 6 WRITE | address, size: u32 each, the bytes | |
//! | 7 WORD | address, flip, set, clear: u32 each | |
//! | 8 REGISTER | number: u8, what: u8 (0 read, 1 flip, 2 write), value: u32 | its old value: u32 |
//! | 9 PEND | number of the exception: u16 | |
//! | 10 SKIP | | |
//! | 11 RESET | | |
//! | 12 TRACE | on: u8 | |
//! | 13 STATE | | hash, instructions begun: u64 each, time in ns: i64 |
//! | 14 COMPARE | slot: u8 | whether RAM is the same: u8 |
//! | 15 WATCH | start, size: u32 each | |
//! | 16 FIRST | | for each watched byte what came first: u8 (0 neither, 1 a load, 2 a store) |
//!
//! The slots of snapshots are numbered from 0; a number is taken when it is first used.

use crate::control::Control;
use crate::effect;
use crate::first;
use crate::snapshot::{Ram, Snapshot};
use crate::stop::{Kind, Until};
use crate::trace;

/// Most bytes that are read or written at once.
const LIMIT_BYTES: u32 = 1 << 22;

/// Most snapshots.
const SLOTS: u8 = 128;

/// Restores devices.
const DEVICES: u8 = 1;
/// Restores RAM.
const RAM: u8 = 2;

const UNKNOWN_SLOT: &str = "no such snapshot";

/// What a command answers besides that it was carried out.
type Answer = Result<Vec<u8>, &'static str>;

/// Carries out one command; `None` if there is none, or an unknown one.
pub fn carry_out_next(control: &mut Control) -> Option<()> {
    let [code] = take(control)?;
    let answer = match code {
        1 => add_ram(words(control)?, control),
        2 => save(take(control)?, control),
        3 => restore(take(control)?, control),
        4 => match run(control)? {
            Ok(()) => return Some(()),
            Err(reason) => Err(reason),
        },
        5 => read(words(control)?, control),
        6 => write(control)?,
        7 => {
            let [address, change @ ..] = words::<4>(control)?;
            effect::change_word(&control.machine, address, change).map(nothing)
        }
        8 => register(control)?,
        9 => {
            let exception = u16::from_le_bytes(take(control)?);
            effect::pend(&control.machine, exception).map(nothing)
        }
        10 => effect::skip(&control.machine).map(nothing),
        11 => {
            effect::reset(&control.machine);
            Ok(Vec::new())
        }
        12 => {
            let [on] = take(control)?;
            control.trace(on != 0);
            Ok(Vec::new())
        }
        13 => Ok(state(control)),
        14 => compare(take(control)?, control),
        15 => watch(words(control)?),
        16 => Ok(first::take()),
        _ => return None,
    };
    match answer {
        Ok(results) => {
            control.answer(&[0]);
            control.answer(&results);
        }
        Err(reason) => {
            let length = u16::try_from(reason.len()).unwrap_or(0);
            control.answer(&[1]);
            control.answer(&length.to_le_bytes());
            control.answer(reason.as_bytes().get(..usize::from(length)).unwrap_or_default());
        }
    }
    Some(())
}

const fn nothing((): ()) -> Vec<u8> {
    Vec::new()
}

fn take<const LENGTH: usize>(control: &mut Control) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    control.ask(&mut bytes)?;
    Some(bytes)
}

fn words<const COUNT: usize>(control: &mut Control) -> Option<[u32; COUNT]> {
    let mut found = [0; COUNT];
    for word in &mut found {
        *word = u32::from_le_bytes(take(control)?);
    }
    Some(found)
}

fn add_ram([start, size_bytes]: [u32; 2], control: &mut Control) -> Answer {
    let ram = Ram::map(control.machine.internals, start, size_bytes)?;
    control.ram.push(ram);
    Ok(Vec::new())
}

fn save([slot, whole]: [u8; 2], control: &mut Control) -> Answer {
    if slot >= SLOTS {
        return Err(UNKNOWN_SLOT);
    }
    let snapshot = Snapshot::take(&control.machine, &control.ram, whole != 0)?;
    let (size_bytes, shortened) = snapshot.facts();
    let slot = usize::from(slot);
    if control.slots.len() <= slot {
        control.slots.resize_with(slot + 1, || None);
    }
    if let Some(place) = control.slots.get_mut(slot) {
        *place = Some(snapshot);
    }
    Ok([&size_bytes.to_le_bytes()[..], &[u8::from(shortened)]].concat())
}

fn snapshot(control: &Control, slot: u8) -> Result<&Snapshot, &'static str> {
    control.slots.get(usize::from(slot)).and_then(Option::as_ref).ok_or(UNKNOWN_SLOT)
}

fn restore([slot, what]: [u8; 2], control: &Control) -> Answer {
    let snapshot = snapshot(control, slot)?;
    if what & RAM != 0 {
        snapshot.restore_ram(&control.machine, &control.ram);
    }
    if what & DEVICES != 0 {
        snapshot.restore_devices(&control.machine)?;
    }
    Ok(Vec::new())
}

/// Most instructions: u64; until what: u8 (0 nothing, 1 an address, 2 a load, 3 a store); the
/// address or first address, the size of the range: u32 each; how often: u64; how many meetings do
/// not count: u32.
fn run(control: &mut Control) -> Option<Result<(), &'static str>> {
    let limit = u64::from_le_bytes(take(control)?);
    let [until] = take(control)?;
    let [start, size_bytes] = words(control)?;
    let count = u64::from_le_bytes(take(control)?);
    let [skip] = words(control)?;
    let access = |kind| Until::Access { start, size_bytes, kind, count };
    let until = match until {
        0 => Until::Nothing,
        1 => Until::Address { address: start, count },
        2 => access(Kind::Load),
        3 => access(Kind::Store),
        _ => return Some(Err("no such end of a run")),
    };
    // A time beyond this is none that a test could wait for: 10^15 instructions.
    const LONGEST: i64 = 1_000_000_000_000_000;
    let limit = i64::try_from(limit).unwrap_or(LONGEST).clamp(1, LONGEST);
    Some(control.run(limit, until, skip))
}

fn read([address, size_bytes]: [u32; 2], control: &Control) -> Answer {
    if size_bytes > LIMIT_BYTES {
        return Err("too many bytes");
    }
    let mut bytes = vec![0; size_bytes as usize];
    effect::access(&control.machine, address, &mut bytes, false)?;
    Ok(bytes)
}

fn write(control: &mut Control) -> Option<Answer> {
    let [address, size_bytes] = words(control)?;
    if size_bytes > LIMIT_BYTES {
        return None;
    }
    let mut bytes = vec![0; size_bytes as usize];
    control.ask(&mut bytes)?;
    Some(effect::access(&control.machine, address, &mut bytes, true).map(nothing))
}

fn register(control: &mut Control) -> Option<Answer> {
    let [number, what] = take(control)?;
    let [value] = words(control)?;
    let machine = &control.machine;
    let changed = effect::read_register(machine, number).and_then(|old| {
        match what {
            0 => {}
            1 => effect::write_register(machine, number, old ^ value)?,
            _ => effect::write_register(machine, number, value)?,
        }
        Ok(old.to_le_bytes().to_vec())
    });
    Some(changed)
}

fn state(control: &Control) -> Vec<u8> {
    let trace::State { hash, begun } = trace::state();
    let time = control.time_ns();
    [hash.to_le_bytes(), begun.to_le_bytes(), time.to_le_bytes()].concat()
}

fn watch([start, size_bytes]: [u32; 2]) -> Answer {
    if size_bytes > LIMIT_BYTES {
        return Err("too many bytes");
    }
    first::watch(start, size_bytes);
    Ok(Vec::new())
}

fn compare([slot]: [u8; 1], control: &Control) -> Answer {
    let same = snapshot(control, slot)?.has_same_ram(&control.ram);
    Ok(vec![u8::from(same)])
}
