//! The warm emulator of a snapshot engine, taken from boot to boot.
//!
//! A boot ends at the hook that every reset of software comes through: a breakpoint, after which
//! the emulator need not be reset before a state is restored. A reset that comes another way is
//! seen as well, and costs a third of a millisecond more.

use super::cut_off::ram_of;
use super::film::{Ram, changes};
use crate::noise::Noise;
use crate::sweep::engine::BootTrace;
use crate::sweep::engine::effect::Still as _;
use crate::sweep::engine::ram::change;
use crate::sweep::fault::RamPolicy;
use crate::sweep::workload::Workload;
use crate::target::{BenchError, Boundary, TARGET_TIME};
use crashrig_qemu::gdb::Token;
use crashrig_qemu::{Emulator, GuestRam, Snapshot, Stop};
use crashrig_wire::marker::MARKER_LENGTH;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Time of the host after which a guest is looked at that has not stopped: it may sleep for ever.
const LOOK: Duration = Duration::from_millis(200);
/// How often it must be found asleep without having executed anything in between: on a busy machine
/// one that has a tick before it may be met asleep, too.
const ASLEEP: usize = 3;
/// How often, before the bench counts as broken: a budget of instructions is used up far earlier.
const LOOKS: usize = 100;

/// See the module.
pub(super) struct Device {
    pub(super) emulator: Emulator,
    pub(super) workload: Arc<Workload>,
    /// Instructions since power-on when this boot began.
    pub(super) boot_began: u64,
    hook: Option<Token>,
    /// Whether boots end at the hook: see [`Device::end_at_hook`].
    ends_at_hook: bool,
    /// Instructions from the hook to the reset itself.
    pub(super) behind_hook: u64,
    ended_at_hook: bool,
    /// Whether a boot's trace has a hash of RAM.
    pub(super) hashes_ram: bool,
    /// The way to read all RAM at once, when it was needed once.
    ram: Option<GuestRam>,
    /// It was never run: it stands before its first instruction already.
    is_fresh: bool,
}

/// A state of the device within one of its boots.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    snapshot: Snapshot,
    boot_began: u64,
}

impl Saved {
    /// Instructions of its boot that were executed before.
    pub(super) fn after(&self) -> u64 {
        self.snapshot.instruction() - self.boot_began
    }
}

impl Device {
    /// Starts the emulator on one processor of the host.
    pub(super) fn start(
        workload: &Arc<Workload>,
        folder: &Path,
        processor: usize,
    ) -> Result<Self, BenchError> {
        if workload.has_host_models {
            return Err(BenchError(
                "keep snapshots: devices of the host keep memory of their own".to_owned(),
            ));
        }
        std::fs::create_dir_all(folder).map_err(BenchError::of)?;
        let mut launch = workload.launch.clone();
        launch.output_folder = folder.to_owned();
        launch.snapshots = true;
        launch.host_processor = Some(processor);
        let emulator = Emulator::start(&launch).map_err(BenchError::of)?;
        let mut device = Self {
            emulator,
            workload: Arc::clone(workload),
            boot_began: 0,
            hook: None,
            ends_at_hook: true,
            behind_hook: 0,
            hashes_ram: false,
            ended_at_hook: false,
            ram: None,
            is_fresh: true,
        };
        device.stop_at_hook(true)?;
        Ok(device)
    }

    /// Whether boots from the next one on end at the hook. Each stop there makes QEMU forget all
    /// translated code; the end at the reset itself does not, but needs the reset before a restore.
    pub(super) fn end_at_hook(&mut self, wanted: bool) {
        self.ends_at_hook = wanted;
    }

