//! The pipeline: scenario → target → evidence → report → verdict → output, one way.
//!
//! * [`scenario`]: what is broken and what must notice, from files.
//! * [`suite`], [`rig`]: which tests there are on this machine.
//! * [`boards`]: the boards of its bench.
//! * [`target`]: the only stage that talks to a device; [`run`] drives one scenario on it, and
//!   [`entry`] reads the core where a capture begins.
//! * [`evidence`]: the raw bytes a run leaves, in a folder that can be judged again.
//! * [`image`], [`decode`]: evidence and an ELF make a [`report`]. Pure.
//! * [`judge`]: expectation and report make a [`verdict`]. Pure.
//! * [`output`]: verdict and report as text and JSON. Pure.
//! * [`steps`]: one boot in steps, for figures: [`blast`], how much an overflow destroys before it
//!   is noticed, and [`cost`], what the memory model takes in instructions. [`heaps`]: what
//!   requests cost in heaps of ours and of others.
//! * [`script`]: a heap of the device, asked step by step while it runs, and its answers judged.
//! * [`sweep`]: the same fault at every point of a run.
//! * [`execute`]: one test through all of it. [`cli`]: the command line.
//!
//! This crate knows a device by ELF bytes, `wire` and `layout` only.

#![forbid(unsafe_code)]

pub mod agree;
pub mod application;
pub mod blast;
pub mod boards;
pub mod capabilities;
pub mod cli;
pub mod cost;
pub mod decode;
pub mod entry;
pub mod evidence;
pub mod execute;
pub mod exit;
pub mod firmware;
pub mod heaps;
pub mod image;
pub mod judge;
pub mod known;
pub mod noise;
pub mod output;
pub mod product;
pub mod report;
pub mod rig;
pub mod run;
pub mod scenario;
pub mod script;
pub mod steps;
pub mod suite;
pub mod sweep;
pub mod target;
pub mod verdict;
