//! Renderers of reports and verdicts: text for people, JSON for machines. Pure.

pub mod json;
pub mod text;
