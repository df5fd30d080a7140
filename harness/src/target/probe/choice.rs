//! Which board of the bench is meant by `probe:NAME` or `probe:auto`, or everything that stands in
//! the way: what was looked for, what was found, which permission lacks, and how to mend it.

use super::permission;
use crate::boards::lock::{LockState, Locks};
use crate::boards::template::AttachedProbe;
use crate::boards::{AUTO, Bench, BenchBoard, EXAMPLE_FILE, ProbeSelector};
use crate::target::BenchError;

/// What was looked at.
pub struct Found<'a> {
    /// The bench.
    pub bench: &'a Bench,
    /// Probes that hang on this machine, or why they were not looked for.
    pub attached: Result<Vec<AttachedProbe>, String>,
    /// The state of USB on this machine.
    pub usb: Result<String, String>,
}

/// The board of a name, or any that can be used.
///
/// # Errors
/// There is none, with everything that a person needs to know of it.
pub fn choose(name: &str, found: &Found<'_>, locks: &Locks) -> Result<BenchBoard, BenchError> {
    let reasons: Vec<_> =
        found.bench.boards.iter().map(|board| (board, lack(board, &found.attached))).collect();
    let usable = reasons
        .iter()
        .filter(|(board, lack)| lack.is_none() && (name == AUTO || board.name == name));
    // A board that somebody holds can be waited for; one that nobody holds is better. One that was
    // broken when it was last used comes last.
    let is_free = |board: &BenchBoard| matches!(locks.state(&board.probe), Ok(LockState::Free));
    let rank = |board: &&BenchBoard| (locks.broken(&board.probe).is_some(), !is_free(board));
    let chosen = usable.map(|(board, _)| *board).min_by_key(rank);
    chosen.cloned().ok_or_else(|| BenchError(explain(name, found, &reasons)))
}

/// Why a board cannot be used from here.
fn lack(board: &BenchBoard, attached: &Result<Vec<AttachedProbe>, String>) -> Option<String> {
    if let Some(reason) = &board.disabled {
        return Some(format!("disabled: {reason}"));
    }
    if let Some(remote) = board.remote.as_ref().filter(|remote| !remote.is_here()) {
        let (host, name) = (&remote.host, &board.name);
        return Some(format!(
            "its probe hangs on {host}: run this there, in its checkout: \
             `ssh {host} -- cargo rig run --target probe:{name}`"
        ));
    }
    if matches!(board.probe, ProbeSelector::Virtual { .. }) {
        return attached.as_ref().err().cloned();
    }
    let probes = match attached {
        Ok(probes) => probes,
        Err(reason) => return Some(reason.clone()),
    };
    let is_it = |probe: &&AttachedProbe| {
        probe.selector.parse::<ProbeSelector>().is_ok_and(|selector| selector == board.probe)
    };
    match probes.iter().find(is_it) {
        Some(probe) if probe.is_accessible => None,
        Some(_) => Some(format!("no permission to use its probe {}", board.probe)),
        // A probe that is no USB device is in no list; opening it will tell.
        None if board.probe.is_in_no_list() => None,
        None => Some(format!("its probe {} is not attached", board.probe)),
    }
}

fn explain(name: &str, found: &Found<'_>, reasons: &[(&BenchBoard, Option<String>)]) -> String {
    let path = found.bench.path.display();
    let mut lines = vec![format!("find a board for probe:{name}")];
    if !found.bench.is_there {
        lines.push(format!("boards: {path} is not there"));
    } else if reasons.is_empty() {
        lines.push(format!("boards: {path} lists none"));
    } else if name != AUTO && found.bench.board(name).is_none() {
        let known: Vec<_> = reasons.iter().map(|(board, _)| board.name.as_str()).collect();
        lines.push(format!("boards: {path} has no {name}, but {}", known.join(", ")));
    }
    for (board, lack) in reasons.iter().filter(|(board, _)| name == AUTO || board.name == name) {
        let lack = lack.as_deref().unwrap_or("usable");
        lines.push(format!("board {} ({}): {lack}", board.name, board.probe));
    }
    let mut remedies = Vec::new();
    match &found.attached {
        Err(reason) => lines.push(format!("probes: not looked for: {reason}")),
        Ok(probes) if probes.is_empty() => {
            lines.push("probes: none of any kind that probe-rs knows is attached".to_owned());
            remedies.push("attach a debug probe; `lsusb` must show it".to_owned());
        }
        Ok(probes) => {
            for probe in probes {
                let word = if probe.is_accessible { "usable" } else { "no permission" };
                lines.push(format!("probe {} ({}): {word}", probe.selector, probe.name));
            }
            let refused = probes.iter().filter(|probe| !probe.is_accessible);
            remedies.extend(refused.map(permission::remedy));
        }
    }
    let (Ok(usb) | Err(usb)) = &found.usb;
    lines.push(format!("USB: {usb}"));
    if !found.bench.is_there || reasons.is_empty() {
        remedies.push(format!(
            "`cargo rig boards --init` writes {path} from attached probes; {EXAMPLE_FILE} shows it"
        ));
    }
    remedies.push("without hardware: `cargo rig run --target virtual:netduinoplus2`".to_owned());
    lines.extend(remedies.into_iter().map(|remedy| format!("to mend it: {remedy}")));
    lines.join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const LIST: &str = "[[board]]\nname = \"a\"\nport = \"stm32f4-discovery\"\n\
        probe = \"0483:374b:1\"\n[[board]]\nname = \"b\"\nport = \"stm32f4-discovery\"\n\
        probe = \"0483:374b:2\"\n";

    fn probe(serial: u32, is_accessible: bool) -> AttachedProbe {
        let selector = format!("0483:374b:{serial}");
        AttachedProbe { name: "STLink".to_owned(), selector, is_accessible }
    }

    fn chosen(name: &str, list: &str, probes: Vec<AttachedProbe>) -> Result<String, String> {
        let ports = crate::rig::Rig::here().all_boards().unwrap();
        let bench = Bench::parse(Path::new("boards.toml"), list, &ports).unwrap();
        let usb = Err("/dev/bus/usb is not there".to_owned());
        let found = Found { bench: &bench, attached: Ok(probes), usb };
        let locks = Locks::in_folder(Path::new("/no/such/folder"));
        choose(name, &found, &locks).map(|board| board.name).map_err(|error| error.to_string())
    }

    #[test]
    fn the_board_that_can_be_used_is_chosen() {
        assert_eq!(chosen("auto", LIST, vec![probe(2, true)]).unwrap(), "b");
        assert_eq!(chosen("a", LIST, vec![probe(1, true), probe(2, true)]).unwrap(), "a");
    }

    #[test]
    fn what_stands_in_the_way_is_said_with_its_remedy() {
        let said = chosen("auto", LIST, vec![probe(1, false)]).unwrap_err();
        for part in [
            "board a (0483:374b:1): no permission to use its probe",
            "board b (0483:374b:2): its probe 0483:374b:2 is not attached",
            "probe 0483:374b:1 (STLink): no permission",
            "USB: /dev/bus/usb is not there",
            "to mend it: put this line into /etc/udev",
            "virtual:netduinoplus2",
        ] {
            assert!(said.contains(part), "{part:?} in:\n{said}");
        }
        let said = chosen("auto", "", Vec::new()).unwrap_err();
        assert!(said.contains("boards.toml lists none") && said.contains("--init"), "{said}");
        let said = chosen("c", LIST, vec![probe(1, true)]).unwrap_err();
        assert!(said.contains("has no c, but a, b"), "{said}");
    }
}
