//! Device to host: the end marker. A boot of ours is over only when this stands in RAM.
//!
//! The host clears it before each boot and the device when its main begins; the device writes it as
//! its last act before it asks for a reset. Success is never the exit of a process: it is the
//! marker of this boot, of this build, of this run. It also carries what the boot saw of itself.

use crate::BuildId;
use crate::bytes::{get_array, get_u8, get_u16, get_u32, put, put_u16, put_u32};
use crate::crc::crc32;

/// ELF symbol of the end marker.
pub const MARKER_SYMBOL: &str = "CRASHRIG_END_MARKER";
/// First word: the bytes `RIGE`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RIGE");
/// The version this crate writes and reads.
pub const VERSION: u16 = 2;
/// Length in bytes.
pub const MARKER_LENGTH: usize = 64;

const VERSION_AT: usize = 4;
const LENGTH_AT: usize = 6;
const RUN_ID_AT: usize = 8;
const BOOT_AT: usize = 12;
const BUILD_ID_AT: usize = 16;
const OBSERVED_AT: usize = 24;
const FIRST_AT: usize = 32;
const LAST_AT: usize = 33;
const TICKS_AT: usize = 36;
const CRC_AT: usize = MARKER_LENGTH - 4;

crate::names::closed_list! {
    /// Something a boot checked about itself. The code is the number of its bit in the marker.
    Observation, "observation";
    /// Initialised data hold what the program gives them.
    DataInitialised = 0, "data-initialised";
    /// Zero-initialised data are zero.
    BssZero = 1, "bss-zero";
    /// No-init data hold what the boot before wrote.
    NoInitKept = 2, "no-init-kept";
    /// VTOR points to the table in RAM, which lies at a legal alignment.
    VectorsInRam = 3, "vectors-in-ram";
    /// The table in RAM differs from the one in flash where a handler was installed.
    VectorEntriesDiffer = 4, "vector-entries-differ";
    /// The handler that only the table in RAM names has run.
    RamHandlerRan = 5, "ram-handler-ran";
    /// The main thread runs on its own stack (CONTROL.SPSEL set, PSP inside the main stack).
    MainOnOwnStack = 6, "main-on-own-stack";
    /// The periodic clock has ticked.
    ClockTicked = 7, "clock-ticked";
    /// The guard regions of the stacks are enabled in the MPU, and the stack limit registers are
    /// set where the core has them.
    GuardsArmed = 8, "guards-armed";
    /// 64 threads were spawned and joined on one stack, and each gave its code.
    ThreadsJoined = 9, "threads-joined";
    /// A thread that held a mutex ran before one of higher priority than its own, because one of
    /// still higher priority waited for the mutex.
    PriorityInherited = 10, "priority-inherited";
    /// Queue, semaphore and event flags carried everything between two threads, in order.
    SignalsCame = 11, "signals-came";
    /// A one-shot timer expired once and a periodic one until it was stopped.
    TimersExpired = 12, "timers-expired";
    /// Two threads computed in floating point in turns, and both were right.
    FloatKept = 13, "float-kept";
    /// Each misuse of the kernel that was tried got the error defined for it.
    MisuseRefused = 14, "misuse-refused";
    /// 64 threads were spawned and joined on stacks from the heap, which was as full as before.
    HeapThreadsJoined = 15, "heap-threads-joined";
    /// With the heap used up a spawn was refused with an error, and nothing was lost.
    SpawnRefused = 16, "spawn-refused";
    /// The report of a crash was handed over before the image's main ran.
    CrashReportCalled = 17, "crash-report-called";
    /// The boot ran in safe mode.
    SafeMode = 18, "safe-mode";
    /// Warnings were counted, the first and the last were kept, and the hook was called for each.
    ErrorsKept = 19, "errors-kept";
    /// The heap has all of main RAM that static data and stacks leave.
    HeapIsTheRest = 20, "heap-is-the-rest";
    /// Each region of the heap served what it can be used for and nothing else, and memory that is
    /// not free or not there was not added.
    HeapRegions = 21, "heap-regions";
    /// The heap called who had asked for it, as often as there was something to tell, and told the
    /// truth.
    HeapCallbacksCame = 22, "heap-callbacks-came";
    /// An interrupt handler that allocated and freed was served, or refused with an error and a
    /// warning, as had been set.
    InterruptPolicyKept = 23, "interrupt-policy-kept";
    /// A block of the heap holds what its owner wrote, though the stack above it overflowed.
    NeighbourUntouched = 24, "neighbour-untouched";
    /// Every byte of the heap was handed out and every byte of the ISR stack above its canary was
    /// in use at the same time, and each held what was written there.
    HeapAndIsrStackFull = 25, "heap-and-isr-stack-full";
    /// With every byte of the heap handed out one more was refused with an error.
    HeapExhausted = 26, "heap-exhausted";
    /// Code in the executable block of RAM ran, and gave what it computes.
    ExecutableBlockRan = 27, "executable-block-ran";
    /// The high-water mark of a stack was, for each of many depths, exactly what had been used.
    HighWaterExact = 28, "high-water-exact";
    /// The stack of a thread that was ended by another could be used again, and not before.
    TerminatedStackReused = 29, "terminated-stack-reused";
    /// The clock ticked in the handler of an interrupt that nobody had given a priority.
    ClockPreempts = 30, "clock-preempts";
    /// What is built on the heap did what it promises: its trace, accounts or allocators, as the
    /// fault says.
    HeapServices = 31, "heap-services";
    /// Threads and a timer that use the heap came in between at each instruction of an operation of
    /// the heap, and all contents and the heap stayed sound.
    HeapSwitched = 32, "heap-switched";
    /// Flash was erased and programmed, and what was programmed twice has the bits of both.
    FlashProgrammed = 33, "flash-programmed";
    /// Flash held what a boot before had programmed, and nothing else.
    FlashKept = 34, "flash-kept";
    /// Each misuse of the flash interface got its error and changed nothing.
    FlashRefused = 35, "flash-refused";
    /// Backup SRAM took nothing while one of its locks was closed, and everything afterwards.
    BackupOpened = 36, "backup-opened";
    /// Backup SRAM held what a boot before had written.
    BackupKept = 37, "backup-kept";
    /// A long computation over a table in RAM came to the sum that the compiler came to.
    Computed = 38, "computed";
    /// Threads took turns in order, floating point was kept over all switches, and each wake-up by
    /// an interrupt handler was served once.
    TurnsTaken = 39, "turns-taken";
    /// Something did not hold that the device was not told of: never right.
    CheckFailed = 47, "check-failed";
    /// Blocks of the heap were taken, resized and released; none was refused, and each kept what it
    /// held.
    HeapWorked = 48, "heap-worked";
}

