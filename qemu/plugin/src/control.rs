//! The harness steers: commands from a socket, carried out by the thread of the CPU.
//!
//! Once the harness has taken over, the guest runs only where a command says so, and for as long.
//! Between two runs the thread of the CPU reads commands, with QEMU's big lock held: nothing else
//! of QEMU goes on, and neither QMP nor qtest answers. So commands need no locks, no other thread,
//! and no moment of their own. When the harness hangs up, QEMU ends.
//!
//! Must never happen here: a run that goes on behind a command's back, or an answer without its
//! question.

use std::ffi::{c_char, c_int, c_void};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::commands;
use crate::effect;
use crate::first;
use crate::internals::{Object, internals, symbol};
use crate::snapshot::{Machine, Ram, Snapshot};
use crate::stop::{self, Reason, Until};
use crate::trace;
use crate::vmstate::CpuFields;

/// `QEMU_CLOCK_VIRTUAL`.
const VIRTUAL_CLOCK: i32 = 1;

/// How long QEMU's main thread has to fall asleep.
const SETTLING: Duration = Duration::from_millis(2);

/// More than a `QEMUTimer` takes, in words; QEMU fills it in.
const TIMER_WORDS: usize = 32;

/// The socket until the guest is entered, everything after.
static STEERING: Mutex<Option<Steering>> = Mutex::new(None);

/// Our timer, while there is one.
static TIMER: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

enum Steering {
    Waiting(UnixStream),
    Entered(Box<Control>),
}

// SAFETY: what it points to is QEMU's, and used by the thread of the CPU only.
unsafe impl Send for Steering {}

/// A run that is under way.
struct Run {
    /// QEMU's count of instructions at its begin.
    began: i64,
    /// How many it may execute.
    limit: i64,
    /// The count when the timer last ran out.
    looked_at: i64,
}

/// What the thread of the CPU needs between two runs.
pub struct Control {
    pub machine: Machine,
    pub ram: Vec<Ram>,
    pub slots: Vec<Option<Snapshot>>,
    questions: BufReader<UnixStream>,
    answers: Vec<u8>,
    run: Option<Run>,
}

/// Prepares to take over at the guest's first instruction.
///
/// # Errors
/// What this QEMU lacks.
pub fn prepare(stream: UnixStream) -> Result<(), String> {
    let missing = |what| format!("this QEMU has no {what} where it is looked for");
    let internals = internals().map_err(missing)?;
    CpuFields::find(internals).map_err(missing)?;
    *STEERING.lock().unwrap_or_else(PoisonError::into_inner) = Some(Steering::Waiting(stream));
    stop::enter_at_first();
    Ok(())
}

