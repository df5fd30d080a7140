//! Which Linux distribution this is, how its own emulator is installed there, and what a job of
//! its own needs of Debian.

use crate::step::Step;
use anyhow::{Context as _, Result, ensure};

/// What `os-release` says of a distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Its name in lower case, e.g. `debian`.
    pub id: String,
    /// What it is derived from, nearest first.
    pub like: Vec<String>,
    /// Its version, e.g. `12`; empty where there is none.
    pub version: String,
    /// The code name of the version, e.g. `bookworm`; empty where there is none.
    pub codename: String,
}

impl Distribution {
    /// Reads the machine's own.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of_this_machine() -> Result<Self> {
        let place = "/etc/os-release";
        let text =
            std::fs::read_to_string(place).with_context(|| format!("cannot read {place}"))?;
        Ok(Self::read(&text))
    }

    /// Reads the text of an `os-release` file; unknown lines are passed over.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut distribution = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.trim().split_once('=')) {
            let value = value.trim_matches(['"', '\'']).to_owned();
            match key {
                "ID" => distribution.id = value,
                "ID_LIKE" => {
                    distribution.like = value.split_whitespace().map(str::to_owned).collect();
                }
                "VERSION_ID" => distribution.version = value,
                "VERSION_CODENAME" => distribution.codename = value,
                _ => {}
            }
        }
        distribution
    }

    /// Whether the distribution's own emulator is too old and a newer one stands in its backports.
    #[must_use]
    pub fn needs_backports(&self) -> bool {
        self.id == "debian" && self.version == "12"
    }

    /// The commands that install the distribution's own emulator, to be run as root; nothing if it
    /// is a distribution we do not know.
    #[must_use]
    pub fn install_commands(&self) -> Option<&'static [&'static [&'static str]]> {
        let names = std::iter::once(&self.id).chain(&self.like);
        names
            .filter_map(|name| INSTALLERS.iter().find(|(known, _)| known == name))
            .map(|(_, commands)| *commands)
            .next()
    }
}

/// Installs packages of Debian, or of what is derived from it, as root. No daemon of theirs is
/// started.
///
/// # Errors
/// This is another distribution, or they cannot be installed.
pub fn install_from_debian(packages: &[&str]) -> Result<()> {
    let distribution = Distribution::of_this_machine()?;
    let is_debian =
        distribution.id == "debian" || distribution.like.iter().any(|it| it == "debian");
    let names = packages.join(" ");
    ensure!(is_debian, "{names} would be installed from Debian; found {}", distribution.id);
    Step::new("apt-get").arg("update").run()?;
    let install = ["install", "--yes", "--no-install-recommends"];
    // Run level 1 is one in which packages start no daemon.
    Step::new("apt-get").args(install).args(packages).env("RUNLEVEL", "1").run()
}

type Commands = &'static [&'static [&'static str]];

const APT: Commands = &[
    &["apt-get", "update"],
    &["apt-get", "install", "--yes", "--no-install-recommends", "qemu-system-arm"],
];

const INSTALLERS: &[(&str, Commands)] = &[
    ("debian", APT),
    ("ubuntu", APT),
    ("fedora", &[&["dnf", "install", "--assumeyes", "qemu-system-arm"]]),
    ("arch", &[&["pacman", "-S", "--needed", "--noconfirm", "qemu-system-arm"]]),
    ("alpine", &[&["apk", "add", "qemu-system-arm"]]),
    ("suse", &[&["zypper", "--non-interactive", "install", "qemu-arm"]]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, backports: bool, installer: Option<&str>) {
        let distribution = Distribution::read(text);
        assert_eq!(distribution.needs_backports(), backports, "{distribution:?}");
        let found = distribution.install_commands().map(|commands| commands[0][0]);
        assert_eq!(found, installer, "{distribution:?}");
    }

    #[test]
    fn a_distribution_is_known_by_its_own_name_or_its_parents() {
        let bookworm = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";
        check(bookworm, true, Some("apt-get"));
        check("ID=debian\nVERSION_ID=\"13\"\n", false, Some("apt-get"));
        check("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", false, Some("apt-get"));
        check("ID=\"rhel\"\nID_LIKE=\"fedora\"\n", false, Some("dnf"));
        check("ID=nixos\n", false, None);
        check("nonsense", false, None);
        assert_eq!(Distribution::read(bookworm).codename, "bookworm");
    }
}
