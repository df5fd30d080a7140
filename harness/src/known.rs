//! Names in a scenario against those that image and board have.

use crate::decode::assemble::{UNKNOWN_CAUSE, UNMAPPED, USER_STACK, USER_STACK_GUARD};
use crate::image::Image;
use crate::scenario::{Place, Scenario};
use crashrig_layout::parse::Board;
use std::path::PathBuf;

/// Why a scenario cannot be meant: a name in it that nothing has.
#[derive(Debug, thiserror::Error)]
#[error("accept scenario {scenario}: {key}: found \"{found}\", expected {expected}")]
pub struct NameError {
    /// The file.
    pub scenario: PathBuf,
    /// The key.
    pub key: String,
    /// What it says.
    pub found: String,
    /// What it could say.
    pub expected: String,
}

/// Refuses a scenario that names a function or region that neither image nor board has: it could
/// only fail, and would blame the firmware for a typing error.
///
/// # Errors
/// The names that there are.
pub fn check_names(image: &Image, board: &Board, scenario: &Scenario) -> Result<(), NameError> {
    let areas = image.areas().iter().map(|area| area.name.to_owned());
    let regions = board.chip.regions.iter().map(|region| region.name.clone());
    let aliases = board.chip.aliases.iter().map(|alias| alias.name.clone());
    let others = [USER_STACK, USER_STACK_GUARD, UNMAPPED].map(str::to_owned);
    let known: Vec<_> = areas.chain(regions).chain(aliases).chain(others).collect();
    for (index, crash) in scenario.crashes.iter().enumerate() {
        let error = |key: &str, found: &str, expected: String| NameError {
            scenario: scenario.path.clone(),
            key: format!("crash[{}].{key}", index + 1),
            found: found.to_owned(),
            expected,
        };
        for (key, place) in [("address", &crash.address), ("pc", &crash.pc)] {
            match place {
                Some(Place::Region(name)) if !known.contains(name) => {
                    let expected = format!("one of {}", known.join(", "));
                    return Err(error(&format!("{key}.region"), name, expected));
                }
                Some(Place::Symbol(name)) if !is_symbol(image, name) => {
                    return Err(error(&format!("{key}.symbol"), name, symbols_of(image)));
                }
                _ => {}
            }
        }
        if let Some(name) = crash.within.as_ref().filter(|name| !is_symbol(image, name)) {
            return Err(error("within", name, symbols_of(image)));
        }
        for cause in &crash.reset_causes {
            check_flags(board, cause).map_err(|known| error("reset-causes", cause, known))?;
        }
    }
    Ok(())
}

/// All flags of a cause, the lowest bit first, as a report has them; or what there is.
fn check_flags(board: &Board, cause: &str) -> Result<(), String> {
    let flags = board.chip.reset_cause.iter().flat_map(|chip| &chip.flags);
    let known: Vec<_> = flags.map(|(name, _)| name.as_str()).collect();
    let mut rest = known.iter();
    if cause == UNKNOWN_CAUSE || cause.split('+').all(|name| rest.any(|flag| *flag == name)) {
        return Ok(());
    }
    Err(format!("flags in this order, with + between them: {}", known.join(", ")))
}

fn is_symbol(image: &Image, name: &str) -> bool {
    image.symbol(name).or_else(|| image.bootloader()?.symbol(name)).is_some()
}

fn symbols_of(image: &Image) -> String {
    format!("a function by its whole path, of the image {}", image.origin().display())
}
