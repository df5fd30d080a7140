//! A board behind a probe as a target: what it has and lacks, and how a session with it begins.
//!
//! Two kinds: a virtual board, of which a process starts as many as it needs, and one board of the
//! bench, which this process holds from the first session to the end of the target. One that stays
//! in trouble on every rung of the ladder is *broken*: nothing is run on it any more.

use super::backup;
use super::clock::Clock;
use super::connect::{Way, begin, parts_of, start_of};
use super::driver_chip::{chip_name, description};
use super::ladder::{LADDER, Recovery, Rung, climb};
use super::place::{Place, PowerSwitch};
use super::rtt::Drain;
use super::session::{ProbeSession, State};
use super::virtual_bench::{Lease, VirtualBench};
use crate::agree::Range;
use crate::boards::lock::Locks;
use crate::boards::{BenchBoard, ProbeSelector};
use crate::image::{Flash, Image};
use crate::target::emulator::{EmulatorTarget, identification};
use crate::target::facts::used_ram;
use crate::target::{BenchError, Lack, Session, Target};
use crashrig_layout::parse::{Board, ChipClockEnable, TargetKind};
use crashrig_layout::{Need, RegionKind};
use crashrig_qemu::probe::Trouble;
use probe_rs::config::Registry;
use std::any::Any;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The version of probe-rs, which is what stands behind a board.
const PROBE_RS: &str = "0.32";
/// Who needs one of these begins with the board's power, and not with a reset.
const FROM_POWER: [Need; 3] = [Need::BackupSram, Need::ResetCause, Need::Watchdog];

/// See [`Target`].
pub struct ProbeTarget {
    name: &'static str,
    version: String,
    board: Board,
    chip: String,
    registry: Registry,
    ram: Vec<(u32, u32)>,
    link: Link,
    /// The board of the bench, if it is one.
    place: Option<Place>,
    /// What is tried with a board in trouble.
    rungs: &'static [Rung],
    /// Why it is not used any more.
    broken: Mutex<Option<String>>,
}

/// What hangs at the other end.
enum Link {
    /// Emulators: one kind for most needs, one whose RAM outlives a lockup.
    Virtual { plain: Arc<VirtualBench>, observed: Arc<VirtualBench> },
    /// A probe that probe-rs finds.
    Attached,
}

/// A board for one session.
struct Taken {
    selector: String,
    clock: Clock,
    power: PowerSwitch,
    held: Box<dyn Any>,
}

impl ProbeTarget {
    /// Virtual boards of an emulated kind. `observed` is the same kind with an observer.
    ///
    /// # Errors
    /// The chip cannot be put behind a virtual probe.
    pub fn of_virtual(plain: EmulatorTarget, observed: EmulatorTarget) -> Result<Self, BenchError> {
        let board = plain.board().clone();
        let mut registry = Registry::new();
        registry.add_target_family_from_yaml(&description(&board)?).map_err(BenchError::of)?;
        let (ram, version) = (plain.ram(), plain.version().to_owned());
        let link = Link::Virtual {
            plain: VirtualBench::new(plain),
            observed: VirtualBench::new(observed),
        };
        let chip = chip_name(&board);
        let broken = Mutex::default();
        let (name, place, rungs) = ("virtual", None, LADDER);
        Ok(Self { name, version, board, chip, registry, ram, link, place, rungs, broken })
    }

    /// A board of the bench whose probe hangs on this machine.
    ///
    /// # Errors
    /// The port's file is not one of a board behind a probe.
    pub fn of_attached(board: Board, bench: BenchBoard, locks: Locks) -> Result<Self, BenchError> {
        let TargetKind::Probe(probe) = &board.target else {
            return Err(BenchError(format!(
                "use board {}: its port {} is emulated, and {} is no virtual probe",
                bench.name, board.name, bench.probe
            )));
        };
        let declared: Vec<_> = board
            .chip
            .regions
            .iter()
            .filter(|region| region.kind == RegionKind::Ram)
            .map(|region| Range {
                start: u64::from(region.range.start),
                end: u64::from(region.range.start) + u64::from(region.range.size_bytes),
                writable: true,
                name: region.name.clone(),
            })
            .collect();
        Ok(Self {
            name: "probe",
            version: PROBE_RS.to_owned(),
            chip: probe.chip.clone(),
            registry: Registry::from_builtin_families(),
            ram: used_ram(&board, &declared),
            link: Link::Attached,
            place: Some(Place::new(bench, locks)),
            rungs: LADDER,
            broken: Mutex::default(),
            board,
        })
    }

