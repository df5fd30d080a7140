//! The whole guest, kept in memory and put back: RAM, CPU, devices, clocks.
//!
//! RAM is copied; the rest is the stream by which QEMU itself saves its devices. Putting back
//! writes only pages that differ, through QEMU, so that code in RAM which was translated is
//! forgotten. Of the stream the section `cpu_common` is left out, because loading it throws away
//! all translated code; its two words are put back by hand. Where the stream does not have exactly
//! the expected shape it is loaded whole, which is slower and always right.
//!
//! QEMU 7.2 and 10.0 do not save CONTROL.FPCA of a core without security, so that `loadvm` leaves
//! it as it was: seen as a crash record with one bit of CONTROL from the run before. It is put back
//! by hand, too.
//!
//! Flash is not part of it, nor what a device keeps outside of its saved state. Must never happen
//! here: half a snapshot. Restoring is done by the thread of the CPU, between blocks.

use std::ffi::c_int;
use std::ptr::null_mut;

use crate::internals::{Internals, Object};
use crate::trace;
use crate::vmstate::{CpuFields, word};

/// Unit of comparison in bytes.
const PAGE_BYTES: usize = 4096;

/// First size of QEMU's buffer; it grows.
const BUFFER_BYTES: usize = 32 * 1024;

/// Magic and version of a stream, which loading does not expect.
const HEADER_BYTES: usize = 8;

/// A piece of RAM.
pub struct Ram {
    pub start: u32,
    pub size_bytes: u32,
    /// Where QEMU keeps it, mapped for good.
    pub host: *mut u8,
}

impl Ram {
    /// Finds it.
    ///
    /// # Errors
    /// It is not one piece of RAM.
    pub fn map(internals: &Internals, start: u32, size_bytes: u32) -> Result<Self, &'static str> {
        let mut mapped_bytes = u64::from(size_bytes);
        let address = u64::from(start);
        let host = (internals.cpu_physical_memory_map)(address, &raw mut mapped_bytes, true);
        // Anything else than RAM is lent as a copy, which lies in no RAM.
        let is_ram = (internals.qemu_ram_addr_from_host)(host) != u64::MAX;
        if host.is_null() || !is_ram || mapped_bytes != u64::from(size_bytes) {
            return Err("a range is not one piece of RAM");
        }
        Ok(Self { start, size_bytes, host })
    }

    /// What it holds now. Only the thread of the CPU writes there, which is the one that asks.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: QEMU mapped so many bytes there, and nobody writes while this is looked at.
        unsafe { std::slice::from_raw_parts(self.host, self.size_bytes as usize) }
    }
}

/// Devices and RAM at one moment.
pub struct Snapshot {
    /// One stream for QEMU.
    devices: Vec<u8>,
    /// `halted` and `interrupt_request`, where the stream is without them.
    common: Option<[u32; 2]>,
    /// What the stream never has: see [`CpuFields::secure_control`].
    secure_control: u32,
    ram: Vec<Vec<u8>>,
    trace: trace::State,
}

/// What snapshots need of QEMU.
#[derive(Clone, Copy)]
pub struct Machine {
    pub internals: &'static Internals,
    pub cpu: *mut Object,
    pub fields: CpuFields,
}

impl Snapshot {
    /// Keeps the guest as it is. `whole` keeps the section that makes QEMU forget all blocks.
    ///
    /// # Errors
    /// QEMU does not save its devices.
    pub fn take(machine: &Machine, ram: &[Ram], whole: bool) -> Result<Self, &'static str> {
        let stream = save(machine.internals)?;
        let shortened = if whole { None } else { without_common(&stream) };
        let common = shortened.is_some().then(|| {
            [machine.fields.halted, machine.fields.interrupt_request].map(|offset| {
                // SAFETY: a word of this CPU, whose thread this is.
                unsafe { word(machine.cpu, offset).read() }
            })
        });
        let secure_control = word(machine.cpu, machine.fields.secure_control);
        Ok(Self {
            // SAFETY: a word of this CPU, whose thread this is.
            secure_control: unsafe { secure_control.read() },
            devices: shortened.unwrap_or(stream),
            common,
            ram: ram.iter().map(|range| range.bytes().to_vec()).collect(),
            trace: trace::state(),
        })
    }

    /// Size of the stream in bytes, and whether it is without the section.
    pub fn facts(&self) -> (u32, bool) {
        (self.devices.len() as u32, self.common.is_some())
    }

    /// Puts CPU, devices and clocks back.
    ///
    /// # Errors
    /// QEMU does not load its devices.
    pub fn restore_devices(&self, machine: &Machine) -> Result<(), &'static str> {
        load(machine.internals, &self.devices)?;
        let secure_control = word(machine.cpu, machine.fields.secure_control);
        // SAFETY: a word of this CPU, whose thread this is.
        unsafe { secure_control.write(self.secure_control) };
        if let Some(common) = self.common {
            let offsets = [machine.fields.halted, machine.fields.interrupt_request];
            for (offset, value) in offsets.into_iter().zip(common) {
                // SAFETY: a word of this CPU, whose thread this is.
                unsafe { word(machine.cpu, offset).write(value) };
            }
            (machine.internals.tlb_flush)(machine.cpu);
        }
        trace::set_state(self.trace);
        Ok(())
    }

    /// Puts RAM back.
    pub fn restore_ram(&self, machine: &Machine, ram: &[Ram]) {
        for (range, kept) in ram.iter().zip(&self.ram) {
            let pages = kept.chunks(PAGE_BYTES).zip(range.bytes().chunks(PAGE_BYTES));
            for (index, (kept, now)) in pages.enumerate() {
                if kept != now {
                    let address = u64::from(range.start) + (index * PAGE_BYTES) as u64;
                    let bytes = kept.as_ptr().cast_mut();
                    let rw = machine.internals.cpu_physical_memory_rw;
                    rw(address, bytes, kept.len() as u64, true);
                }
            }
        }
    }

    /// Whether RAM is as it was.
    pub fn has_same_ram(&self, ram: &[Ram]) -> bool {
        self.ram.len() == ram.len()
            && ram.iter().zip(&self.ram).all(|(range, kept)| range.bytes() == kept)
    }
}

