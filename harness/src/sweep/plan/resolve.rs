//! Names of a sweep, looked up in an image.

use super::PlanError;
use crate::image::Image;
use crate::scenario::Place;
use crate::scenario::sweep::{CORE_REGISTERS, CRASH_PARTS, Memory, PlannedEffect, TriggerLink};
use crate::sweep::fault::{Effect, Link};
use crashrig_wire::ledger::LEDGER_LENGTH;
use crashrig_wire::record::RECORD_LENGTH;
use crashrig_wire::region::{Geometry, SMALLEST_REGION, Slot};
use crashrig_wire::thread::Context;
use std::ops::Range;

/// Exceptions whose handler has one name in every image, by their number (DDI0403E B1.5.2).
const HANDLERS: [(u32, &str); 2] = [(14, "crashrig_pendsv_entry"), (15, "crashrig_systick_entry")];

/// Where the kernel keeps the code of the thread that it has switched to.
const RUNNING: &str = "crashrig_port::kept::THREAD";

/// Some bytes of the running image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bytes {
    pub start: u32,
    pub size_bytes: u32,
    /// In words.
    pub name: String,
}

/// Looks names up.
pub(super) struct Resolver<'a> {
    image: &'a Image,
}

impl<'a> Resolver<'a> {
    pub(super) const fn new(image: &'a Image) -> Self {
        Self { image }
    }

    /// The address of a symbol.
    pub(super) fn symbol(&self, name: &str) -> Result<u32, PlanError> {
        let symbol = self.image.symbol(name).map(|symbol| symbol.address);
        symbol.ok_or_else(|| self.missing("symbol", name))
    }

    /// A link with addresses.
    pub(super) fn link(&self, link: &TriggerLink) -> Result<Link, PlanError> {
        Ok(match link {
            TriggerLink::Boot => Link::Boot,
            TriggerLink::Symbol { name, offset, count } => {
                let address = (self.symbol(name)? & !1).wrapping_add(*offset);
                Link::Address { address, count: *count }
            }
            TriggerLink::Store { memory, count } => {
                let Bytes { start, size_bytes, .. } = self.memory(memory)?;
                Link::Store { address: start, size_bytes, count: *count }
            }
            TriggerLink::Value { memory, mask, value, count } => {
                let address = self.memory(memory)?.start;
                if address % 4 != 0 {
                    return Err(PlanError::Alignment(address));
                }
                Link::Value { address, mask: *mask, value: *value, count: *count }
            }
            TriggerLink::Thread { context, count } => {
                // The kernel keeps the code of who runs; each user thread has one of its own, from
                // that of the first one on. All have this bit that stand in slots below 16.
                let (address, value) = (self.symbol(RUNNING)?, u32::from(context.code()));
                let mask = if *context == Context::User { value } else { u32::MAX };
                Link::Value { address, mask, value, count: *count }
            }
            TriggerLink::Load { memory, count } => {
                let Bytes { start, size_bytes, .. } = self.memory(memory)?;
                Link::Load { address: start, size_bytes, count: *count }
            }
            TriggerLink::Instructions(count) => Link::Instructions { count: *count },
            TriggerLink::Milliseconds(ms) => {
                Link::TargetTime { nanoseconds: ms.saturating_mul(1_000_000) }
            }
            TriggerLink::Interrupt { number, count } => {
                Link::Address { address: self.handler(*number)?, count: *count }
            }
        })
    }

    /// An effect that does not depend on the point.
    pub(super) fn effect(&self, effect: &PlannedEffect) -> Result<Effect, PlanError> {
        Ok(match effect {
            PlannedEffect::Flip { memory, bits } => {
                let address = self.memory(memory)?.start;
                if address % 4 != 0 {
                    return Err(PlanError::Alignment(address));
                }
                Effect::Word { address, flip: *bits, set: 0, clear: 0 }
            }
            PlannedEffect::Write { memory, bytes } => {
                Effect::Bytes { address: self.memory(memory)?.start, bytes: bytes.clone() }
            }
            PlannedEffect::Register { name, flip, value } => {
                Effect::Register { name: name.clone(), flip: *flip, value: *value }
            }
            PlannedEffect::Interrupt(number) => Effect::Interrupt { number: *number },
            PlannedEffect::Nmi => Effect::Nmi,
            PlannedEffect::Reset(ram) => Effect::Reset { ram: *ram },
            // The checks of the file keep what the point decides with its points.
            PlannedEffect::Skip
            | PlannedEffect::FlipPoint
            | PlannedEffect::Drawn
            | PlannedEffect::Parameter => Effect::Skip,
        })
    }

