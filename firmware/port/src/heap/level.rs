//! How much the heap of this device checks: features of this crate choose a level of the heap.
//!
//! | feature | level |
//! |---|---|
//! | none | [`Light`](crashrig_memory::heap::Light) |
//! | `heap-off` | [`Off`](crashrig_memory::heap::Off) |
//! | `heap-comprehensive` | [`Comprehensive`](crashrig_memory::heap::Comprehensive) |
//! | `heap-tracking` | [`Tracked`](crashrig_memory::heap::Tracked), on top of any of these |
//!
//! Cargo unites the features that all crates of an image ask for, so no two of them exclude each
//! other: of `heap-off` and `heap-comprehensive` the one that checks more wins. The mutant
//! `without-heap-check` believes what it reads, whatever else is asked for.

use crashrig_memory::heap;

#[cfg(all(feature = "heap-comprehensive", not(feature = "without-heap-check")))]
type Checks = heap::Comprehensive;
#[cfg(any(
    all(feature = "heap-off", not(feature = "heap-comprehensive")),
    feature = "without-heap-check",
))]
type Checks = heap::Off;
#[cfg(not(any(
    feature = "heap-off",
    feature = "heap-comprehensive",
    feature = "without-heap-check",
)))]
type Checks = heap::Light;

/// How much the heap checks.
#[cfg(not(feature = "heap-tracking"))]
pub type HeapLevel = Checks;
/// How much the heap checks, and that blocks know who asked for them.
#[cfg(feature = "heap-tracking")]
pub type HeapLevel = heap::Tracked<Checks>;
