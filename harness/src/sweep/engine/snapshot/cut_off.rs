//! Runs that a reset cuts off so many instructions after a place: see [`super::film`].

use super::Trace;
use super::device::Device;
use super::film::{Film, Ram, cut};
use super::trigger::Met;
use super::warm::{Reached, Warm};
use crate::sweep::engine::BootTrace;
use crate::sweep::fault::{Fault, Link, RamPolicy};
use crate::target::{BenchError, Boundary};
use crashrig_qemu::sprint::Next;
use crashrig_qemu::{GuestRam, RamRange};
use crashrig_wire::marker::MARKER_LENGTH;

/// Frames that are taken at a time.
const FRAMES: u64 = 512;

/// What is kept from one run to the next.
pub(super) struct Filmed {
    film: Film,
    /// Boots before the one that is cut off.
    done: Vec<BootTrace>,
    /// Instructions of the boot up to the place that was saved.
    after: u64,
}

impl Warm {
    /// A run that a reset cuts off; nothing where the trigger is not met, or does not end in
    /// instructions.
    pub(super) fn cut_off(
        &mut self,
        fault: &Fault,
        policy: RamPolicy,
        budget: u64,
    ) -> Result<Option<Trace>, BenchError> {
        let Some(Link::Instructions { count }) = fault.trigger.last() else { return Ok(None) };
        if !self.has_frame(fault, *count) && !self.film(fault, *count, budget)? {
            return Ok(None);
        }
        let Some(Filmed { film, done, after }) = &mut self.filmed else { return Ok(None) };
        let Some((pc, ram)) = film.show(*count) else { return Ok(None) };
        let starts: Vec<_> = self.device.workload.ram.iter().map(|(start, _)| *start).collect();
        let part = |address, size| {
            cut(&starts, ram, address, size)
                .ok_or_else(|| BenchError(format!("read {size} bytes at {address:#010x}: no RAM")))
        };
        let workload = &self.device.workload;
        let mut boots = done.clone();
        let fired_after = *after + count;
        boots.push(BootTrace {
            boundary: Boundary::Reset,
            instructions: fired_after,
            region: part(workload.crash_start, workload.crash_size as usize)?,
            marker: part(workload.marker, MARKER_LENGTH)?,
            ram_hash: None,
        });
        self.device.end_at_hook(false);
        let mut left = Some(ram);
        let mut policy = Some((policy, fault.seed));
        while let Some(index) = self.device.workload.next(&boots) {
            self.device.begin_with(index, left.take(), policy.take())?;
            let boundary = self.device.run_to_end(budget)?;
            boots.push(self.device.trace(boundary, budget)?);
        }
        self.device.end_at_hook(true);
        Ok(Some(Trace { fired: 1, fired_at: Some(pc), fired_after: Some(fired_after), boots }))
    }

    fn has_frame(&mut self, fault: &Fault, count: u64) -> bool {
        let of_this = self.base.as_ref().is_some_and(|base| base.is_of(fault));
        let filmed = self.filmed.as_mut().filter(|_| of_this);
        filmed.is_some_and(|filmed| filmed.film.show(count).is_some())
    }

    /// Takes frames from an instruction on. False when the device does not come there.
    fn film(&mut self, fault: &Fault, count: u64, budget: u64) -> Result<bool, BenchError> {
        self.filmed = None;
        let Reached { done, met, after } = self.reach(fault, budget)?;
        if met != Met::Yes {
            return Ok(false);
        }
        let hook = self.device.workload.reset_hook;
        let starts = self.device.workload.ram.iter().map(|(start, _)| *start).collect();
        let source = ram_of(&mut self.device)?;
        let mut film = Film::new(starts, count);
        let (mut ram, mut looks) = (Ram::new(), hook.is_none());
        let mut problem = None;
        let went = self.device.emulator.step_each(|emulator| {
            source.read_into(&mut ram)?;
            let pc = emulator.gdb()?.read_register("pc")?;
            let Some(pc) = pc.and_then(|pc| u32::try_from(pc).ok()) else {
                problem = Some(BenchError("read register pc: no such register".to_owned()));
                return Ok(Next::Stop);
            };
            if film.end() == count + FRAMES {
                return Ok(Next::Stop);
            }
            film.take(pc, &ram);
            // From the hook on, each instruction may be the one that asks for the reset.
            looks |= hook == Some(pc);
            Ok(if looks { Next::StepAndLook } else { Next::Step })
        });
        let went = went.map_err(BenchError::of)?;
        problem.map_or(Ok(()), Err)?;
        if went {
            self.near = Some((film.end(), self.device.save("near")?));
        }
        self.filmed = Some(Filmed { film, done, after: after - count });
        Ok(true)
    }
}

/// A way to read all RAM of the device.
pub(super) fn ram_of(device: &mut Device) -> Result<GuestRam, BenchError> {
    let range = |(address, size_bytes): &(u32, u32)| RamRange {
        address: *address,
        size_bytes: *size_bytes,
    };
    let ranges: Vec<_> = device.workload.ram.iter().map(range).collect();
    device.emulator.guest_ram(&ranges).map_err(BenchError::of)
}