crate::names::closed_list! {
    /// What the device made of a slot when it booted.
    Found, "finding";
    /// No record: blank, torn, corrupt, or of another version.
    Nothing = 0, "none";
    /// A sound record of another build, which is not reported.
    Foreign = 1, "foreign";
    /// A sound record that was read before.
    Read = 2, "read";
    /// A sound record that nobody has read yet.
    Unread = 3, "unread";
}

// Each has a bit of its own.
const _: () = assert!(Observation::ALL.len() <= u64::BITS as usize);

/// What a boot says at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndMarker {
    /// The run of the mailbox this boot obeyed.
    pub run_id: u32,
    /// The boot, counted by the device.
    pub boot: u32,
    /// The build that ran.
    pub build_id: BuildId,
    /// Bits by [`Observation`].
    pub observed: u64,
    /// What it found in slot FIRST when it booted.
    pub first: Found,
    /// What it found in slot LAST when it booted.
    pub last: Found,
    /// Clock ticks of this boot.
    pub ticks: u32,
}

impl EndMarker {
    /// The bytes to be written at the marker.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; MARKER_LENGTH] {
        let mut bytes = [0; MARKER_LENGTH];
        put_u32(&mut bytes, 0, MAGIC);
        put_u16(&mut bytes, VERSION_AT, VERSION);
        put_u16(&mut bytes, LENGTH_AT, MARKER_LENGTH as u16);
        put_u32(&mut bytes, RUN_ID_AT, self.run_id);
        put_u32(&mut bytes, BOOT_AT, self.boot);
        put(&mut bytes, BUILD_ID_AT, &self.build_id);
        put(&mut bytes, OBSERVED_AT, &self.observed.to_le_bytes());
        put(&mut bytes, FIRST_AT, &[self.first.code(), self.last.code()]);
        put_u32(&mut bytes, TICKS_AT, self.ticks);
        let crc = crc32(bytes.get(..CRC_AT).unwrap_or_default());
        put_u32(&mut bytes, CRC_AT, crc);
        bytes
    }

    /// Reads a marker; nothing unless everything about it holds.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<MARKER_LENGTH>()?;
        let sound = get_u32(bytes, 0) == MAGIC
            && get_u16(bytes, VERSION_AT) == VERSION
            && usize::from(get_u16(bytes, LENGTH_AT)) == MARKER_LENGTH
            && crc32(bytes.get(..CRC_AT)?) == get_u32(bytes, CRC_AT);
        if !sound {
            return None;
        }
        Some(Self {
            run_id: get_u32(bytes, RUN_ID_AT),
            boot: get_u32(bytes, BOOT_AT),
            build_id: get_array(bytes, BUILD_ID_AT),
            observed: u64::from_le_bytes(get_array(bytes, OBSERVED_AT)),
            first: Found::from_code(get_u8(bytes, FIRST_AT))?,
            last: Found::from_code(get_u8(bytes, LAST_AT))?,
            ticks: get_u32(bytes, TICKS_AT),
        })
    }

    /// Whether the boot made an observation.
    #[must_use]
    pub const fn saw(&self, observation: Observation) -> bool {
        self.observed & observation.bit() != 0
    }
}

impl Observation {
    /// The bit of this observation.
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << self.code()
    }

    /// Whether no boot may see it, whatever its scenario says.
    #[must_use]
    pub const fn is_wrong(self) -> bool {
        matches!(self, Self::CheckFailed)
    }
}
