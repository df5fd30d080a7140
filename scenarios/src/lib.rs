//! The scenario files, and the front of the test binary that runs them.
//!
//! The data are beside this crate's `src`: `<family>/<scenario>.toml`. `control/` holds scenarios
//! that must be judged fail, each in the way it names.

#![forbid(unsafe_code)]

pub mod front;
