//! Phase three of a record: what else there is to say, each kind of it in a section of its own.
//!
//! The order is that of worth against risk: registers first, then tables that the fault may have
//! damaged. Reading them is bounded, and a fault on the way leaves what was written before. Nothing
//! here decides anything.

use crate::registers::{float_unit, interrupt_controller, memory_protection};
use crate::{dma, errors, heap, kernel, log_tail, mpu, platform, reset_cause, vectors};
use crashrig_memory::errors::Context;
use crashrig_memory::map::MemoryMap;
use crashrig_memory::raw::{LiveMemory, RetainedRam};
use crashrig_memory::retain::SlotSink;
use crashrig_memory::sections::{neighbours, window};
use crashrig_wire::Record;
use crashrig_wire::section::{
    ErrorRow, Float, INTERRUPT_WORDS, PROTECTION_ROWS, ProtectionRegion, Section, SectionWriter,
    THREAD_ROWS,
};
use crashrig_wire::trail::Memory as _;

/// The writer for the slot of a record.
pub type Writer<'a> = SectionWriter<SlotSink<'a, RetainedRam>>;

unsafe extern "Rust" {
    /// Defined by the image through [`crate::entry!`] or [`crate::entry_without_kernel!`].
    safe fn crashrig_tables(writer: &mut Writer<'_>, psp: u32);
}

/// The tables of kernel and heap, which an image without them does not have.
pub fn write_tables(writer: &mut Writer<'_>, psp: u32) {
    let rows = kernel::view::thread_rows(psp);
    writer.rows(Section::Threads, THREAD_ROWS, rows.map(|row| row.to_words()));
    heap::write_sections(writer);
}

/// Writes every section of a record. `causes` are those of the last resets, as in the ledger.
pub(crate) fn write(mut writer: Writer<'_>, record: &Record, map: &MemoryMap<'_>, causes: u32) {
    writer.section(Section::Float, float().to_words());
    protection(&mut writer);
    interrupts(&mut writer);
    resets(&mut writer, causes);
    let around = neighbours(record.fault_address, map);
    writer.rows(Section::Neighbours, around.len(), around.map(|row| row.to_words()));
    crashrig_tables(&mut writer, record.registers.psp);
    vector_table(&mut writer, record);
    dma::hooks::write_section(&mut writer);
    errors(&mut writer);
    writer.section(Section::LogTail, log_tail::words());
    stack(&mut writer, record, map);
}

/// The sections of a record of the boot before: causes of resets, and the end of its log.
pub(crate) fn write_kept(mut writer: Writer<'_>, causes: u32) {
    resets(&mut writer, causes);
    writer.section(Section::LogTail, log_tail::words());
}

fn float() -> Float {
    const STATE_TO_BE_SAVED: u32 = 1;
    let unit = float_unit();
    let fpccr = unit.fpccr.read();
    // Reading FPSCR would save the state of the code that was interrupted, where there may be no
    // room for it.
    let fpscr = if fpccr & STATE_TO_BE_SAVED == 0 { read_fpscr() } else { 0 };
    Float { fpccr, fpcar: unit.fpcar.read(), fpscr }
}

fn read_fpscr() -> u32 {
    let value: u32;
    // SAFETY: the unit is on from the start, and nothing waits to be saved.
    unsafe { core::arch::asm!("vmrs {0}, fpscr", out(reg) value, options(nomem, nostack)) };
    value
}

/// A region is on: bit 0 of RASR (DDI0403E B3.5.9) and of RLAR (DDI0553, from memory).
const REGION_ENABLE: u32 = 1;

fn protection(writer: &mut Writer<'_>) {
    let unit = memory_protection();
    let regions = unit._type.read() >> 8 & 0xFF;
    let rows = (0..regions).map(|number| {
        // SAFETY: the number is one of a region; whoever writes regions selects them first.
        unsafe { unit.rnr.write(number) };
        #[cfg(not(armv8m))]
        let attributes = unit.rasr.read();
        #[cfg(armv8m)]
        let attributes = unit.rlar.read();
        (number, ProtectionRegion { base: unit.rbar.read(), attributes })
    });
    // One that is off says nothing: if there are more, what is left out are those that are on.
    let rows = rows.filter(|(number, region)| {
        *number < PROTECTION_ROWS as u32 || region.attributes & REGION_ENABLE != 0
    });
    let rows = rows.map(|(_, region)| region.to_words());
    let control = unit.ctrl.read();
    writer.table(Section::Protection, [control], PROTECTION_ROWS, rows);
}

fn interrupts(writer: &mut Writer<'_>) {
    let unit = interrupt_controller();
    let active = unit.iabr.iter().take(INTERRUPT_WORDS).map(|word| word.read());
    let pending = unit.ispr.iter().take(INTERRUPT_WORDS).map(|word| word.read());
    let enabled = unit.iser.iter().take(INTERRUPT_WORDS).map(|word| word.read());
    writer.section(Section::Interrupts, active.chain(pending).chain(enabled));
}

fn resets(writer: &mut Writer<'_>, causes: u32) {
    let mut words = reset_cause::words(causes).peekable();
    if words.peek().is_some() {
        writer.section(Section::ResetCauses, words);
    }
}

/// Behind what the heap says: of two such sections the later counts.
fn vector_table(writer: &mut Writer<'_>, record: &Record) {
    if let Some(damaged) = vectors::damaged_entry(&record.faults) {
        writer.section(Section::BrokenBlock, damaged.word.to_words());
    }
}

fn errors(writer: &mut Writer<'_>) {
    let row = |context: Context| {
        ErrorRow {
            status: context.status,
            address: context.address,
            value: context.value,
            line: u16::try_from(context.line).unwrap_or(u16::MAX),
            thread: context.thread.code(),
        }
        .to_words()
    };
    let rows = errors::first_and_last().into_iter().flatten().flat_map(row);
    writer.section(Section::Errors, rows);
}

/// The stack around the pointer, guard and all: from here on nothing is protected.
fn stack(writer: &mut Writer<'_>, record: &Record, map: &MemoryMap<'_>) {
    mpu::disarm();
    let open = MemoryMap { stacks: &[], ..*map };
    // SAFETY: the regions come from the chip file, their clocks are on, and there is no guard.
    let memory = unsafe { LiveMemory::new(&open, platform::text()) };
    let pointer = record.registers.sp;
    let place = window(pointer, &memory);
    if place.is_empty() {
        return;
    }
    let words = place.clone().step_by(4).map(|address| memory.stack_word(address).unwrap_or(0));
    let head = [pointer, place.start];
    writer.section(Section::StackWindow, head.into_iter().chain(words));
}
