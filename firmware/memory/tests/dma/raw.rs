//! A stream of the host, and a register that nobody accesses: what the safe interface takes on
//! trust.
#![expect(unsafe_code, reason = "a stream is a promise")]

use crashrig_memory::dma::transfer::Register;
use crashrig_memory::dma::{Plan, Stream};
use crashrig_wire::TransferState;
use std::cell::RefCell;
use std::rc::Rc;

/// What has happened to a stream.
#[derive(Debug, Default)]
pub struct Seen {
    pub plans: Vec<Plan>,
    pub state: Option<TransferState>,
    pub stops: usize,
    pub pauses: usize,
}

/// A stream that ends after three looks at it.
#[derive(Debug, Clone, Default)]
pub struct Bench(pub Rc<RefCell<Seen>>);

// SAFETY: it touches no memory at all.
unsafe impl Stream for Bench {
    type Error = &'static str;

    unsafe fn begin(&mut self, plan: &Plan) -> Result<(), &'static str> {
        if plan.items > 1000 {
            return Err("too many");
        }
        let mut seen = self.0.borrow_mut();
        seen.plans.push(*plan);
        seen.state = Some(TransferState::Running);
        Ok(())
    }

    fn state(&self) -> TransferState {
        self.0.borrow().state.unwrap_or(TransferState::Stopped)
    }

    fn items_left(&self) -> u16 {
        5
    }

    fn stop(&mut self) {
        let mut seen = self.0.borrow_mut();
        seen.stops += 1;
        seen.state = Some(TransferState::Stopped);
    }

    fn pause(&self) {
        let mut seen = self.0.borrow_mut();
        seen.pauses += 1;
        if seen.pauses == 3 {
            seen.state = Some(TransferState::Done);
        }
    }
}

/// A register of nothing.
// SAFETY: no register of the host is accessed.
pub const REGISTER: Register = unsafe { Register::new(0x4001_1004) };
