//! Where a virtual chip stands: what its next instruction is, as far as that halts a core, and the
//! work that a flash algorithm asks for there.

use crate::error::Error;
use crate::probe::chip::{Body, Chip};
use crate::probe::flash::Work;
use crate::thumb::is_wait;

/// Bit of xPSR without which a core executes nothing.
const THUMB: u32 = 1 << 24;
/// The exception that takes faults which no other handler takes.
const HARD_FAULT: u32 = 3;

/// What stands at the next instruction.
pub(super) enum Here {
    /// Nothing that halts.
    Nothing,
    /// A breakpoint instruction, or a comparator of the FPB.
    Breakpoint,
    /// Work for the flash.
    Flash(Work),
}

impl Chip {
    /// What stands at the next instruction, as far as it halts a core.
    pub(super) fn here(&mut self) -> Result<Here, Error> {
        if !self.core.is_enabled {
            return Ok(Here::Nothing);
        }
        let pc = self.emulator()?.gdb()?.program_counter()?;
        if self.core.breakpoints.addresses().contains(&pc) {
            return Ok(Here::Breakpoint);
        }
        let code = self.code_at(pc)?;
        let in_flash = self.flash.get(pc, 2).is_some();
        Ok(match Work::of(code) {
            Some(work) if !in_flash => Here::Flash(work),
            _ if code >> 8 == 0xBE => Here::Breakpoint,
            _ => Here::Nothing,
        })
    }

    /// Carries out what a flash algorithm asks for.
    pub(super) fn work(&mut self, work: Work) -> Result<(), Error> {
        let Body::Alive(emulator, _) = &mut self.body else { return Ok(()) };
        let [address, size, source, ..] = emulator.gdb()?.core()?.registers;
        let changed = match work {
            Work::EraseSector => self.flash.erase_sector(address),
            Work::EraseAll => Some(self.flash.erase_all()),
            Work::ProgramPage => {
                let mut page = vec![0; size as usize];
                match self.flash.get(address, page.len()) {
                    Some(_) => emulator.read(source, &mut page)?,
                    None => page.clear(),
                }
                self.flash.program(address, &page).filter(|(_, bytes)| !bytes.is_empty())
            }
        };
        let result = u32::from(changed.is_none());
        if let Some((address, bytes)) = changed {
            emulator.gdb()?.program(address, bytes)?;
            // A device that keeps what flash holds is told; most chips have none.
            let _ = emulator.poke(address, bytes);
        }
        emulator.gdb()?.write_registers(&[("r0", result)])?;
        self.skip(2)
    }

    /// Moves the core over an instruction.
    pub(super) fn skip(&mut self, bytes: u32) -> Result<(), Error> {
        let hub = self.emulator()?.gdb()?;
        let pc = hub.program_counter()?;
        hub.write_registers(&[("pc", pc + bytes)])
    }

    /// Whether the next instruction waits for an interrupt.
    pub(super) fn is_at_wait(&mut self) -> Result<bool, Error> {
        let pc = self.emulator()?.gdb()?.program_counter()?;
        Ok(is_wait([self.code_at(pc)?, 0]))
    }

    /// Whether the core may be asleep: the instruction before the next one waits.
    pub(super) fn is_asleep(&mut self) -> Result<bool, Error> {
        let pc = self.emulator()?.gdb()?.program_counter()?;
        self.is_behind_wait(pc)
    }

    /// Whether the instruction before an address waits for an interrupt.
    pub(super) fn is_behind_wait(&mut self, pc: u32) -> Result<bool, Error> {
        let first = self.code_at(pc.wrapping_sub(4) & !1)?;
        let second = self.code_at(pc.wrapping_sub(2) & !1)?;
        Ok(is_wait([second, 0]) || is_wait([first, second]))
    }

    /// A halfword of code; zero where there is none.
    fn code_at(&mut self, address: u32) -> Result<u16, Error> {
        let mut code = [0; 2];
        if self.is_executable(address) {
            self.emulator()?.read(address, &mut code)?;
        }
        Ok(u16::from_le_bytes(code))
    }

    /// Whether the core could only lock up: it cannot execute, nor the handler of that fault. QEMU
    /// would end, and blank flash does it at once.
    pub(super) fn would_lock_up(&mut self) -> Result<bool, Error> {
        let core = self.emulator()?.gdb()?.core()?;
        let [.., pc] = core.registers;
        if core.xpsr & THUMB != 0 && self.is_executable(pc) {
            return Ok(false);
        }
        let handler = self.vector(HARD_FAULT)?;
        Ok(!self.is_executable(handler))
    }
}
