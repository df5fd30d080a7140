//! The table of heaps that are measured. A new one is a line here and an implementation of
//! [`Allocator`].

use super::allocator::{Allocator, Area};
use super::others::{LinkedList, Llff, Nothing, Rlsf, Tlsf};
use super::ours::Ours;
use super::place::Place;
use core::mem::MaybeUninit;
use crashrig_memory::heap::{Comprehensive, Light, Off};

/// The bytes of a name; what is behind it is zero.
pub type Name = [u8; 32];

/// The memory that each heap gets.
#[repr(align(64))]
struct Memory(
    #[expect(dead_code, reason = "heaps reach it by its address")] MaybeUninit<[u8; SIZE]>,
);

const SIZE: usize = 64 * 1024;

#[unsafe(link_section = ".noinit.memory")]
static MEMORY: Place<Memory> = Place::new(Memory(MaybeUninit::uninit()));

/// The size of the memory that each heap gets, in bytes.
#[used]
pub static MEMORY_BYTES: u32 = SIZE as u32;

macro_rules! contenders {
    ($( $name:literal $place:ident: $type:ty = $new:expr; )+) => {
        /// The names, in the order of their indices.
        #[used]
        pub static NAMES: [Name; [$( $name ),+].len()] = [$( name($name) ),+];

        /// What each takes besides the memory that it gets, in bytes.
        #[used]
        pub static STATE_BYTES: [u32; NAMES.len()] = [$( size_of::<$type>() as u32 ),+];

        $( static $place: Place<$type> = Place::new($new); )+

        fn find(index: usize) -> Option<&'static mut dyn Allocator> {
            let all: [fn() -> &'static mut dyn Allocator; NAMES.len()] = [$(
                // SAFETY: one heap is looked for in a boot, once.
                || unsafe { $place.take() }
            ),+];
            all.get(index).map(|take| take())
        }
    };
}

contenders! {
    "nothing" NOTHING: Nothing = Nothing;
    "crashrig, off" OFF: Ours<Off> = Ours::new();
    "crashrig, light" LIGHT: Ours<Light> = Ours::new();
    "crashrig, comprehensive" COMPREHENSIVE: Ours<Comprehensive> = Ours::new();
    "rlsf" RLSF: Rlsf = Rlsf::new();
    "embedded-alloc TLSF" TLSF: Tlsf = Tlsf::new();
    "embedded-alloc LLFF" LLFF: Llff = Llff::new();
    "linked_list_allocator" LINKED_LIST: LinkedList = LinkedList::new();
}

/// The bytes of a name.
pub const fn name(text: &str) -> Name {
    let mut name = [0; 32];
    let (place, _) = name.split_at_mut(text.len());
    place.copy_from_slice(text.as_bytes());
    name
}

/// A heap by the index of its name, with its memory. To be called once a boot.
pub fn start(index: u32) -> Option<&'static mut dyn Allocator> {
    let allocator = find(index as usize)?;
    let area = Area { start: MEMORY.address().expose_provenance(), size_bytes: SIZE };
    // SAFETY: the area is static, and no other heap is started in this boot.
    unsafe { allocator.start(area) };
    Some(allocator)
}
