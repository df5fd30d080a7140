//! One device behind a probe, seen through the ordinary interface of probe-rs.
//!
//! The core is caught at every reset before its first instruction: that is where RAM is read. A
//! device that runs is looked at without being stopped; it stops itself where it asks its debugger
//! for something (see `serve`). Must never happen here: flash programmed between a crash and the
//! reading of its record; a wait without a deadline.

use super::backup;
use super::catch;
use super::clock::Clock;
use super::connect::failed;
use super::ladder::Recovery;
use super::place::PowerSwitch;
use super::power::{self, Reach};
use super::registers;
use super::rtt::Drain;
use super::watch::{self, Accesses};
use crate::noise::filled;
use crate::scenario::Fill;
use crate::target::{BenchError, BusWrite, Deadline, Logs, Session, Store, TARGET_TIME, Wait};
use crashrig_layout::parse::ChipClockEnable;
use probe_rs::{Core, MemoryInterface as _, RegisterId};
use std::any::Any;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long between two looks at a device that runs.
const POLL: Duration = Duration::from_micros(300);
const NVIC_SET_PENDING: u64 = 0xE000_E200;
const ICSR: u64 = 0xE000_ED04;
const SET_NMI_PENDING: u32 = 1 << 31;

/// See [`Session`].
pub(super) struct ProbeSession {
    /// Nothing, where power went away and did not come back as it should.
    pub probe: Option<probe_rs::Session>,
    /// Selects the probe.
    pub selector: String,
    /// Clock of the debug port.
    pub speed_khz: Option<u32>,
    /// How power is switched, where a power-on has to be one.
    pub power: Option<PowerSwitch>,
    /// Where the chip says that a watchdog has reset it: register and flags. The program clears
    /// them at each start.
    pub watchdog: Option<(u32, u32)>,
    /// What opens memory on a battery, where somebody wants to see it.
    pub backup: Vec<ChipClockEnable>,
    pub ram: Vec<(u32, u32)>,
    pub clock: Clock,
    /// The address of the first instruction.
    pub start: u32,
    /// Whether RAM of a core that has locked up can be believed.
    pub keeps_lockup_ram: bool,
    pub command_line: Vec<String>,
    pub recovery: Option<Recovery>,
    /// What the image says through RTT, if it has that.
    pub rtt: Option<Drain>,
    /// Where core dumps go.
    pub folder: PathBuf,
    pub state: State,
    /// What ends with the session: a lease of a board. Dropped behind the probe.
    pub _held: Box<dyn Any>,
}

/// What is known of the device.
#[derive(Default)]
pub(super) struct State {
    pub is_running: bool,
    /// It stands before its first instruction, after a reset of its own.
    pub is_at_start: bool,
    /// What it came to while it was looked at for another reason.
    pub met: Option<Wait>,
    pub breakpoints: Vec<u32>,
    /// Whether faults halt the core.
    pub catches_faults: bool,
    /// Watched ranges by comparator, by first address.
    pub watched: Vec<u32>,
    pub logs: Logs,
    pub lockup_ram: Option<Vec<Vec<u8>>>,
    pub is_locked_up: bool,
}

/// The core, for some accesses.
pub(super) fn core(probe: &mut Option<probe_rs::Session>) -> Result<Core<'_>, BenchError> {
    attached(probe)?.core(0).map_err(|error| failed("reach the core", &error))
}

/// The session of probe-rs.
pub(super) fn attached(
    probe: &mut Option<probe_rs::Session>,
) -> Result<&mut probe_rs::Session, BenchError> {
    probe.as_mut().ok_or_else(|| BenchError("use the probe: it did not come back".to_owned()))
}

impl Session for ProbeSession {
    fn power_on(&mut self, fill: Fill, seed: u64, battery: bool) -> Result<(), BenchError> {
        if self.power.is_some() { self.cycle_power(battery) } else { self.reset_to_start() }?;
        for (start, bytes) in filled(fill, seed, &self.ram) {
            self.write(start, &bytes)?;
        }
        Ok(())
    }

    fn reset_warm(&mut self) -> Result<(), BenchError> {
        if self.state.is_at_start { Ok(()) } else { self.reset_to_start() }
    }

