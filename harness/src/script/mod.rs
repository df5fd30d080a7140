//! Heap scripts: what is asked of a heap of the device, step by step, and how its answers are
//! judged.
//!
//! [`talk`] puts requests to a device while it runs, [`device`] starts one for scripts alone;
//! [`to_toml`] writes a script as a scenario; [`naive`] judges each answer by what any heap
//! must hold, without knowing how this one works. The bytes of the answers are evidence, so that a
//! script can be judged again without a device.

pub mod device;
mod file;
mod holdings;
pub mod naive;
pub mod talk;

use self::naive::{Complaint, Naive};
pub use file::to_toml;

use crashrig_layout::Capabilities;
use crashrig_wire::script::{Entry, Outcome, Request, Response, ScriptLevel};

/// A script, checked: a heap with a level and regions, and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The boot it is played on, from 1.
    pub boot: u32,
    /// How much the heap checks.
    pub level: ScriptLevel,
    /// Its regions, in the order in which they are tried.
    pub regions: Vec<Region>,
    /// What is asked, in order.
    pub steps: Vec<Step>,
}

/// A region of the heap of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Where it begins in the block that all regions lie in, in bytes.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
    /// Its capabilities by priority.
    pub caps: [Capabilities; 3],
}

/// One step of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What is asked.
    pub request: Request,
    /// What must come of it, if the script says more than any heap must hold.
    pub expected: Option<Outcome>,
}

impl Script {
    /// Everything that is asked: the heap, its regions, and the steps.
    pub fn requests(&self) -> impl Iterator<Item = Request> {
        let regions = self.regions.iter().map(|region| Request::Region {
            offset: region.offset,
            size: region.size,
            caps: region.caps.map(Capabilities::bits),
        });
        let opening = std::iter::once(Request::Open { level: self.level }).chain(regions);
        opening.chain(self.steps.iter().map(|step| step.request))
    }

    /// What is wrong with the answers: to each request one, in the same order.
    #[must_use]
    pub fn judge(&self, answers: &[Option<Response>]) -> Vec<Complaint> {
        let mut naive = Naive::default();
        let mut complaints = Vec::new();
        let opening = 1 + self.regions.len();
        for (index, request) in self.requests().enumerate() {
            let step = index.checked_sub(opening);
            let place = step.map_or_else(
                || "before its first step".to_owned(),
                |step| format!("step {}, {request:?}", step + 1),
            );
            let Some(Some(answer)) = answers.get(index) else {
                complaints.push(Complaint::new("an answer", "none").at(&place));
                return complaints;
            };
            if let Err(complaint) = naive.judge(&request, answer) {
                complaints.push(complaint.at(&place));
            }
            let expected = step.and_then(|step| self.steps.get(step)?.expected);
            if let Some(expected) = expected.filter(|expected| *expected != answer.outcome) {
                complaints.push(Complaint::new(expected, answer.outcome).at(&place));
            }
        }
        complaints
    }
}

/// Answers as they are kept as evidence.
#[must_use]
pub fn to_bytes(answers: &[Option<Response>]) -> Vec<u8> {
    let mut bytes = vec![0xFF; answers.len() * Response::LENGTH];
    for (place, answer) in bytes.chunks_exact_mut(Response::LENGTH).zip(answers) {
        if let Some(answer) = answer {
            answer.put(place);
        }
    }
    bytes
}

/// Answers from evidence; nothing stands for one that is none.
#[must_use]
pub fn from_bytes(bytes: &[u8]) -> Vec<Option<Response>> {
    bytes.chunks(Response::LENGTH).map(Response::get).collect()
}
