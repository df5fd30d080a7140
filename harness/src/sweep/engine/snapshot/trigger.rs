//! From one link of a trigger to the next, on the stopped device.

use super::device::{Device, Ran};
use crate::sweep::engine::effect::Still as _;
use crate::sweep::engine::trigger::is_access;
use crate::sweep::fault::Link;
use crate::target::{BenchError, Boundary};
use crashrig_qemu::gdb::{Access, Token};

/// How a way to a link ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Met {
    /// The device stands where the link is met.
    Yes,
    /// The boot was over before.
    Ended(Boundary),
}

/// Lets the device go on from where the link before is met to where a link is met. Before the first
/// instruction of its boot, where it stands counts; elsewhere the link is met behind that.
pub(super) fn meet(
    device: &mut Device,
    link: &Link,
    before: Option<&Link>,
    budget: u64,
) -> Result<Met, BenchError> {
    let is_behind_access =
        before.is_some_and(is_access) && !matches!(link, Link::Instructions { .. });
    if is_behind_access {
        let met = step(device, 1)?;
        if met != Met::Yes {
            return Ok(met);
        }
    }
    let counts_here = is_behind_access || matches!(before, None | Some(Link::Boot));
    match link {
        Link::Boot => Ok(Met::Yes),
        Link::Instructions { count } => step(device, *count),
        Link::Value { .. } | Link::TargetTime { .. } => {
            Err(BenchError(format!("meet a trigger: {link:?} was not refused")))
        }
        Link::Address { address, count } => {
            // Where boots end, the trigger comes first.
            let is_hook = device.workload.reset_hook == Some(*address);
            device.stop_at_hook(!is_hook)?;
            let token = device.emulator.break_at(*address).map_err(BenchError::of)?;
            let stands_there = pc(device)? == *address;
            let met = meet_point(device, token, *count, stands_there && !counts_here, budget)?;
            let met = leave(device, token, met)?;
            if met == Met::Yes {
                device.stop_at_hook(true)?;
            }
            Ok(met)
        }
        Link::Store { count, .. } | Link::Load { count, .. } => {
            let Some(token) = watch(device, link)? else { return Ok(Met::Yes) };
            let met = meet_point(device, token, *count, false, budget)?;
            leave(device, token, met)
        }
    }
}

/// Sets the point at which a link is met again; nothing for a link that is none.
pub(super) fn watch(device: &mut Device, link: &Link) -> Result<Option<Token>, BenchError> {
    let emulator = &mut device.emulator;
    let token = match link {
        Link::Address { address, .. } => emulator.break_at(*address),
        Link::Store { address, size_bytes, .. } => {
            emulator.watch(*address, *size_bytes, Access::Write)
        }
        Link::Load { address, size_bytes, .. } => {
            emulator.watch(*address, *size_bytes, Access::Read)
        }
        Link::Boot | Link::Value { .. } | Link::Instructions { .. } | Link::TargetTime { .. } => {
            return Ok(None);
        }
    };
    token.map(Some).map_err(BenchError::of)
}

/// Takes a point back, if there still is an emulator that has it.
pub(super) fn leave(device: &mut Device, token: Token, met: Met) -> Result<Met, BenchError> {
    if !matches!(met, Met::Ended(Boundary::Lockup { .. } | Boundary::Exit { .. })) {
        device.emulator.remove(token).map_err(BenchError::of)?;
    }
    Ok(met)
}

fn meet_point(
    device: &mut Device,
    token: Token,
    count: u64,
    mut stands_there: bool,
    budget: u64,
) -> Result<Met, BenchError> {
    for _ in 0..count {
        if stands_there && !device.emulator.pass().map_err(BenchError::of)? {
            return Ok(Met::Ended(Boundary::Reset));
        }
        match device.run(budget)? {
            Ran::Point(found) if found == token => stands_there = true,
            Ran::Point(_) => {
                return Err(BenchError("meet a trigger: stopped where nobody asked".to_owned()));
            }
            Ran::Ended(boundary) => return Ok(Met::Ended(boundary)),
        }
    }
    Ok(Met::Yes)
}

/// Executes so many instructions.
pub(super) fn step(device: &mut Device, count: u64) -> Result<Met, BenchError> {
    let went = device.emulator.step(count).map_err(BenchError::of)?;
    Ok(if went { Met::Yes } else { Met::Ended(Boundary::Reset) })
}

pub(super) fn pc(device: &mut Device) -> Result<u32, BenchError> {
    let pc = device.register("pc")?;
    pc.ok_or_else(|| BenchError("read register pc: no such register".to_owned()))
}
