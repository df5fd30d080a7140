//! Checks of a fault that breaks nothing: counted, so that a scenario asks for all of them.

/// Counts checks, and says which one did not hold.
pub struct Checks {
    held: u32,
    all: u32,
}

impl Checks {
    /// None so far.
    pub const fn new() -> Self {
        Self { held: 0, all: 0 }
    }

    /// One more.
    pub fn check(&mut self, what: &str, holds: bool) {
        self.all += 1;
        self.held += u32::from(holds);
        if !holds {
            defmt::error!("{=str} does not hold", what);
        }
    }

    /// Says so if all of them held.
    pub fn say(&self) {
        if self.held == self.all {
            defmt::info!("all {=u32} checks held", self.all);
        }
    }
}
