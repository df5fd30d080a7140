//! What the image and the linker say about this device: regions, symbols, areas.

use crate::heap;
use core::ops::Range;
use crashrig_layout::{
    Alias, Backup, Capabilities, ClockEnable, Device, DeviceName, Memory, Region, RegionKind,
    ResetCause,
};
use crashrig_memory::map::AreaRange;
use crashrig_memory::reboot::Policy;
use crashrig_memory::retain::BootReport;
use crashrig_wire::thread::{Area, Owner};
use crashrig_wire::{BuildId, Thread};

/// What the board file says, generated into the image by its build script.
#[derive(Debug)]
pub struct Platform {
    /// Regions of the chip.
    pub regions: &'static [Region],
    /// Second addresses of memory.
    pub aliases: &'static [Alias],
    /// Clocks that memory regions need before their first use, set by start-up code.
    pub clock_enables: &'static [ClockEnable],
    /// Clocks that memory regions need, set by whoever uses them.
    pub clock_enables_on_demand: &'static [ClockEnable],
    /// The register that tells why the chip was reset.
    pub reset_cause: Option<ResetCause>,
    /// Memory that a battery keeps.
    pub backup: Option<Backup>,
    /// Devices whose registers drivers use.
    pub devices: &'static [Device],
    /// Clock of the core in hertz.
    pub core_clock_hz: u32,
    /// The part of RAM that may hold code: first address, and size in bytes.
    pub executable_ram: Option<(u32, u32)>,
    /// When a boot is in safe mode, and when it counts as healthy.
    pub policy: Policy,
    /// Called before `main` with the oldest record that nobody has read; says whether it counts as
    /// read now. Not called in safe mode.
    pub crash_report: fn(&BootReport) -> bool,
    /// Called before the kernel starts, on the ISR stack with interrupts masked.
    pub before_kernel: fn(),
}

/// How many regions a chip file may have at most for this port to tell them apart in a record.
pub const REGION_LIMIT: usize = 16;

unsafe extern "Rust" {
    /// Defined by the image through [`crate::entry!`].
    safe static CRASHRIG_PLATFORM: Platform;
}

/// The platform of this image.
#[must_use]
pub fn platform() -> &'static Platform {
    &CRASHRIG_PLATFORM
}

/// Where the registers of a device begin; nothing if the chip has no such device.
#[must_use]
#[inline(never)]
pub fn device(name: DeviceName) -> Option<u32> {
    platform().devices.iter().find(|device| device.name == name).map(|device| device.start)
}

/// The memory of this device: what an address can be used for.
#[must_use]
pub fn memory() -> Memory {
    let Platform { regions, aliases, executable_ram, .. } = *platform();
    Memory { regions, aliases, executable: executable_ram }
}

