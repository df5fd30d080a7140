//! Where the static parts of RAM lie: pure arithmetic over chip and board.
//!
//! ```text
//! ram_start      vector table, copy in force, read-only up to the end of its MPU region
//!                crash region (place `after-vector-table`)
//! static_start   data, zero-initialised data, stacks of the default threads
//!                heap
//! heap_end       crash region (place `end-of-sram2`)
//!                guard of the ISR stack
//!                ISR stack
//! ram_end
//! ```

use super::board::{CrashPlace, Stacks};
use super::chip::Chip;
use super::problem::{Problem, Problems, hex};
use super::range::AddressRange;
use crate::{RegionKind, Reset};

/// Data, stacks and frames start at multiples of this many bytes (AAPCS).
const ALIGNMENT: u32 = 8;
/// QEMU hides a whole page of this size from debuggers if its first byte lies in a guard.
const PAGE_BYTES: u32 = 1024;
/// Smallest crash region in bytes: two ledgers and two slots of tier 1.
pub const SMALLEST_CRASH_REGION: u32 = 1024;
/// Least room for data and heap beside the main thread's stack, in bytes.
const LEAST_ROOM: u32 = 1024;

/// Addresses of the static layout. Each field is a linker symbol `__crashrig_<field>`. Ends are the
/// first address behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaticLayout {
    /// First address of the vector table in RAM.
    pub vectors_start: u32,
    /// Size of the vector table in bytes.
    pub vectors_size_bytes: u32,
    /// First address of the crash region.
    pub crash_start: u32,
    /// Size of the crash region in bytes.
    pub crash_size_bytes: u32,
    /// First address of the program's static data.
    pub static_start: u32,
    /// End of the heap: the lowest address above it that is taken.
    pub heap_end: u32,
    /// First address of the ISR stack's guard; it ends where the stack starts.
    pub isr_guard_start: u32,
    /// First address of the ISR stack.
    pub isr_stack_start: u32,
    /// End of the ISR stack and of RAM.
    pub isr_stack_end: u32,
    /// Size of the main thread's stack in bytes; the linker places it.
    pub main_stack_size_bytes: u32,
    /// Size of the timer thread's stack in bytes; the linker places it.
    pub timer_stack_size_bytes: u32,
    /// Size of the idle thread's stack in bytes; the linker places it.
    pub idle_stack_size_bytes: u32,
    /// Size of every guard in bytes, a power of two; guards are aligned to it.
    pub guard_size_bytes: u32,
    /// First address of RAM.
    pub ram_start: u32,
    /// End of RAM.
    pub ram_end: u32,
}

impl StaticLayout {
    /// Places everything. Values that break a rule give a layout that breaks one; they never panic.
    pub(crate) fn compute(
        chip: &Chip,
        place: CrashPlace,
        crash_bytes: u32,
        stacks: &Stacks,
    ) -> Self {
        let ram = chip.main_ram_range();
        let ram_end = ram.start.saturating_add(ram.size_bytes);
        let vectors_size_bytes = chip.vector_table_bytes();
        // One MPU region covers the table alone. VTOR demands the same of its size as the MPU.
        let vectors_region = align_up(vectors_size_bytes.max(chip.vector_table_alignment()));
        let after_vectors = ram.start.saturating_add(vectors_region);
        let isr_stack_start = ram_end.saturating_sub(stacks.isr_bytes);
        let isr_guard_start = isr_stack_start.saturating_sub(stacks.guard_bytes);
        let crash_start = match place {
            CrashPlace::AfterVectorTable => after_vectors,
            CrashPlace::EndOfSram2 => isr_guard_start.saturating_sub(crash_bytes),
            CrashPlace::EndOfCcm => chip.region("ccm").map_or(0, |ccm| {
                let behind = ccm.range.start.saturating_add(ccm.range.size_bytes);
                behind.saturating_sub(crash_bytes)
            }),
        };
        let in_front = place == CrashPlace::AfterVectorTable;
        let at_end = place == CrashPlace::EndOfSram2;
        Self {
            vectors_start: ram.start,
            vectors_size_bytes,
            crash_start,
            crash_size_bytes: crash_bytes,
            static_start: if in_front {
                align_up(crash_start.saturating_add(crash_bytes))
            } else {
                after_vectors
            },
            heap_end: if at_end { crash_start } else { isr_guard_start },
            isr_guard_start,
            isr_stack_start,
            isr_stack_end: ram_end,
            main_stack_size_bytes: stacks.main_bytes,
            timer_stack_size_bytes: stacks.timer_bytes,
            idle_stack_size_bytes: stacks.idle_bytes,
            guard_size_bytes: stacks.guard_bytes,
            ram_start: ram.start,
            ram_end,
        }
    }