/// Whether the harness may steer in this process: instructions are not counted one by one then.
pub fn is_steered() -> bool {
    STEERING.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// Called on the thread of the CPU after a stop, with the big lock held.
pub extern "C" fn on_cpu(cpu: *mut Object, _nothing: u64) {
    let mut steering = STEERING.lock().unwrap_or_else(PoisonError::into_inner);
    let is_new = matches!(*steering, Some(Steering::Waiting(_)));
    let mut control = match steering.take() {
        Some(Steering::Waiting(stream)) => match Control::begin(cpu, stream) {
            Ok(control) => control,
            Err(reason) => end(&reason),
        },
        Some(Steering::Entered(control)) => control,
        None => return,
    };
    if !control.is_still_running() {
        if is_new {
            control.let_main_thread_settle();
        }
        control.converse();
    }
    *steering = Some(Steering::Entered(control));
}

/// Takes the lock, for a file and a line.
type Lock = extern "C" fn(*const c_char, c_int);

/// The functions of QEMU's big lock, which were renamed after 7.2.
fn big_lock() -> Option<(Lock, extern "C" fn())> {
    let lock = symbol("bql_lock_impl\0").or_else(|| symbol("qemu_mutex_lock_iothread_impl\0"))?;
    let unlock = symbol("bql_unlock\0").or_else(|| symbol("qemu_mutex_unlock_iothread\0"))?;
    // SAFETY: the function has this type under both names.
    let lock = unsafe { std::mem::transmute::<*mut c_void, Lock>(lock) };
    // SAFETY: as above.
    let unlock = unsafe { std::mem::transmute::<*mut c_void, extern "C" fn()>(unlock) };
    Some((lock, unlock))
}

/// There is nobody left who could say what the guest shall do.
fn end(reason: &str) -> ! {
    eprintln!("crashrig-plugin: {reason}");
    std::process::exit(1)
}

impl Control {
    fn begin(cpu: *mut Object, stream: UnixStream) -> Result<Box<Self>, String> {
        let internals = internals()?;
        let fields = CpuFields::find(internals)?;
        let machine = Machine { internals, cpu, fields };
        let controller = effect::interrupt_controller(&machine).ok_or("no interrupt controller")?;
        let line = (internals.qemu_allocate_irq)(stop::on_reset, null_mut(), 0);
        let connect = internals.qdev_connect_gpio_out_named;
        connect(controller, c"SYSRESETREQ".as_ptr(), 0, line);
        // Lives as long as QEMU does.
        let timer = Box::leak(Box::new([0_u64; TIMER_WORDS])).as_mut_ptr().cast::<c_void>();
        let new_timer = internals.timer_init_full;
        new_timer(timer, null_mut(), VIRTUAL_CLOCK, 1, 0, stop::on_timer, null_mut());
        TIMER.store(timer, Ordering::Relaxed);
        // What QEMU logs of each exception is for one run, not for thousands.
        // SAFETY: a word of QEMU that it reads before each message.
        unsafe { internals.qemu_loglevel.write(0) };
        let questions = BufReader::new(stream);
        Ok(Box::new(Self {
            machine,
            ram: Vec::new(),
            slots: Vec::new(),
            questions,
            answers: Vec::new(),
            run: None,
        }))
    }

    /// Waits for the first command without the big lock. QEMU's main thread is at work since the
    /// guest was let go, and a thread that is awake while the guest falls asleep may set the clock
    /// forward before the instructions until then are accounted for: seen as runs of one trace
    /// whose times differ.
    fn let_main_thread_settle(&mut self) {
        let Some((lock, unlock)) = big_lock() else { return };
        unlock();
        self.flush();
        std::thread::sleep(SETTLING);
        lock(c"crashrig-plugin".as_ptr(), 0);
    }

    /// Whether the stop was that of a timer which the guest's sleep brought forward: then fewer
    /// instructions were executed than the run may have, and it goes on.
    fn is_still_running(&mut self) -> bool {
        let reason = stop::reason();
        let internals = self.machine.internals;
        if let Some(run) = &mut self.run {
            let now = (internals.icount_get_raw)();
            let left = run.limit - (now - run.began);
            // A guest that sleeps for good executes nothing from one time to the next.
            let is_asleep = std::mem::replace(&mut run.looked_at, now) == now;
            if reason == Reason::Instructions as u32 && left > 0 && !is_asleep {
                self.set_timer(left);
                stop::go_on();
                return true;
            }
        }
        (internals.timer_del)(TIMER.load(Ordering::Relaxed));
        let executed = self.run.take().map_or(0, |run| (internals.icount_get_raw)() - run.began);
        let pc = effect::read_register(&self.machine, 15).unwrap_or_default();
        self.answer(&[0]);
        self.answer(&reason.to_le_bytes());
        self.answer(&pc.to_le_bytes());
        self.answer(&executed.to_le_bytes());
        false
    }

    fn set_timer(&self, instructions: i64) {
        let internals = self.machine.internals;
        let now = (internals.qemu_clock_get_ns)(VIRTUAL_CLOCK);
        let then = now.saturating_add((internals.icount_to_ns)(instructions));
        (internals.timer_mod_ns)(TIMER.load(Ordering::Relaxed), then);
    }

    /// The target's own time in nanoseconds.
    pub fn time_ns(&self) -> i64 {
        (self.machine.internals.qemu_clock_get_ns)(VIRTUAL_CLOCK)
    }

    /// Carries out commands until one lets the guest run.
    fn converse(&mut self) {
        while self.run.is_none() {
            if self.questions.buffer().is_empty() {
                self.flush();
            }
            if commands::carry_out_next(self).is_none() {
                // The harness has gone, or does not speak our language.
                std::process::exit(0);
            }
        }
    }

    fn flush(&mut self) {
        if self.questions.get_mut().write_all(&self.answers).is_err() {
            std::process::exit(0);
        }
        self.answers.clear();
        // Waits for a question, so that what comes in is known to be one.
        if self.questions.fill_buf().is_ok_and(<[u8]>::is_empty) {
            std::process::exit(0);
        }
    }

    /// Adds to what is told to the harness.
    pub fn answer(&mut self, bytes: &[u8]) {
        self.answers.extend_from_slice(bytes);
    }

    /// The next bytes of a question.
    pub fn ask(&mut self, bytes: &mut [u8]) -> Option<()> {
        self.questions.read_exact(bytes).ok()
    }

    /// Lets the guest run when the commands are left.
    pub fn run(&mut self, limit: i64, until: Until, skip: u32) -> Result<(), &'static str> {
        let mut must_forget = match until {
            Until::Address { address, .. } => stop::add_point(address)?,
            _ => false,
        };
        let is_reported = matches!(until, Until::Access { .. }) || first::is_watching();
        must_forget |= stop::report_accesses(is_reported);
        if must_forget {
            self.forget_blocks();
        }
        self.set_timer(limit);
        let began = (self.machine.internals.icount_get_raw)();
        self.run = Some(Run { began, limit, looked_at: -1 });
        stop::arm(until, skip);
        Ok(())
    }

    /// Switches the trace on or off.
    pub fn trace(&mut self, on: bool) {
        if trace::is_on() != on {
            trace::switch(on);
            self.forget_blocks();
        }
    }

    /// Has QEMU translate all code anew.
    fn forget_blocks(&self) {
        (self.machine.internals.tb_flush)(self.machine.cpu);
    }
}