    /// The same as a board of the bench, which this process holds while it uses it.
    #[must_use]
    pub fn at_place(mut self, board: BenchBoard, locks: Locks) -> Self {
        self.name = "probe";
        self.place = Some(Place::new(board, locks));
        self
    }

    /// The same with other rungs than [`LADDER`], for a board in trouble.
    #[must_use]
    pub const fn with_rungs(mut self, rungs: &'static [Rung]) -> Self {
        self.rungs = rungs;
        self
    }

    /// Troubles virtual boards that are used from now on; nothing on silicon.
    pub fn set_troubles(&self, troubles: &[Trouble]) {
        if let Link::Virtual { plain, observed } = &self.link {
            plain.set_troubles(troubles.to_vec());
            observed.set_troubles(troubles.to_vec());
        }
    }

    /// A board for one session, held against everybody else.
    fn take(&self, image: &Image, needs: &[Need], folder: &Path) -> Result<Taken, BenchError> {
        self.place.as_ref().map_or(Ok(()), Place::hold)?;
        let power = self.place.as_ref().and_then(|place| place.board.power.clone());
        match &self.link {
            Link::Attached => {
                let selector = self.place.as_ref().map(|place| place.board.probe.to_string());
                Ok(Taken {
                    selector: selector.unwrap_or_default(),
                    clock: Clock::Wall(Instant::now()),
                    power: power.map_or(PowerSwitch::None, PowerSwitch::Commands),
                    held: Box::new(()),
                })
            }
            Link::Virtual { plain, observed } => {
                let bench = if needs.contains(&Need::LockupRam) { observed } else { plain };
                let lease = bench.take(image, needs, folder)?;
                self.taken_virtual(lease)
            }
        }
    }

    fn taken_virtual(&self, lease: Lease) -> Result<Taken, BenchError> {
        let none = || BenchError("use a virtual board: it is gone".to_owned());
        let board = lease.board().ok_or_else(none)?;
        let shift = self.board.emulator().map(|emulator| emulator.icount_shift).unwrap_or_default();
        Ok(Taken {
            selector: lease.selector(),
            clock: Clock::Counted { board: Arc::clone(&board), shift, start: 0 },
            power: PowerSwitch::Virtual(board),
            held: Box::new(lease),
        })
    }

    /// A chip that stands before the first instruction of what is in flash, and what has helped it
    /// if it was in trouble.
    fn connect(
        &self,
        taken: &Taken,
        parts: &[Flash],
        start: u32,
    ) -> Result<(probe_rs::Session, Option<Recovery>), BenchError> {
        let place = self.place.as_ref().map(|place| &place.board);
        let way = Way {
            selector: &taken.selector,
            chip: &self.chip,
            registry: &self.registry,
            speed_khz: place.and_then(|board| board.speed_khz),
            under_reset: place.is_some_and(|board| board.connect_under_reset),
            identification: identification(&self.board),
        };
        let trouble = match begin(&way, parts, start, None) {
            Ok(session) => return Ok((session, None)),
            Err(trouble) => trouble,
        };
        let (session, recovery) = climb(self.rungs, trouble, |rung| {
            if rung.cycles_power {
                taken.power.cycle(false)?;
            }
            begin(&way, parts, start, Some(rung))
        })?;
        Ok((session, Some(recovery)))
    }

