//! Every mistake that has a name can be made, and is told by it.
//!
//! A new one does not compile until it stands here, with what somebody has to do for it.

use crate::script::{Kernel, WAITS, done, new_thread};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, Heap, Light};
use crashrig_memory::kernel::Caller;
use crashrig_memory::kernel::call::{Answer, Call, FOREVER};
use crashrig_memory::kernel::thread::NewThread;
use crashrig_memory::misuse::{
    no_stack, of_address, of_allocation, of_call, of_spawn, of_transfer,
};
use crashrig_memory::stack::StackRange;
use crashrig_memory::words::Words;
use crashrig_wire::status::{Misuse, Status};
use crashrig_wire::{Kind, Thread, TransferState};
use std::cell::RefCell;
use std::rc::Rc;

/// The main thread runs, in slot 1; there is an idle thread, and a timer thread that waits.
fn kernel() -> Kernel {
    let mut kernel = Kernel::new();
    let timer = NewThread {
        stack: StackRange { thread: Thread::Timer, ..new_thread(2, 30).stack },
        ..new_thread(2, 30)
    };
    for new in [new_thread(0, 0), new_thread(1, 5), timer] {
        assert!(kernel.add(&new).is_ok());
    }
    kernel.begin(2);
    assert_eq!(kernel.call(Caller::Thread, Call::NextTimer {}), WAITS);
    assert_eq!(kernel.switch(), Some(1));
    kernel
}

/// The mistake that the last of some calls of the main thread is.
fn by_calls(calls: &[Call]) -> Option<Misuse> {
    of_last(&mut kernel(), Caller::Thread, calls)
}

fn of_last(kernel: &mut Kernel, caller: Caller, calls: &[Call]) -> Option<Misuse> {
    let (last, others) = calls.split_last()?;
    for call in others {
        let answer = kernel.call(caller, *call);
        assert!(matches!(answer, Answer::Done(Ok(_))), "{call:?}: {answer:?}");
    }
    match kernel.call(caller, *last) {
        Answer::Done(Err(error)) => of_call(*last, error),
        other => panic!("{last:?}: {other:?}"),
    }
}

fn by_spawn(change: impl FnOnce(NewThread) -> NewThread) -> Option<Misuse> {
    kernel().add(&change(new_thread(3, 5))).err().and_then(of_spawn)
}

fn by_stack(start: u32, end: u32) -> Option<Misuse> {
    by_spawn(|new| NewThread { stack: StackRange { start, end, ..new.stack }, ..new })
}

/// Memory that a test can write to while it is a heap's.
#[derive(Clone)]
struct Ram(Rc<RefCell<Vec<u32>>>);
impl Words for Ram {
    fn read(&self, address: u32) -> u32 {
        self.0.borrow()[(address - RAM_START) as usize / 4]
    }
    fn write(&mut self, address: u32, word: u32) {
        self.0.borrow_mut()[(address - RAM_START) as usize / 4] = word;
    }
}

const RAM_START: u32 = 0x2000_0000;
const BLOCK_BYTES: u32 = 64;
const CAPS: Capabilities = Capabilities::DEFAULT;

/// A heap, a block of it, and its memory.
fn heap() -> (Heap<Ram, Light, 1>, u32, Ram) {
    let ram = Ram(Rc::new(RefCell::new(vec![0; 1024])));
    let mut heap = Heap::new(ram.clone());
    let added = heap.add_region(RAM_START, 4096, [CAPS, Capabilities::NONE, Capabilities::NONE]);
    assert!(added.is_ok(), "{added:?}");
    let Ok(block) = heap.allocate(BLOCK_BYTES, CAPS) else { panic!("no block") };
    (heap, block, ram)
}

fn by_allocation(size_bytes: u32, align_bytes: u32) -> Option<Misuse> {
    let (mut heap, ..) = heap();
    let alignment = Alignment { align_bytes, offset_bytes: 0 };
    let error = heap.allocate_aligned(size_bytes, alignment, CAPS).err()?;
    Some(of_allocation(&error).0)
}

fn by_stack_from_heap(size_bytes: u32) -> Option<Misuse> {
    let (mut heap, ..) = heap();
    of_spawn(no_stack(&heap.allocate(size_bytes, CAPS).err()?))
}

/// Frees an address, before which the block may have been freed.
fn by_free(twice: bool, address: impl Fn(u32) -> u32) -> Option<Misuse> {
    let (mut heap, block, _) = heap();
    if twice {
        assert!(heap.free(block).is_ok());
    }
    heap.free(address(block)).err().map(|error| of_address(&error).0)
}

/// Somebody has written over the header of the block that is given back.
fn by_free_of_broken() -> Option<Misuse> {
    let (mut heap, block, mut ram) = heap();
    ram.write(block - 4, u32::MAX);
    heap.free(block).err().map(|error| of_address(&error).0)
}