    /// Name and value of each field, in the order of declaration.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, u32); 15] {
        [
            ("vectors_start", self.vectors_start),
            ("vectors_size_bytes", self.vectors_size_bytes),
            ("crash_start", self.crash_start),
            ("crash_size_bytes", self.crash_size_bytes),
            ("static_start", self.static_start),
            ("heap_end", self.heap_end),
            ("isr_guard_start", self.isr_guard_start),
            ("isr_stack_start", self.isr_stack_start),
            ("isr_stack_end", self.isr_stack_end),
            ("main_stack_size_bytes", self.main_stack_size_bytes),
            ("timer_stack_size_bytes", self.timer_stack_size_bytes),
            ("idle_stack_size_bytes", self.idle_stack_size_bytes),
            ("guard_size_bytes", self.guard_size_bytes),
            ("ram_start", self.ram_start),
            ("ram_end", self.ram_end),
        ]
    }

    /// Rules of the whole: everything fits, guards can be armed and do not hide a page, and the
    /// crash region is kept over a reset. `file` states the stacks, `crash_file` the crash
    /// region.
    pub(crate) fn check(
        &self,
        chip: &Chip,
        place: CrashPlace,
        file: &str,
        crash_file: &str,
        found: &mut Vec<Problem>,
    ) {
        self.check_crash(chip, place, &mut Problems::new(crash_file, found));
        let problems = &mut Problems::new(file, found);
        self.check_guard(problems);
        let stacks =
            [self.main_stack_size_bytes, self.timer_stack_size_bytes, self.idle_stack_size_bytes];
        let room = stacks.iter().fold(LEAST_ROOM, |room, bytes| {
            room.saturating_add(*bytes).saturating_add(self.guard_size_bytes)
        });
        let between = self.heap_end.saturating_sub(self.static_start);
        problems.require(
            between >= room,
            "stacks",
            format!("{} for static data and heap", hex(between)),
            format!("at least {}: three stacks with guards, and {LEAST_ROOM} bytes", hex(room)),
        );
    }

    fn check_guard(&self, problems: &mut Problems<'_>) {
        let guard = self.guard_size_bytes;
        problems.require(
            self.isr_guard_start.is_multiple_of(guard.max(1)),
            "stacks.isr_bytes",
            format!("a guard at {}", hex(self.isr_guard_start)),
            format!("a multiple of its size, {guard} bytes, as the MPU demands"),
        );
        let page = self.isr_guard_start.next_multiple_of(PAGE_BYTES);
        problems.require(
            page >= self.isr_stack_start,
            "stacks.isr_bytes",
            format!("a guard over {}", hex(page)),
            format!(
                "a guard without the first byte of a page of {PAGE_BYTES} bytes, which QEMU would \
                 hide from debuggers"
            ),
        );
    }

    fn check_crash(&self, chip: &Chip, place: CrashPlace, problems: &mut Problems<'_>) {
        let crash = AddressRange { start: self.crash_start, size_bytes: self.crash_size_bytes };
        let kept = |region: &&super::ChipRegion| {
            region.kind == RegionKind::Ram
                && region.is_retained_over(Reset::SystemReset)
                && region.is_retained_over(Reset::Watchdog)
        };
        let pieces = chip.regions.iter().filter(kept).map(|region| region.range);
        let covered: u64 = pieces
            .map(|range| {
                let start = u64::from(range.start.max(crash.start));
                range.end().min(crash.end()).saturating_sub(start)
            })
            .sum();
        problems.require(
            covered == u64::from(crash.size_bytes),
            "crash_region.place",
            format!("`{place}`, {crash}"),
            "RAM that is retained over `system-reset` and `watchdog`",
        );
    }
}

/// Rules of the crash region's size, which need no chip.
pub(crate) fn check_crash_size(size_bytes: u32, problems: &mut Problems<'_>) {
    problems.require(
        size_bytes >= SMALLEST_CRASH_REGION && size_bytes.is_multiple_of(ALIGNMENT),
        "crash_region.size_bytes",
        size_bytes,
        format!("at least {SMALLEST_CRASH_REGION} and a multiple of {ALIGNMENT}"),
    );
}

const fn align_up(address: u32) -> u32 {
    match address.checked_next_multiple_of(ALIGNMENT) {
        Some(aligned) => aligned,
        None => u32::MAX,
    }
}
