//! A heap of its own, used as the host asks: batch by batch, in turns, until the host says that the
//! script is over. Breaks nothing of the device: the regions lie in one block of its heap, and
//! nothing that a script does reaches beyond that block.

mod arena;

use self::arena::ArenaWords;
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, Comprehensive, Level, Light, Off};
use crashrig_port::heap;
use crashrig_port::host_block::HostBlock;
use crashrig_script::Answers;
use crashrig_wire::script::{
    ARENA_ALIGN_BYTES, ARENA_BYTES, Outcome, REQUESTS_LENGTH, RESPONSES_LENGTH, Request, Response,
    ScriptLevel, number_in, read, write,
};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".noinit.script_requests")]
static CRASHRIG_SCRIPT_REQUESTS: HostBlock<{ REQUESTS_LENGTH / 4 }> = HostBlock::new();

#[unsafe(no_mangle)]
#[unsafe(link_section = ".noinit.script_responses")]
static CRASHRIG_SCRIPT_RESPONSES: HostBlock<{ RESPONSES_LENGTH / 4 }> = HostBlock::new();

type Desk<L> = crashrig_script::Desk<ArenaWords, L>;

/// Desks without anything, in flash: they are copied into place, being too large for a stack.
static AT_OFF: Desk<Off> = Desk::new(ArenaWords, ArenaWords);
static AT_LIGHT: Desk<Light> = Desk::new(ArenaWords, ArenaWords);
static AT_COMPREHENSIVE: Desk<Comprehensive> = Desk::new(ArenaWords, ArenaWords);

/// As much of a batch as tells its number.
const START_LENGTH: usize = 12;

/// Answers the host until its script is over.
// A frame of its own: a batch lies in it, for which other faults need no room.
#[inline(never)]
pub fn run() {
    let Some(mut script) = Script::new() else {
        defmt::error!("no memory for scripts: {=u32} bytes and the heap's own", ARENA_BYTES);
        return;
    };
    publish(0, core::iter::empty());
    let mut number = 1;
    while !script.is_over {
        let mut bytes = [0; REQUESTS_LENGTH];
        await_batch(number, &mut bytes);
        // A batch that the host is just writing does not read yet.
        if let Some(batch) = read::<Request>(&bytes) {
            publish(number, batch.entries().map(|request| script.answer(request)));
            number += 1;
        }
    }
}

/// Polls until there is what may be the batch of a number.
fn await_batch(number: u32, bytes: &mut [u8; REQUESTS_LENGTH]) {
    loop {
        let mut start = [0; START_LENGTH];
        CRASHRIG_SCRIPT_REQUESTS.read(&mut start);
        if number_in::<Request>(&start) == Some(number) {
            return CRASHRIG_SCRIPT_REQUESTS.read(bytes);
        }
    }
}

fn publish(number: u32, responses: impl Iterator<Item = Response>) {
    let mut bytes = [0; RESPONSES_LENGTH];
    if let Some(length) = write(&mut bytes, number, responses) {
        CRASHRIG_SCRIPT_RESPONSES.write(bytes.get(..length).unwrap_or_default());
    }
}

/// The heap that is open, and where the next one goes.
struct Script {
    /// Where the state of a heap lies, outside of its regions.
    place: u32,
    open: Option<&'static mut dyn Answers>,
    is_over: bool,
}

impl Script {
    fn new() -> Option<Self> {
        // The levels differ in code alone.
        const _: () = assert!(size_of::<Desk<Off>>() == size_of::<Desk<Comprehensive>>());
        const _: () = assert!(size_of::<Desk<Off>>() == size_of::<Desk<Light>>());
        const _: () = assert!(align_of::<Desk<Off>>() <= 8);
        let arena = Alignment { align_bytes: ARENA_ALIGN_BYTES, offset_bytes: 0 };
        let arena = heap::allocate(ARENA_BYTES, arena, Capabilities::DEFAULT).ok()?;
        let size_bytes = size_of::<Desk<Off>>() as u32;
        let place = heap::allocate(size_bytes, Alignment::NATURAL, Capabilities::DEFAULT).ok()?;
        ArenaWords::place(arena);
        Some(Self { place, open: None, is_over: false })
    }

    fn answer(&mut self, request: Option<Request>) -> Response {
        let refused = Response::new(Outcome::Refused, &[]);
        match (request, &mut self.open) {
            (Some(Request::Open { level }), _) => {
                self.open(level);
                Response::new(Outcome::Done, &[ArenaWords::start(), ARENA_BYTES])
            }
            (Some(Request::Close), _) => {
                self.is_over = true;
                Response::new(Outcome::Done, &[])
            }
            (Some(request), Some(open)) => open.answer(&request),
            _ => refused,
        }
    }

    fn open(&mut self, level: ScriptLevel) {
        self.open = None;
        self.open = Some(match level {
            ScriptLevel::Off => self.copy(&AT_OFF),
            ScriptLevel::Light => self.copy(&AT_LIGHT),
            ScriptLevel::Comprehensive => self.copy(&AT_COMPREHENSIVE),
        });
    }

    /// A desk without anything, where the one before was.
    #[expect(clippy::mut_from_ref, reason = "what is referred to is the copy, in RAM")]
    fn copy<L: Level + 'static>(&mut self, empty: &'static Desk<L>) -> &'static mut dyn Answers {
        let place = core::ptr::with_exposed_provenance_mut::<Desk<L>>(self.place as usize);
        // SAFETY: the block has the size and alignment of every desk (asserted above), nobody else
        // has it, and the reference of before is gone; `empty` owns nothing, so a copy of it is
        // another empty desk.
        unsafe { place.copy_from_nonoverlapping(empty, 1) };
        // SAFETY: as above, and just filled.
        let desk = unsafe { &mut *place };
        desk.begin(ArenaWords::start());
        desk
    }
}