/// Declares linker symbols and one function that gives the address of each.
macro_rules! symbols {
    ($( $(#[$doc:meta])* $function:ident = $symbol:ident; )+) => {
        unsafe extern "C" {
            $( static $symbol: u8; )+
        }
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $function() -> u32 {
                (&raw const $symbol).addr() as u32
            }
        )+
    };
}

symbols! {
    /// First address of main RAM.
    ram_start = __crashrig_ram_start;
    /// First address behind main RAM.
    ram_end = __crashrig_ram_end;
    /// First address of the vector table in RAM.
    vectors_start = __crashrig_vectors_start;
    /// Size of the vector table in bytes.
    vectors_size_bytes = __crashrig_vectors_size_bytes;
    /// First address of the copy of the vector table that the table in RAM is held against.
    vectors_copy_start = __crashrig_vectors_copy_start;
    /// First address of the crash region.
    crash_start = __crashrig_crash_start;
    /// Size of the crash region in bytes.
    crash_size_bytes = __crashrig_crash_size_bytes;
    /// First address of the main thread's stack.
    main_stack_start = __crashrig_main_stack_start;
    /// First address behind the main thread's stack.
    main_stack_end = __crashrig_main_stack_end;
    /// First address of the heap: what static data leave of main RAM.
    heap_start = __crashrig_heap_start;
    /// First address behind the heap.
    heap_end = __crashrig_heap_end;
    /// First address of the timer thread's stack.
    timer_stack_start = __crashrig_timer_stack_start;
    /// First address behind the timer thread's stack.
    timer_stack_end = __crashrig_timer_stack_end;
    /// First address of the idle thread's stack.
    idle_stack_start = __crashrig_idle_stack_start;
    /// First address behind the idle thread's stack.
    idle_stack_end = __crashrig_idle_stack_end;
    /// First address of the ISR stack.
    isr_stack_start = __crashrig_isr_stack_start;
    /// First address behind the ISR stack: the end of RAM.
    isr_stack_end = __crashrig_isr_stack_end;
    /// Size of every guard region in bytes.
    guard_size_bytes = __crashrig_guard_size_bytes;
    /// First address of the code.
    text_start = __crashrig_text_start;
    /// First address behind the code.
    text_end = __crashrig_text_end;
    /// First address behind the build id's note.
    build_id_end = __crashrig_build_id_end;
    /// First address of the build id's note.
    build_id_start = __crashrig_build_id_start;
    /// First address of the vector table in flash.
    flash_vectors = __crashrig_flash_vectors;
}

/// Bytes of a GNU note in front of its contents: three words and the name `GNU\0`.
const NOTE_HEADER_BYTES: u32 = 16;

/// The first eight bytes of the build id that the linker wrote into flash.
#[must_use]
pub fn build_id() -> BuildId {
    let start = build_id_start() + NOTE_HEADER_BYTES;
    let mut id = BuildId::default();
    if build_id_end() >= start + id.len() as u32 {
        for (index, byte) in id.iter_mut().enumerate() {
            let pointer = core::ptr::with_exposed_provenance::<u8>(start as usize + index);
            // SAFETY: inside of the note, whose two ends the linker script names.
            *byte = unsafe { pointer.read() };
        }
    }
    id
}

/// The code of this image.
#[must_use]
pub fn text() -> Range<u32> {
    text_start()..text_end()
}

/// Areas of this image besides stacks.
#[must_use]
pub fn image_areas() -> [AreaRange; 2] {
    let area = |area, start, size_bytes| AreaRange {
        owner: Owner { area, thread: Thread::Unknown },
        start,
        end: start + size_bytes,
    };
    [
        area(Area::CrashRegion, crash_start(), crash_size_bytes()),
        area(Area::Vectors, vectors_start(), vectors_size_bytes()),
    ]
}

/// Regions of the chip as areas, with SRAM1 and SRAM2 as one piece of RAM, since a stack may lie
/// over their border. Unused entries are empty.
#[must_use]
pub fn chip_areas() -> [AreaRange; REGION_LIMIT] {
    let none = AreaRange { owner: Owner::NONE, start: 0, end: 0 };
    let mut areas = [none; REGION_LIMIT];
    let mut used = 0;
    for region in platform().regions {
        let area = area_of(region);
        let (start, end) = (region.start, region.start + region.size_bytes);
        let owner = Owner { area, thread: Thread::Unknown };
        let joined = areas
            .iter_mut()
            .find(|other| other.owner == owner && other.end == start && area == Area::Ram);
        if let Some(other) = joined {
            other.end = end;
        } else if let Some(free) = areas.get_mut(used) {
            *free = AreaRange { owner, start, end };
            used += 1;
        }
    }
    areas
}

/// RAM is what a plain allocation may return, or the heap has. Other RAM may be off, or not there
/// under an emulator: the fault path must not read it.
fn area_of(region: &Region) -> Area {
    match region.kind {
        RegionKind::Ram
            if region.capabilities.contains(Capabilities::DEFAULT) || heap::has_some_of(region) =>
        {
            Area::Ram
        }
        RegionKind::Flash | RegionKind::CodeRam => Area::Flash,
        RegionKind::Ram | RegionKind::Rom => Area::Other,
    }
}
