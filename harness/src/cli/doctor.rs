//! `crashrig doctor`: what this machine has, and what to do about what it lacks.

use super::say::say;
use crate::exit;
use crate::rig::Rig;
use crate::target::probe::{self, permission};
use crashrig_layout::parse::rust_targets;

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    result: Result<String, String>,
    remedy: &'static str,
}

pub(super) fn doctor() -> u8 {
    let rig = Rig::here();
    let findings = [
        Finding {
            what: "system",
            result: system(),
            remedy: "use Linux; nothing else is supported",
        },
        Finding { what: "rust targets", result: installed_targets(&rig), remedy: "cargo ci setup" },
        Finding {
            what: "emulator",
            result: emulator(),
            remedy: "cargo ci setup, or CRASHRIG_QEMU=PATH",
        },
        Finding { what: "observer", result: Ok(observer(&rig)), remedy: "none is needed" },
        Finding { what: "probes", result: Ok(probes(&rig)), remedy: "none is needed" },
        Finding {
            what: "boards and scenarios",
            result: rig
                .tests()
                .map(|tests| {
                    let ignored = tests.iter().filter(|test| test.ignored.is_some()).count();
                    format!("{} tests, {ignored} of them ignored here", tests.len())
                })
                .map_err(|error| error.to_string()),
            remedy: "correct the file that the message names",
        },
        Finding {
            what: "image",
            result: rig
                .image(crate::rig::DEFAULT_BOARD, &[])
                .map(|path| path.display().to_string())
                .map_err(|error| error.to_string()),
            remedy: "cargo ci setup",
        },
    ];
    let mut sound = true;
    for finding in findings {
        match finding.result {
            Ok(text) => say!("ok    {}: {text}", finding.what),
            Err(text) => {
                sound = false;
                say!("LACK  {}: {text}\n      remedy: {}", finding.what, finding.remedy);
            }
        }
    }
    if sound { exit::PASS } else { exit::INFRASTRUCTURE }
}

fn system() -> Result<String, String> {
    let name = std::env::consts::OS;
    if name == "linux" { Ok(name.to_owned()) } else { Err(format!("this is {name}")) }
}

fn installed_targets(rig: &Rig) -> Result<String, String> {
    let boards = rig.all_boards().map_err(|error| error.to_string())?;
    let names: Vec<_> = rust_targets(&boards).into_iter().map(|(name, _)| name).collect();
    for name in &names {
        let output = duct::cmd!("rustc", "--print", "target-libdir", "--target", name)
            .stdout_capture()
            .stderr_capture()
            .unchecked()
            .run()
            .map_err(|error| error.to_string())?;
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() || !std::path::Path::new(&folder).is_dir() {
            return Err(format!("{name} is not installed"));
        }
    }
    Ok(names.join(", "))
}

/// The plug-in that QEMU loads for scenarios of lockups, and for exact counts.
/// It is optional.
fn observer(rig: &Rig) -> String {
    let source = match rig.observer() {
        Ok(source) => source,
        Err(error) => return format!("none ({error})"),
    };
    let found = source.file().map(|file| file.display().to_string());
    found.unwrap_or_else(|reason| format!("none ({reason}); what needs it is ignored"))
}

/// The probes that hang on this machine, and the boards of its bench. They are optional.
fn probes(rig: &Rig) -> String {
    let bench = match rig.bench() {
        Ok(bench) => format!("{} boards in {}", bench.boards.len(), bench.path.display()),
        Err(error) => format!("no boards: failed to {error}"),
    };
    let usb = permission::usb().map_or_else(|reason| format!(" ({reason})"), |_| String::new());
    let found = match probe::attached() {
        Err(reason) => return format!("not looked for: {reason}; {bench}"),
        Ok(found) => found,
    };
    let refused: Vec<_> = found.iter().filter(|probe| !probe.is_accessible).collect();
    let mut text = format!("{} attached{usb}, {} without permission", found.len(), refused.len());
    text.push_str(&format!("; {bench}"));
    refused.iter().for_each(|it| text.push_str(&format!("\n      {}", permission::remedy(it))));
    text
}

fn emulator() -> Result<String, String> {
    let program = crashrig_qemu::discover::find().map_err(|error| error.to_string())?;
    Ok(format!("QEMU {} at {}", program.version, program.path.display()))
}