/// QEMU's stream of all devices, without its header.
fn save(internals: &Internals) -> Result<Vec<u8>, &'static str> {
    // One of the sections says whether the machine runs; without this it would say nothing, and be
    // refused.
    (internals.global_state_store)();
    let channel = (internals.qio_channel_buffer_new)(BUFFER_BYTES);
    let file = (internals.qemu_file_new_output)(channel);
    let failed = (internals.qemu_save_device_state)(file) < 0;
    (internals.qemu_fflush)(file);
    (internals.qio_channel_io_seek)(channel, 0, libc::SEEK_SET, null_mut());
    let mut stream = Vec::new();
    let mut piece = [0; PAGE_BYTES];
    loop {
        let read =
            (internals.qio_channel_read)(channel, piece.as_mut_ptr(), PAGE_BYTES, null_mut());
        match usize::try_from(read).ok().and_then(|length| piece.get(..length)) {
            Some([]) | None => break,
            Some(bytes) => stream.extend_from_slice(bytes),
        }
    }
    let failed = (internals.qemu_fclose)(file) < 0 || failed;
    (internals.object_unref)(channel);
    match stream.get(HEADER_BYTES..) {
        Some(sections) if !failed => Ok(sections.to_vec()),
        _ => Err("QEMU did not save its devices"),
    }
}

fn load(internals: &Internals, stream: &[u8]) -> Result<(), &'static str> {
    let channel = (internals.qio_channel_buffer_new)(stream.len());
    let written: c_int =
        (internals.qio_channel_write_all)(channel, stream.as_ptr(), stream.len(), null_mut());
    (internals.qio_channel_io_seek)(channel, 0, libc::SEEK_SET, null_mut());
    let file = (internals.qemu_file_new_input)(channel);
    let loaded = (internals.qemu_load_device_state)(file);
    (internals.qemu_fclose)(file);
    (internals.object_unref)(channel);
    if written < 0 || loaded < 0 { Err("QEMU did not load its devices") } else { Ok(()) }
}

/// The stream without the section `cpu_common`, if it has exactly one of exactly this shape: kind,
/// number, name, instance, version, two words, footer with the number (`migration/savevm.c`).
fn without_common(stream: &[u8]) -> Option<Vec<u8>> {
    const NAME: &[u8] = b"\x0acpu_common";
    const FULL: u8 = 4;
    const FOOTER: u8 = 0x7e;
    const NUMBER_BYTES: usize = 4;
    let mut places = stream.windows(NAME.len()).enumerate().filter(|(_, bytes)| *bytes == NAME);
    let (name_at, _) = places.next()?;
    if places.next().is_some() {
        return None;
    }
    let begin = name_at.checked_sub(1 + NUMBER_BYTES)?;
    let number = stream.get(begin + 1..name_at)?;
    // Instance, version, `halted` and `interrupt_request`.
    let footer_at = name_at + NAME.len() + 4 * 4;
    let end = footer_at + 1 + NUMBER_BYTES;
    let fits = stream.get(begin) == Some(&FULL)
        && stream.get(footer_at) == Some(&FOOTER)
        && stream.get(footer_at + 1..end)? == number;
    fits.then(|| [stream.get(..begin), stream.get(end..)].into_iter().flatten().flatten())
        .map(|bytes| bytes.copied().collect())
}
