//! Names in a scenario against those that image and board have.

use crate::decode::assemble::{UNKNOWN_CAUSE, UNMAPPED, USER_STACK, USER_STACK_GUARD};
use crate::image::Image;
use crate::scenario::{Place, Scenario};
use crate::target::BenchError;
use crashrig_layout::parse::Board;

/// Refuses a scenario that names a function or region that neither image nor board has: it could
/// only fail, and would blame the firmware for a typing error.
///
/// # Errors
/// The names that there are.
pub fn check_names(image: &Image, board: &Board, scenario: &Scenario) -> Result<(), BenchError> {
    let areas = image.areas().iter().map(|area| area.name.to_owned());
    let regions = board.chip.regions.iter().map(|region| region.name.clone());
    let aliases = board.chip.aliases.iter().map(|alias| alias.name.clone());
    let others = [USER_STACK, USER_STACK_GUARD, UNMAPPED].map(str::to_owned);
    let known: Vec<_> = areas.chain(regions).chain(aliases).chain(others).collect();
    for crash in &scenario.crashes {
        let symbols = [&crash.address, &crash.pc].into_iter().flatten();
        for place in symbols {
            match place {
                Place::Region(name) if !known.contains(name) => {
                    return Err(BenchError(format!(
                        "accept scenario {}: crash of boot {}: found region \"{name}\", expected \
                         one of {}",
                        scenario.path.display(),
                        crash.boot,
                        known.join(", ")
                    )));
                }
                Place::Symbol(name) => known_function(image, scenario, name)?,
                Place::Region(_) | Place::Role(_) | Place::OneOf(_) => {}
            }
        }
        if let Some(name) = &crash.within {
            known_function(image, scenario, name)?;
        }
        for cause in &crash.reset_causes {
            known_flags(board, scenario, cause)?;
        }
    }
    Ok(())
}

/// All flags of a cause, the lowest bit first, as a report has them.
fn known_flags(board: &Board, scenario: &Scenario, cause: &str) -> Result<(), BenchError> {
    let flags = board.chip.reset_cause.iter().flat_map(|chip| &chip.flags);
    let known: Vec<_> = flags.map(|(name, _)| name.as_str()).collect();
    let mut rest = known.iter();
    if cause == UNKNOWN_CAUSE || cause.split('+').all(|name| rest.any(|flag| *flag == name)) {
        return Ok(());
    }
    Err(BenchError(format!(
        "accept scenario {}: found reset cause \"{cause}\", expected flags in this order, with + \
         between them: {}",
        scenario.path.display(),
        known.join(", ")
    )))
}

fn known_function(image: &Image, scenario: &Scenario, name: &str) -> Result<(), BenchError> {
    let bootloader = image.bootloader().and_then(|image| image.symbol(name));
    if image.symbol(name).or(bootloader).is_some() {
        return Ok(());
    }
    Err(BenchError(format!(
        "accept scenario {}: found function \"{name}\", expected one of the image {}",
        scenario.path.display(),
        image.origin().display()
    )))
}