/// Has the mistake made, and gives what it is told as.
fn make(misuse: Misuse) -> Option<Misuse> {
    let (new_mutex, timeout) = (Call::NewMutex {}, 0);
    let join = |thread| Call::Join { thread, timeout };
    let (lock, unlock) = (Call::Lock { mutex: 0, timeout }, Call::Unlock { mutex: 0 });
    let release = Call::Release { semaphore: 0 };
    let start = new_thread(3, 5).stack.start;
    match misuse {
        Misuse::CallFromInterrupt => {
            of_last(&mut kernel(), Caller::Interrupt, &[Call::Sleep { ticks: 1 }])
        }
        Misuse::InvalidObject => by_calls(&[lock]),
        Misuse::NotOwner => by_calls(&[new_mutex, unlock]),
        Misuse::RecursionLimit => by_calls(&[&[new_mutex][..], &[lock; 256]].concat()),
        Misuse::SemaphoreOverflow => {
            by_calls(&[Call::NewSemaphore { initial: 1, limit: 1 }, release])
        }
        Misuse::JoinSelf => by_calls(&[join(1)]),
        Misuse::JoinUnknown => by_calls(&[join(5)]),
        Misuse::JoinTwice => join_twice(),
        Misuse::DoubleStart => by_spawn(|new| NewThread { stack: new_thread(1, 5).stack, ..new }),
        Misuse::InvalidPriority => by_spawn(|new| NewThread { priority: 32, ..new }),
        Misuse::InvalidStackSize => by_stack(start, start + 8),
        Misuse::InvalidStackAlignment => by_stack(start, start + 0x3FC),
        Misuse::ItemTooLarge => by_calls(&[
            Call::NewQueue { capacity: 1 },
            Call::Put { queue: 0, word: 1 << 31, timeout },
        ]),
        Misuse::TimerLimit => by_calls(&[
            Call::NewTimer { function: 0, argument: 0 },
            Call::StartTimer { timer: 0, delay: 0, period: 0 },
        ]),
        Misuse::OutOfPlaces => by_calls(&[new_mutex; 7]),
        Misuse::TimerQueueOverflow => timer_behind(),
        // Told by the record of a crash.
        Misuse::StackOverflow => Misuse::of(Status::of(Kind::StackOverflow)),
        Misuse::OutOfMemory => by_stack_from_heap(1 << 20),
        Misuse::AllocationFailed => by_allocation(1 << 20, 8),
        Misuse::InvalidAlignment => by_allocation(BLOCK_BYTES, 24),
        Misuse::FreeForeign => by_free(false, |_| RAM_START - 8),
        Misuse::FreeInside => by_free(false, |block| block + 8),
        Misuse::DoubleFree => by_free(true, |block| block),
        Misuse::HeapCorrupt => by_free_of_broken(),
        Misuse::NotAllowed => by_calls(&[Call::Terminate { thread: 2 }]),
        Misuse::InvalidArgument => by_calls(&[Call::NewQueue { capacity: 17 }]),
        Misuse::DmaRefused => of_transfer(TransferState::Refused),
        Misuse::DmaError => of_transfer(TransferState::FifoError),
        Misuse::DmaTimeOut => of_transfer(TransferState::TimedOut),
        // Told by the driver (scenario `dma/freed_in_flight`).
        Misuse::FreeInFlight => Misuse::of(misuse.status()),
    }
}

/// Another thread waits for the idle thread's end already.
fn join_twice() -> Option<Misuse> {
    let mut kernel = kernel();
    assert!(kernel.add(&new_thread(3, 6)).is_ok());
    kernel.switch();
    let join = Call::Join { thread: 0, timeout: FOREVER };
    assert_eq!(kernel.call(Caller::Thread, join), WAITS);
    kernel.switch();
    of_last(&mut kernel, Caller::Thread, &[join])
}

/// A timer runs out more often than the timer thread looks.
fn timer_behind() -> Option<Misuse> {
    let mut kernel = kernel();
    let timer = Call::NewTimer { function: 0, argument: 0 };
    assert_eq!(kernel.call(Caller::Thread, timer), done(0));
    let start = Call::StartTimer { timer: 0, delay: 1, period: 1 };
    assert_eq!(kernel.call(Caller::Thread, start), done(0));
    // The first is handed to the timer thread, 255 can wait.
    (0..=256).for_each(|_| _ = kernel.tick());
    kernel.take_overrun().map(|_| Misuse::TimerQueueOverflow)
}

#[test]
fn every_mistake_can_be_made_and_is_told() {
    for misuse in Misuse::ALL {
        assert_eq!(make(*misuse), Some(*misuse), "{misuse}");
    }
}