    /// The first instruction of an exception's handler: by its name where it has one, otherwise by
    /// the vector table in flash.
    fn handler(&self, number: u32) -> Result<u32, PlanError> {
        if let Some((_, name)) = HANDLERS.iter().find(|(known, _)| *known == number) {
            return Ok(self.symbol(name)? & !1);
        }
        let table = self.symbol("__crashrig_flash_vectors")?;
        let address = table.wrapping_add(number.wrapping_mul(4));
        let word = self.image.flash_bytes(address, 4).and_then(|bytes| bytes.first_chunk());
        word.map(|word| u32::from_le_bytes(*word) & !1)
            .ok_or_else(|| self.missing("vector", &number.to_string()))
    }

    /// Bytes by name.
    pub(super) fn memory(&self, memory: &Memory) -> Result<Bytes, PlanError> {
        let (start, whole, name) = match &memory.place {
            Place::Symbol(name) => {
                let symbol = self.image.symbol(name).ok_or_else(|| self.missing("symbol", name))?;
                (symbol.address, symbol.size_bytes, name)
            }
            Place::Region(name) => {
                let (start, size_bytes) = self.region(name)?;
                (start, size_bytes, name)
            }
            Place::Role(_) | Place::OneOf(_) => {
                return Err(self.missing("region", &memory.place.to_string()));
            }
        };
        // A label of an assembler has no size: then the file must give one.
        let size_bytes = memory.size_bytes.unwrap_or_else(|| whole.saturating_sub(memory.offset));
        let end = u64::from(memory.offset) + u64::from(size_bytes);
        if size_bytes == 0 || (whole > 0 && end > u64::from(whole)) {
            let (offset, name) = (memory.offset, name.clone());
            return Err(PlanError::Outside { name, whole, offset, size_bytes });
        }
        let name = match memory.offset {
            0 => name.clone(),
            offset => format!("{name}+{offset:#x}"),
        };
        Ok(Bytes { start: start.wrapping_add(memory.offset), size_bytes, name })
    }

    /// Where the crash region lies.
    pub(super) fn crash_region(&self) -> Result<Range<u32>, PlanError> {
        let (start, size_bytes) = self.region("crash-region")?;
        Ok(start..start.saturating_add(size_bytes))
    }

    /// First address and size in bytes of an area, or of a part of the crash region.
    fn region(&self, name: &str) -> Result<(u32, u32), PlanError> {
        let area = |name: &str| self.image.areas().iter().find(|area| area.name == name);
        if let Some(area) = area(name) {
            return Ok((area.start, area.end.saturating_sub(area.start)));
        }
        if let Some((_, start, size)) = CORE_REGISTERS.iter().find(|(known, ..)| *known == name) {
            return Ok((*start, *size));
        }
        let Some(crash) = area("crash-region").filter(|_| CRASH_PARTS.contains(&name)) else {
            return Err(self.missing("region", name));
        };
        let size = crash.end.saturating_sub(crash.start) as usize;
        if size < SMALLEST_REGION {
            return Err(self.missing("region", name));
        }
        let geometry = Geometry::new(size);
        let (offset, size) = match name {
            "ledger" => (0, 2 * LEDGER_LENGTH),
            "record-first" => (geometry.offset_of(Slot::First), RECORD_LENGTH),
            "record-last" => (geometry.offset_of(Slot::Last), RECORD_LENGTH),
            "slot-first" => (geometry.offset_of(Slot::First), geometry.slot_size),
            _ => (geometry.offset_of(Slot::Last), geometry.slot_size),
        };
        let narrow = |value: usize| u32::try_from(value).unwrap_or(0);
        Ok((crash.start + narrow(offset), narrow(size)))
    }

    fn missing(&self, what: &'static str, name: &str) -> PlanError {
        PlanError::Missing {
            what,
            name: name.to_owned(),
            image: self.image.origin().display().to_string(),
            known: self.known(what),
        }
    }

    /// Every name of a short list; nothing of a long one.
    fn known(&self, what: &str) -> String {
        if what != "region" {
            return String::new();
        }
        let areas = self.image.areas().iter().map(|area| area.name);
        let registers = CORE_REGISTERS.map(|(name, ..)| name);
        let names: Vec<_> = areas.chain(CRASH_PARTS).chain(registers).collect();
        format!(", expected one of {}", names.join(", "))
    }
}
