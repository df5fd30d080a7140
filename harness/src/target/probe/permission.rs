//! What stands between a user of this machine and a probe: nodes of USB devices, and the rule that
//! hands them out. Looked at as files; nothing is opened.

use crate::boards::template::AttachedProbe;
use std::path::Path;

/// Where the kernel has a node for each USB device.
const NODES: &str = "/dev/bus/usb";
/// Where it lists them.
const DEVICES: &str = "/sys/bus/usb/devices";
/// Where a rule of the machine's owner goes, by udev(7).
const RULE_FILE: &str = "/etc/udev/rules.d/69-probe.rules";

/// What USB this system has, one phrase.
///
/// # Errors
/// What it lacks, one phrase.
pub fn usb() -> Result<String, String> {
    of(Path::new(DEVICES), Path::new(NODES))
}

fn of(devices: &Path, nodes: &Path) -> Result<String, String> {
    let count = std::fs::read_dir(devices).map(Iterator::count).map_err(|error| {
        format!("{}: {error}: this system lists no USB devices", devices.display())
    })?;
    if !nodes.is_dir() {
        let (nodes, hint) = (nodes.display(), "a container must be given it");
        return Err(format!("{nodes} is not there: USB devices have no nodes; {hint}"));
    }
    Ok(format!("{count} entries in {}, nodes in {}", devices.display(), nodes.display()))
}

/// What a probe lacks to be used by this user, and how to give it: text of a udev rule for its
/// vendor and product, and where to put it.
#[must_use]
pub fn remedy(probe: &AttachedProbe) -> String {
    let mut numbers = probe.selector.split([':', '-']);
    let (vendor, product) = (numbers.next().unwrap_or("?"), numbers.next().unwrap_or("?"));
    let is_it = format!("ATTR{{idVendor}}==\"{vendor}\", ATTR{{idProduct}}==\"{product}\"");
    format!(
        "put this line into {RULE_FILE}, run `udevadm control --reload`, and plug the probe in \
         again:\n  SUBSYSTEM==\"usb\", {is_it}, MODE=\"0660\", TAG+=\"uaccess\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_usb_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let (devices, nodes) = (folder.path().join("devices"), folder.path().join("nodes"));
        assert!(of(&devices, &nodes).unwrap_err().contains("lists no USB devices"));
        std::fs::create_dir(&devices).unwrap();
        assert!(of(&devices, &nodes).unwrap_err().contains("a container must be given it"));
        std::fs::create_dir(&nodes).unwrap();
        assert!(of(&devices, &nodes).unwrap().starts_with("0 entries"));
    }

    #[test]
    fn the_rule_is_for_the_probe_that_was_found() {
        let selector = "0483:374b-1:066E".to_owned();
        let probe = AttachedProbe { name: "STLink".to_owned(), selector, is_accessible: false };
        let remedy = remedy(&probe);
        let rule = "ATTR{idVendor}==\"0483\", ATTR{idProduct}==\"374b\", MODE=\"0660\"";
        assert!(remedy.contains(rule), "{remedy}");
    }
}
