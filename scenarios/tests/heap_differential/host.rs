//! The heap of the device, built for the host: over memory of the host, at the device's addresses.

use crashrig_memory::heap::{Comprehensive, Light, Off};
use crashrig_memory::words::Words;
use crashrig_script::{Answers, Desk};
use crashrig_wire::script::{ARENA_BYTES, Outcome, Request, Response, ScriptLevel};
use std::cell::Cell;
use std::rc::Rc;

/// The block that regions lie in. As on the device, other words read as 0, and what is written
/// there is lost; here it is counted.
#[derive(Debug, Clone)]
pub struct Ram {
    start: u32,
    words: Rc<[Cell<u32>]>,
    strays: Rc<Cell<u32>>,
}

impl Ram {
    fn new(start: u32) -> Self {
        let words = (0..ARENA_BYTES / 4).map(|_| Cell::new(0)).collect();
        Self { start, words, strays: Rc::default() }
    }

    fn word(&self, address: u32) -> Option<&Cell<u32>> {
        let word = self.words.get((address.wrapping_sub(self.start) / 4) as usize);
        let word = word.filter(|_| address.is_multiple_of(4));
        if word.is_none() {
            self.strays.set(self.strays.get().saturating_add(1));
        }
        word
    }
}

impl Words for Ram {
    fn read(&self, address: u32) -> u32 {
        self.word(address).map_or(0, Cell::get)
    }
    fn write(&mut self, address: u32, word: u32) {
        if let Some(place) = self.word(address) {
            place.set(word);
        }
    }
}

/// What the device is to a script, on the host.
pub struct Host {
    ram: Ram,
    open: Option<Box<dyn Answers>>,
}

impl Host {
    /// With the block that regions lie in at an address.
    pub fn new(start: u32) -> Self {
        Self { ram: Ram::new(start), open: None }
    }

    /// How often memory outside of the block was asked for since this was asked last.
    pub fn take_strays(&self) -> u32 {
        self.ram.strays.take()
    }

    /// Answers one request.
    pub fn answer(&mut self, request: &Request) -> Response {
        match (request, &mut self.open) {
            (Request::Open { level }, _) => {
                let (one, other, start) = (self.ram.clone(), self.ram.clone(), self.ram.start);
                self.open = Some(match level {
                    ScriptLevel::Off => begun(Desk::<_, Off>::new(one, other), start),
                    ScriptLevel::Light => begun(Desk::<_, Light>::new(one, other), start),
                    ScriptLevel::Comprehensive => {
                        begun(Desk::<_, Comprehensive>::new(one, other), start)
                    }
                });
                Response::new(Outcome::Done, &[start, ARENA_BYTES])
            }
            (request, Some(open)) => open.answer(request),
            _ => Response::new(Outcome::Refused, &[]),
        }
    }
}

fn begun<L: crashrig_memory::heap::Level + 'static>(
    mut desk: Desk<Ram, L>,
    start: u32,
) -> Box<dyn Answers> {
    desk.begin(start);
    Box::new(desk)
}