    fn switches_power(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.board.power.is_some())
    }

    fn opens_backup(&self, needs: &[Need]) -> Vec<ChipClockEnable> {
        let is_wanted = needs.contains(&Need::BackupSram);
        if is_wanted { backup::enables(&self.board.chip) } else { Vec::new() }
    }

    /// The register that tells why the chip was reset, and its flags of watchdogs.
    fn watchdog_flags(&self) -> Option<(u32, u32)> {
        self.board.chip.reset_cause.as_ref().map(|it| (it.register, it.watchdog))
    }

    fn command_line(&self) -> Vec<String> {
        let place = self.place.as_ref();
        let probe = place.map_or("virtual".to_owned(), |place| place.board.probe.to_string());
        vec!["probe-rs".to_owned(), PROBE_RS.to_owned(), self.chip.clone(), probe]
    }

    fn broken_reason(&self) -> MutexGuard<'_, Option<String>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target for ProbeTarget {
    fn name(&self) -> &str {
        self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn board(&self) -> &Board {
        &self.board
    }

    fn has(&self, need: Need) -> Result<(), Lack> {
        let lack = |reason: &str| Err(Lack { reason: format!("needs {need}: {reason}") });
        match (&self.link, need) {
            (_, Need::InstructionCount) => lack("a probe counts no instructions"),
            (Link::Virtual { .. }, Need::StoreLog) => {
                lack("a probe does not see what instructions store")
            }
            (Link::Attached, Need::BackupSram) => {
                lack("the bench does not take a board's battery away")
            }
            (Link::Attached, Need::ResetCause | Need::Watchdog) if !self.switches_power() => {
                lack("the bench does not switch the board's power")
            }
            (Link::Attached, _) => match self.board.lacks((0, 0), need) {
                Some(reason) => lack(&reason),
                None => Ok(()),
            },
            (Link::Virtual { observed, .. }, _) => observed.emulator().has(need),
        }
    }

    fn has_witness(&self) -> bool {
        false
    }

    fn beside(&self) -> Option<&dyn Target> {
        match &self.link {
            Link::Virtual { observed, .. } => Some(observed.emulator()),
            Link::Attached => None,
        }
    }

    fn broken(&self) -> Option<String> {
        self.broken_reason().clone()
    }

    fn open(
        &self,
        image: &Image,
        application: Option<&Flash>,
        needs: &[Need],
        folder: &Path,
    ) -> Result<Box<dyn Session>, BenchError> {
        if let Some(reason) = self.broken() {
            return Err(BenchError(format!("use a board that is broken: {reason}")));
        }
        let parts = parts_of(image, application)?;
        let taken = self.take(image, needs, folder)?;
        let start = start_of(&parts)?;
        match self.connect(&taken, &parts, start) {
            Ok((probe, recovery)) => Ok(Box::new(ProbeSession {
                probe: Some(probe),
                selector: taken.selector,
                speed_khz: self.place.as_ref().and_then(|place| place.board.speed_khz),
                power: FROM_POWER.iter().any(|it| needs.contains(it)).then_some(taken.power),
                watchdog: self.watchdog_flags().filter(|_| needs.contains(&Need::Watchdog)),
                backup: self.opens_backup(needs),
                ram: self.ram.clone(),
                clock: taken.clock,
                start,
                keeps_lockup_ram: needs.contains(&Need::LockupRam)
                    || matches!(self.link, Link::Attached),
                command_line: self.command_line(),
                recovery,
                rtt: Drain::of(image, folder),
                folder: folder.to_owned(),
                state: State { is_at_start: true, ..State::default() },
                _held: taken.held,
            })),
            Err(error) => {
                // Another virtual board is as good as new; a board of the bench is one of a kind.
                if let Some(place) = &self.place {
                    // A mark that cannot be written is only missed by the next run.
                    let _ = place.locks.mark_broken(&place.board.probe, &error.to_string());
                    *self.broken_reason() = Some(error.to_string());
                }
                Err(error)
            }
        }
    }
}

/// Whether a board of the bench is emulated.
#[must_use]
pub const fn is_virtual(board: &BenchBoard) -> bool {
    matches!(board.probe, ProbeSelector::Virtual { .. })
}
