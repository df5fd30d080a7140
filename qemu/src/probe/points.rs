//! Breakpoints and watchpoints in the emulator, kept equal to what the debug registers ask for.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::gdb::{Access, Hub, Token};
use crate::probe::chip::Chip;
use crate::probe::core::caught_exceptions;
use crate::probe::flash::{STUB_ERASE_ALL, STUB_ERASE_SECTOR, STUB_OFFSET, STUB_PROGRAM_PAGE};
use crate::probe::units::Watch;

/// Where the core keeps the address of its vector table.
const VTOR: u32 = 0xE000_ED08;

/// One place where the emulator has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// Before the instruction at an address.
    Code(u32),
    /// Before an access to data.
    Data(Watch),
    /// Before the vector table moves, and with it the handlers that are watched.
    VectorTable,
}

/// The points that are set.
#[derive(Debug, Default)]
pub(super) struct Points {
    set: Vec<(Point, Token)>,
}

impl Points {
    /// The emulator that knew them is gone.
    pub(super) fn forget(&mut self) {
        self.set.clear();
    }

    /// The point of a stop.
    pub(super) fn of(&self, token: Token) -> Option<Point> {
        self.set.iter().find(|(_, known)| *known == token).map(|(point, _)| *point)
    }

    /// Sets what is wanted and nothing else. The guest must be stopped.
    fn set(&mut self, wanted: &[Point], hub: &mut Hub) -> Result<(), Error> {
        let mut kept = Vec::new();
        for (point, token) in std::mem::take(&mut self.set) {
            if wanted.contains(&point) {
                kept.push((point, token));
            } else {
                hub.remove(token)?;
            }
        }
        self.set = kept;
        for point in wanted {
            if self.set.iter().any(|(known, _)| known == point) {
                continue;
            }
            let token = match point {
                Point::Code(address) => hub.break_at(*address)?,
                Point::Data(watch) => hub.watch(watch.address, watch.size_bytes, watch.access)?,
                Point::VectorTable => hub.watch(VTOR, 4, Access::Write)?,
            };
            self.set.push((*point, token));
        }
        Ok(())
    }
}

impl Chip {
    /// Sets the points that the debug registers ask for now. The guest must be stopped.
    pub(super) fn set_points(&mut self) -> Result<(), Error> {
        let wanted = self.wanted_points()?;
        let mut points = std::mem::take(&mut self.points);
        let result = points.set(&wanted, self.emulator()?.gdb()?);
        self.points = points;
        result
    }

    fn wanted_points(&mut self) -> Result<Vec<Point>, Error> {
        if !self.core.is_enabled {
            return Ok(Vec::new());
        }
        let mut code: BTreeSet<u32> = self.breakpoint_sites.iter().copied().collect();
        code.extend(self.algorithm_sites());
        code.extend(self.core.breakpoints.addresses());
        code.extend(self.core.watches.addresses());
        let mut points = Vec::new();
        let catches = self.core.fault_catches();
        if catches != 0 {
            points.push(Point::VectorTable);
            for exception in caught_exceptions(catches) {
                let handler = self.vector(exception)?;
                if self.is_executable(handler) {
                    code.insert(handler);
                }
            }
        }
        points.extend(code.into_iter().map(Point::Code));
        points.extend(self.core.watches.watches().into_iter().map(Point::Data));
        Ok(points)
    }

    /// Where an exception is handled.
    pub(super) fn vector(&mut self, exception: u32) -> Result<u32, Error> {
        let emulator = self.emulator()?;
        let mut bytes = [0; 4];
        let table = emulator.memory().read_word(VTOR)?;
        emulator.read(table.wrapping_add(4 * exception), &mut bytes)?;
        Ok(u32::from_le_bytes(bytes) & !1)
    }

    /// Breakpoint instructions of a flash algorithm, where one would be.
    fn algorithm_sites(&self) -> [u32; 4] {
        let start = self.facts.algorithm_address;
        let stub = start + STUB_OFFSET;
        [start, stub + STUB_ERASE_SECTOR, stub + STUB_PROGRAM_PAGE, stub + STUB_ERASE_ALL]
    }
}