    /// Sets or removes the breakpoint at the hook, for now.
    pub(super) fn stop_at_hook(&mut self, wanted: bool) -> Result<(), BenchError> {
        match (wanted, self.hook, self.workload.reset_hook) {
            (true, None, Some(address)) => {
                self.hook = Some(self.emulator.break_at(address).map_err(BenchError::of)?);
            }
            (false, Some(token), _) => {
                self.emulator.remove(token).map_err(BenchError::of)?;
                self.hook = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// Brings the device to the first instruction of a planned boot. `ram` is what the reset before
    /// it does to memory that is kept, with its seed.
    pub(super) fn begin(
        &mut self,
        index: usize,
        ram: Option<(RamPolicy, u64)>,
    ) -> Result<(), BenchError> {
        self.begin_with(index, None, ram)
    }

    /// The same after a reset at which RAM was `left`.
    pub(super) fn begin_with(
        &mut self,
        index: usize,
        left: Option<&Ram>,
        ram: Option<(RamPolicy, u64)>,
    ) -> Result<(), BenchError> {
        if !self.is_fresh {
            self.boot_began = self.instructions()?;
            self.emulator.reset_warm().map_err(BenchError::of)?;
        }
        self.is_fresh = false;
        self.stop_at_hook(self.ends_at_hook)?;
        if let Some(left) = left {
            self.put_ram(left)?;
        }
        let workload = Arc::clone(&self.workload);
        let planned = workload.boots.get(index);
        let planned = planned.ok_or_else(|| BenchError(format!("find boot {}", index + 1)))?;
        match (&planned.memory, ram) {
            (Some(memory), _) => {
                for (address, bytes) in memory {
                    self.write(*address, bytes)?;
                }
            }
            (None, Some((policy, seed))) => self.change_ram(policy, seed)?,
            (None, None) => {}
        }
        self.write(workload.mailbox, &planned.mailbox)?;
        self.write(workload.marker, &[0; MARKER_LENGTH])
    }

    fn all_ram(&mut self) -> Result<Ram, BenchError> {
        if self.ram.is_none() {
            self.ram = Some(ram_of(self)?);
        }
        let mut ram = Ram::new();
        let source = self.ram.as_ref().ok_or_else(|| BenchError("read RAM".to_owned()))?;
        source.read_into(&mut ram).map_err(BenchError::of)?;
        Ok(ram)
    }

    /// Makes RAM what it is to be, by writing what differs.
    fn put_ram(&mut self, wanted: &Ram) -> Result<(), BenchError> {
        let present = self.all_ram()?;
        let starts: Vec<_> = self.workload.ram.iter().map(|(start, _)| *start).collect();
        let changes = changes(&starts, &present, wanted);
        let ranges: Vec<_> = changes.iter().map(|(at, bytes)| (*at, bytes.as_slice())).collect();
        self.emulator.memory().write_many(&ranges).map_err(BenchError::of)
    }

    /// Runs to the end of the boot; no other breakpoint is set.
    pub(super) fn run_to_end(&mut self, budget: u64) -> Result<Boundary, BenchError> {
        match self.run(budget)? {
            Ran::Ended(boundary) => Ok(boundary),
            Ran::Point(_) => Err(BenchError("run a boot: stopped where nobody asked".to_owned())),
        }
    }

    /// Runs to the end of the boot or to another breakpoint, whichever comes first.
    pub(super) fn run(&mut self, budget: u64) -> Result<Ran, BenchError> {
        let end = self.boot_began + budget;
        let mut asleep = (0, 0);
        for _ in 0..LOOKS {
            let stop = self.emulator.sprint(end, LOOK).map_err(BenchError::of)?;
            let is_lockup = stop.is_lockup();
            self.ended_at_hook =
                matches!(stop, Stop::Breakpoint { token } if Some(token) == self.hook);
            return Ok(match stop {
                Stop::Breakpoint { .. } if self.ended_at_hook => Ran::Ended(Boundary::Reset),
                Stop::Breakpoint { token } => Ran::Point(token),
                Stop::Reset => Ran::Ended(Boundary::Reset),
                Stop::InstructionLimit => Ran::Ended(hang()),
                Stop::WallLimit => {
                    asleep = self.asleep(asleep)?;
                    if asleep.1 < ASLEEP {
                        continue;
                    }
                    Ran::Ended(hang())
                }
                Stop::Killed { text, .. } if is_lockup => Ran::Ended(Boundary::Lockup { text }),
                Stop::Exit { code } => Ran::Ended(Boundary::Exit { status: code }),
                other => return Err(BenchError(format!("run a boot: found {other:?}"))),
            });
        }
        Err(BenchError("run a boot: neither its end nor its budget came".to_owned()))
    }

    /// The count of instructions at which the stopped guest sleeps, and how often it was seen there
    /// since; not at all if it does not sleep.
    fn asleep(&mut self, before: (u64, usize)) -> Result<(u64, usize), BenchError> {
        let count = self.instructions()?;
        if !self.emulator.is_waiting().map_err(BenchError::of)? {
            return Ok((count, 0));
        }
        Ok((count, if before.0 == count { before.1 + 1 } else { 1 }))
    }

    /// What a boot has left that has just ended. Of a hang only that: where exactly the device was
    /// stopped is up to the host.
    pub(super) fn trace(
        &mut self,
        boundary: Boundary,
        budget: u64,
    ) -> Result<BootTrace, BenchError> {
        let boot = BootTrace::without_memory(boundary);
        let mut trace = BootTrace { instructions: budget, ..boot };
        match &trace.boundary {
            Boundary::Reset | Boundary::Watchdog => {
                trace.region = vec![0; self.workload.crash_size as usize];
                trace.marker = vec![0; MARKER_LENGTH];
                let (region, marker) = (self.workload.crash_start, self.workload.marker);
                let mut parts = [(region, &mut trace.region[..]), (marker, &mut trace.marker[..])];
                let count = self.emulator.read_and_count(&mut parts).map_err(BenchError::of)?;
                trace.instructions = count - self.boot_began;
                if std::mem::take(&mut self.ended_at_hook) {
                    trace.instructions += self.behind_hook;
                }
                if trace.instructions >= budget {
                    // It came to its end before anybody asked how far it was.
                    let boot = BootTrace::without_memory(hang());
                    return Ok(BootTrace { instructions: budget, ..boot });
                }
                if self.hashes_ram {
                    let ram = self.all_ram()?;
                    trace.ram_hash = Some(self.workload.hash_of_ram(ram));
                }
            }
            Boundary::Hang { .. } => {}
            Boundary::Lockup { .. } | Boundary::Exit { .. } => trace.instructions = 0,
        }
        Ok(trace)
    }

    pub(super) fn save(&mut self, name: &str) -> Result<Saved, BenchError> {
        let snapshot = self.emulator.save(name).map_err(BenchError::of)?;
        Ok(Saved { snapshot, boot_began: self.boot_began })
    }

    pub(super) fn restore(&mut self, saved: &Saved) -> Result<(), BenchError> {
        self.emulator.restore(&saved.snapshot).map_err(BenchError::of)?;
        self.boot_began = saved.boot_began;
        self.stop_at_hook(self.ends_at_hook)
    }

    pub(super) fn instructions(&mut self) -> Result<u64, BenchError> {
        let count = self.emulator.instructions().map_err(BenchError::of)?;
        count.ok_or_else(|| BenchError("run a boot: instructions are not counted".to_owned()))
    }

    fn change_ram(&mut self, policy: RamPolicy, seed: u64) -> Result<(), BenchError> {
        if policy == RamPolicy::Kept {
            return Ok(());
        }
        let mut noise = Noise::new(seed);
        for (start, size) in self.workload.ram.clone() {
            let mut bytes = vec![0; size as usize];
            if policy == RamPolicy::Decayed {
                self.read(start, &mut bytes)?;
            }
            change(&mut bytes, policy, &mut noise);
            self.write(start, &bytes)?;
        }
        Ok(())
    }
}

/// Where a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ran {
    /// A breakpoint or watchpoint, before its instruction.
    Point(Token),
    /// The end of the boot.
    Ended(Boundary),
}

fn hang() -> Boundary {
    Boundary::Hang { limit: TARGET_TIME.to_owned(), pc: None }
}