    fn resume(&mut self) -> Result<(), BenchError> {
        if let Some(rtt) = self.rtt.as_mut().filter(|_| self.state.is_at_start) {
            rtt.restart();
        }
        self.state.met = None;
        self.state.is_at_start = false;
        self.state.is_running = true;
        core(&mut self.probe)?.run().map_err(|error| failed("let the core run", &error))
    }

    fn wait(&mut self, deadline: &Deadline) -> Result<Wait, BenchError> {
        self.clock.restart();
        let began = Instant::now();
        loop {
            self.look()?;
            if let Some(met) = self.state.met.take() {
                return Ok(met);
            }
            let logs = &self.state.logs;
            if (logs.frames.len() + logs.console.len()) as u64 > deadline.log_bytes {
                return self.hang("log bytes");
            }
            if self.clock.elapsed_ms() >= deadline.target_ms {
                return self.hang(TARGET_TIME);
            }
            if began.elapsed() >= deadline.wall {
                return self.hang("wall time");
            }
            std::thread::sleep(POLL);
        }
    }

    fn pause(&mut self, target_ms: u64, deadline: &Deadline) -> Result<Wait, BenchError> {
        self.clock.restart();
        let began = Instant::now();
        while self.clock.elapsed_ms() < target_ms && began.elapsed() < deadline.wall {
            self.look()?;
            if self.state.met.is_some() {
                break;
            }
            std::thread::sleep(POLL);
        }
        Ok(Wait::Running)
    }

    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), BenchError> {
        self.look()?;
        let size = bytes.len();
        core(&mut self.probe)?
            .read(u64::from(address), bytes)
            .map_err(|error| failed(&format!("read {size} bytes at {address:#010x}"), &error))
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError> {
        self.look()?;
        let size = bytes.len();
        core(&mut self.probe)?
            .write(u64::from(address), bytes)
            .map_err(|error| failed(&format!("write {size} bytes at {address:#010x}"), &error))
    }

    fn read_backup(&mut self, address: u32, size: u32) -> Result<Option<Vec<u8>>, BenchError> {
        // The emulator of a virtual board does not outlive a lockup, and with it what opens memory.
        if self.backup.is_empty() || self.state.is_locked_up {
            return Ok(None);
        }
        let mut words = vec![0; ((address & 3) + size).div_ceil(4) as usize];
        backup::with_open(&mut core(&mut self.probe)?, &self.backup, |core| {
            core.read_32(u64::from(address & !3), &mut words)
        })?;
        let bytes = words.iter().flat_map(|word| word.to_le_bytes());
        Ok(Some(bytes.skip((address & 3) as usize).take(size as usize).collect()))
    }

    fn write_backup(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError> {
        backup::with_open(&mut core(&mut self.probe)?, &self.backup, |core| {
            core.write_8(u64::from(address), bytes)
        })
    }

    fn set_breakpoint(&mut self, address: u32) -> Result<(), BenchError> {
        if self.state.breakpoints.contains(&address) {
            return Ok(());
        }
        core(&mut self.probe)?
            .set_hw_breakpoint(u64::from(address))
            .map_err(|error| failed(&format!("set a breakpoint at {address:#010x}"), &error))?;
        self.state.breakpoints.push(address);
        Ok(())
    }

    fn watch_stores(&mut self, address: u32, size_bytes: u32) -> Result<(), BenchError> {
        self.watch(address, size_bytes, Accesses::Stores)
    }

    fn watch_loads(&mut self, address: u32, size_bytes: u32) -> Result<(), BenchError> {
        self.watch(address, size_bytes, Accesses::Loads)
    }

    fn step(&mut self, instructions: u64) -> Result<bool, BenchError> {
        let start = self.start;
        let mut core = core(&mut self.probe)?;
        for _ in 0..instructions {
            let stopped = core.step().map_err(|error| failed("step", &error))?;
            if stopped.pc == u64::from(start) {
                self.state.is_at_start = true;
                return Ok(false);
            }
        }
        self.state.is_at_start = false;
        Ok(true)
    }

    fn log_stores(&mut self, _: u32, _: u32) -> Result<(), BenchError> {
        Err(BenchError("log stores: a probe does not see them".to_owned()))
    }

    fn stores(&mut self) -> Result<Vec<Store>, BenchError> {
        self.log_stores(0, 0).map(|()| Vec::new())
    }

    fn bus_writes(&mut self) -> Result<Vec<BusWrite>, BenchError> {
        Ok(Vec::new())
    }

    fn clear_breakpoints(&mut self) -> Result<(), BenchError> {
        self.catch_faults(false)?;
        let breakpoints = std::mem::take(&mut self.state.breakpoints);
        let watched = std::mem::take(&mut self.state.watched);
        let mut core = core(&mut self.probe)?;
        for address in breakpoints {
            core.clear_hw_breakpoint(u64::from(address))
                .map_err(|error| failed("clear a breakpoint", &error))?;
        }
        (0..watched.len()).try_for_each(|number| watch::clear(&mut core, number))
    }

    fn register(&mut self, name: &str) -> Result<Option<u32>, BenchError> {
        let Some(place) = registers::place(name) else { return Ok(None) };
        let value = core(&mut self.probe)?.read_core_reg::<u32>(RegisterId(place.number));
        Ok(Some(place.get(value.map_err(|error| failed("read a register", &error))?)))
    }

    fn write_register(&mut self, name: &str, value: u32) -> Result<bool, BenchError> {
        let Some(place) = registers::place(name) else { return Ok(false) };
        let id = RegisterId(place.number);
        let mut core = core(&mut self.probe)?;
        let old = core.read_core_reg::<u32>(id).map_err(|error| failed("read a register", &error));
        core.write_core_reg(id, place.put(old?, value))
            .map_err(|error| failed("write a register", &error))?;
        Ok(true)
    }

    fn raise_interrupt(&mut self, number: u16) -> Result<(), BenchError> {
        let at = NVIC_SET_PENDING + u64::from(number / 32) * 4;
        core(&mut self.probe)?
            .write_word_32(at, 1 << (number % 32))
            .map_err(|error| failed("raise an interrupt", &error))
    }

    fn raise_nmi(&mut self) -> Result<(), BenchError> {
        core(&mut self.probe)?
            .write_word_32(ICSR, SET_NMI_PENDING)
            .map_err(|error| failed("raise the NMI", &error))
    }

    fn core_word(&mut self, address: u32) -> Result<u32, BenchError> {
        core(&mut self.probe)?
            .read_word_32(u64::from(address))
            .map_err(|error| failed(&format!("read {address:#010x}"), &error))
    }

    fn write_core_word(&mut self, address: u32, value: u32) -> Result<(), BenchError> {
        core(&mut self.probe)?
            .write_word_32(u64::from(address), value)
            .map_err(|error| failed(&format!("write {address:#010x}"), &error))
    }

    fn logs(&mut self) -> Result<Logs, BenchError> {
        Ok(std::mem::take(&mut self.state.logs))
    }

    fn lockup_ram(&self) -> Result<Option<Vec<Vec<u8>>>, BenchError> {
        Ok(self.state.lockup_ram.clone())
    }

    fn instructions(&mut self) -> Result<Option<u64>, BenchError> {
        match &self.state.met {
            None => Ok(None),
            Some(_) => Err(BenchError("count instructions: the device has stopped".to_owned())),
        }
    }

    fn ram(&self) -> &[(u32, u32)] {
        &self.ram
    }

    fn catch_faults(&mut self, are_caught: bool) -> Result<bool, BenchError> {
        if self.state.catches_faults != are_caught {
            catch::set(&mut core(&mut self.probe)?, are_caught)?;
            self.state.catches_faults = are_caught;
        }
        Ok(are_caught)
    }

    fn command_line(&self) -> Vec<String> {
        self.command_line.clone()
    }

    fn recovery(&self) -> Option<Recovery> {
        self.recovery.clone()
    }
}

impl ProbeSession {
    /// Power away and back: nothing is as it was, but for what a battery keeps.
    fn cycle_power(&mut self, battery: bool) -> Result<(), BenchError> {
        let Some(power) = &self.power else { return Ok(()) };
        let chip = attached(&mut self.probe)?.target().clone();
        self.probe = None;
        let reach = Reach { selector: &self.selector, speed_khz: self.speed_khz, chip };
        self.probe = Some(power::cycle(reach, power, battery, self.start)?);
        let logs = std::mem::take(&mut self.state.logs);
        self.state = State { is_at_start: true, logs, ..State::default() };
        Ok(())
    }

    fn watch(&mut self, address: u32, size: u32, accesses: Accesses) -> Result<(), BenchError> {
        let number = self.state.watched.len();
        watch::set(&mut core(&mut self.probe)?, number, address, size, accesses)?;
        self.state.watched.push(address);
        Ok(())
    }
}
