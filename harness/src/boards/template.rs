//! What `cargo rig boards --init` writes: one entry for each attached probe, what it cannot know
//! left to a person.

use super::{BenchBoard, EXAMPLE_FILE, ProbeSelector};
use crashrig_layout::parse::Board;

/// A probe that hangs on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedProbe {
    /// What it calls itself.
    pub name: String,
    /// Its selector, as probe-rs takes it. One without a serial cannot be told from another.
    pub selector: String,
    /// Whether this user may use it.
    pub is_accessible: bool,
}

/// The text of a list of boards. Boards that are listed already are left out.
#[must_use]
pub fn text(attached: &[AttachedProbe], known: &[BenchBoard], ports: &[Board]) -> String {
    let names: Vec<_> =
        ports.iter().filter(|it| it.emulator().is_none()).map(|it| it.name.as_str()).collect();
    let guess = names.first().copied().unwrap_or("netduinoplus2");
    let mut text = format!(
        "# The boards of this bench, written by `cargo rig boards --init`. {EXAMPLE_FILE} shows \
         every key.\n"
    );
    if attached.is_empty() {
        text.push_str("# No probe was attached when this was written.\n");
    }
    for (index, probe) in attached.iter().enumerate() {
        let selector: Option<ProbeSelector> = probe.selector.parse().ok();
        if known.iter().any(|board| Some(&board.probe) == selector.as_ref()) {
            continue;
        }
        let comment = probe.name.replace(['\n', '\r'], " ");
        text.push_str(&format!("\n# {comment}\n"));
        if selector.is_none() {
            let found = &probe.selector;
            text.push_str(&format!("# It has no serial, so nothing can select it: {found}\n"));
            continue;
        }
        if !probe.is_accessible {
            text.push_str("# This user has no permission to use it: `cargo rig doctor`.\n");
        }
        let name = format!("board-{}", index + 1);
        let selector = toml::Value::String(probe.selector.clone());
        text.push_str(&format!("[[board]]\nname = \"{name}\"\n"));
        text.push_str(&format!("port = \"{guess}\" # one of {}\n", names.join(", ")));
        text.push_str(&format!("probe = {selector}\n"));
        text.push_str("disabled = \"the port is a guess: correct it, then remove this line\"\n");
    }
    text
}
