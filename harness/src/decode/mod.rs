//! Evidence and an image in, a report out. Pure, and total on whatever a target may have written.
//!
//! [`assemble`] joins the others: [`records`] (crash region), [`sections`] (tier 2 of a record),
//! [`backup`] (tiers 0 and 3), [`blame`] (who wrote a word),
//! [`backtrace`] and [`symbols`] (where
//! it was), [`fault_text`] (what the registers mean), [`log`] (defmt frames), [`oracle`] (what the
//! emulator itself saw), [`witness`] and [`entry`] (whether a record agrees with it, and with what
//! the host read), [`twin`] and [`beside`] (whether two runs agree).

pub mod assemble;
pub mod backtrace;
pub mod backup;
pub mod beside;
pub mod blame;
pub mod entry;
pub mod fault_text;
pub mod log;
pub mod oracle;
pub mod records;
pub mod sections;
pub mod symbols;
mod timing;
pub mod twin;
pub mod witness;
