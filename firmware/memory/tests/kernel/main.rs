//! The kernel on the host, without registers and stacks.
//!
//! Behaviour tables say step by step who calls what, what comes of it and who runs then; `script`
//! plays them. No table may look inside the kernel: what is promised can be seen from outside.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at what it did not expect, in its helpers too"
)]

mod life;
mod misuse;
mod model;
mod model_calls;
mod mutex;
mod random;
mod rights;
mod script;
mod signal;
mod time;
