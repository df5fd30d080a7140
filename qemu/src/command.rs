//! What is asked of one QEMU, and the command line that says it.
//!
//! Pure: nothing is started or looked up here. The options were measured on 7.2 and 10.0; the ones
//! that carry the design:
//! * `-action reboot=shutdown,shutdown=pause` stops the guest at its own reset with RAM intact;
//! * `-qmp` and `-qtest` connect to sockets of ours, so that nobody polls for a file to appear;
//! * `-gdb` only listens: it costs nothing until a breakpoint is wanted;
//! * `-icount shift=N,sleep=off` gives target time and counts instructions, and without it two runs
//!   of the same image differ.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::discover::Program;
use crate::guest_ram::RamRange;
use crate::keeper::KeeperProgram;
use crate::output::OutputFiles;

/// The variable that tells QEMU where its modules are.
pub const MODULE_VARIABLE: &str = "QEMU_MODULE_DIR";

/// The default of [`Launch::instruction_shift`]: one instruction takes 2^5 ns of target time.
pub const DEFAULT_INSTRUCTION_SHIFT: u8 = 5;

/// Everything that is decided before a QEMU is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The QEMU to start.
    pub program: Program,
    /// The machine: `netduinoplus2`, ...
    pub machine: String,
    /// The image for `-kernel`: an ELF file, or a flat binary that is put at address 0.
    pub image: Option<PathBuf>,
    /// Flat files that stand in memory besides the image, before and after each reset.
    pub loaded: Vec<Loaded>,
    /// The folder that receives the output of QEMU; it must exist. See [`crate::OutputFiles`].
    pub output_folder: PathBuf,
    /// Target time of one instruction as a power of two in nanoseconds, 0 to 10. `None` lets target
    /// time follow the host: not repeatable, and instructions are not counted.
    pub instruction_shift: Option<u8>,
    /// Semihosting arguments; `None` switches semihosting off.
    pub semihosting: Option<Vec<String>>,
    /// The processor of the host on which QEMU must stay. Needed for runs that repeat exactly on
    /// QEMU 10.0; it also saves wake-ups.
    pub host_processor: Option<usize>,
    /// The program that keeps QEMU.
    pub keeper: KeeperProgram,
    /// Longest wait for the first sign of life of QEMU, in milliseconds.
    pub start_deadline_ms: u64,
    /// The plug-in to load, the file that cargo makes of `qemu/plugin`. See [`crate::observer`].
    pub observer: Option<PathBuf>,
    /// Whether the guest is to be steered from inside ([`crate::steer`]). Needs `observer`.
    pub steered: bool,
    /// The RAM that is wanted at a lockup. Without `observer` this has no effect.
    pub ram: Vec<RamRange>,
    /// Files for what the serial ports of the machine send, from its first one on; others are
    /// connected to nothing.
    pub serial_ports: Vec<PathBuf>,
    /// Whether states of the guest can be saved and restored ([`Emulator::save`]).
    ///
    /// [`Emulator::save`]: crate::Emulator::save
    pub snapshots: bool,
    /// Whether QEMU logs exceptions and accesses to what it does not model. A guest that is
    /// restored without end would fill the disk with it.
    pub log: bool,
    /// Options for what this crate does not know: devices, CPU properties.
    pub more_options: Vec<OsString>,
}

/// A flat file that is put into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The file.
    pub path: PathBuf,
    /// Where its first byte goes.
    pub address: u32,
}

impl Launch {
    /// A launch with the defaults: no image, counted instructions, semihosting on without
    /// arguments, this program as keeper, 20 s to start.
    #[must_use]
    pub fn new(program: Program, machine: &str, output_folder: &Path) -> Self {
        Self {
            program,
            machine: machine.to_owned(),
            image: None,
            loaded: Vec::new(),
            output_folder: output_folder.to_path_buf(),
            instruction_shift: Some(DEFAULT_INSTRUCTION_SHIFT),
            semihosting: Some(Vec::new()),
            host_processor: None,
            keeper: KeeperProgram::default(),
            start_deadline_ms: 20_000,
            observer: None,
            steered: false,
            ram: Vec::new(),
            serial_ports: Vec::new(),
            snapshots: false,
            log: true,
            more_options: Vec::new(),
        }
    }
}

/// The sockets of one QEMU, and the disk for its snapshots, which goes with them.
#[derive(Debug, Clone)]
pub struct Sockets {
    /// Listened on by us.
    pub qmp: PathBuf,
    /// Listened on by us.
    pub qtest: PathBuf,
    /// Listened on by us, when there is an observer.
    pub observer: PathBuf,
    /// Listened on by us, when the guest is steered from inside.
    pub steering: Option<PathBuf>,
    /// Listened on by QEMU.
    pub gdb: PathBuf,
    /// A file of ours, where there are snapshots: see [`crate::snapshot`].
    pub snapshots: PathBuf,
}

impl Sockets {
    /// The sockets in a folder, whose path must be short: the system allows 107 bytes in all.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let [qmp, qtest, observer, gdb, snapshots] =
            ["qmp", "qtest", "observer", "gdb", "snapshots"].map(|name| folder.join(name));
        Self { qmp, qtest, observer, steering: None, gdb, snapshots }
    }

    /// Those that a launch needs.
    pub(crate) fn of(launch: &Launch, folder: &Path) -> Self {
        let steering = launch.steered.then(|| folder.join(crate::steer::SOCKET));
        Self { steering, ..Self::new(folder) }
    }
}

/// Without a word about serial ports QEMU takes the first one to its own console.
fn serial_ports(launch: &Launch) -> Vec<OsString> {
    if launch.serial_ports.is_empty() {
        return ["-serial", "null"].map(OsString::from).into();
    }
    let files = launch.serial_ports.iter().map(|path| option_with_path("file:", path, ""));
    files.flat_map(|file| ["-serial".into(), file]).collect()
}

/// The options of a launch, without the program itself.
#[must_use]
pub fn options(launch: &Launch, sockets: &Sockets, files: &OutputFiles) -> Vec<OsString> {
    let mut options: Vec<OsString> = Vec::new();
    if let Some(share) = &launch.program.share {
        options.extend(["-L".into(), share.into()]);
    }
    options.extend(["-M".into(), (&launch.machine).into()]);
    options.extend(["-nodefaults", "-display", "none"].map(OsString::from));
    options.extend(serial_ports(launch));
    options.push("-S".into());
    options.extend(["-action".into(), "reboot=shutdown,shutdown=pause".into()]);
    options.extend(["-qmp".into(), option_with_path("unix:", &sockets.qmp, "")]);
    options.extend(["-qtest".into(), option_with_path("unix:", &sockets.qtest, "")]);
    options.extend(["-qtest-log", "none", "-accel", "tcg"].map(OsString::from));
    options.extend(["-gdb".into(), option_with_path("unix:", &sockets.gdb, ",server=on,wait=off")]);
    if let Some(shift) = launch.instruction_shift {
        options.extend(["-icount".into(), format!("shift={shift},sleep=off").into()]);
    }
    if launch.log {
        options.extend(["-d", "int,guest_errors,unimp", "-D"].map(OsString::from));
        options.push((&files.log).into());
    }
    if launch.snapshots {
        let disk = "if=none,format=qcow2,cache=unsafe,file=";
        options.extend(["-drive".into(), option_with_path(disk, &sockets.snapshots, "")]);
    }
    if let Some(arguments) = &launch.semihosting {
        options.extend([
            "-chardev".into(),
            option_with_path("file,id=console,path=", &files.console, ""),
        ]);
        let mut value = "enable=on,target=native,chardev=console".to_owned();
        for argument in arguments {
            value.push_str(",arg=");
            value.push_str(&argument.replace(',', ",,"));
        }
        options.extend(["-semihosting-config".into(), value.into()]);
    }
    if let Some(image) = &launch.image {
        options.extend(["-kernel".into(), image.into()]);
    }
    for loaded in &launch.loaded {
        let place = format!(",addr={:#x},force-raw=on", loaded.address);
        options.extend(["-device".into(), option_with_path("loader,file=", &loaded.path, &place)]);
    }
    if let Some(observer) = &launch.observer {
        let value = option_with_path("", observer, "");
        let socket = option_with_path(",socket=", &sockets.observer, "");
        let steering = sockets.steering.as_ref();
        let steering = steering.map(|path| option_with_path(",steering=", path, ""));
        let values = [value, socket].into_iter().chain(steering);
        options.extend(["-plugin".into(), values.collect()]);
    }
    options.extend(launch.more_options.iter().cloned());
    options
}

/// A path between other parts of an option's value; a comma in it is written twice.
fn option_with_path(before: &str, path: &Path, after: &str) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = before.as_bytes().to_vec();
    for byte in path.as_os_str().as_bytes() {
        bytes.push(*byte);
        if *byte == b',' {
            bytes.push(b',');
        }
    }
    bytes.extend_from_slice(after.as_bytes());
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::Version;

    /// The options of a launch changed by `change`, as one line.
    fn check(change: impl Fn(&mut Launch), expected: &str) {
        let program = Program {
            path: "/usr/bin/qemu-system-arm".into(),
            version: Version { major: 7, minor: 2, patch: 22 },
            share: None,
            modules: None,
        };
        let mut launch = Launch::new(program, "netduinoplus2", Path::new("/out"));
        change(&mut launch);
        let found = options(
            &launch,
            &Sockets::of(&launch, Path::new("/s")),
            &OutputFiles::new(Path::new("/out")),
        );
        let words: Vec<_> = found.iter().map(|option| option.to_string_lossy()).collect();
        assert_eq!(words.join(" "), expected);
    }

    const HEAD: &str = "-M netduinoplus2 -nodefaults -display none -serial null -S \
        -action reboot=shutdown,shutdown=pause -qmp unix:/s/qmp -qtest unix:/s/qtest \
        -qtest-log none -accel tcg -gdb unix:/s/gdb,server=on,wait=off";
    const COUNTED: &str = " -icount shift=5,sleep=off";
    const LOG: &str = " -d int,guest_errors,unimp -D /out/qemu.log";
    const SEMIHOSTING: &str = " -chardev file,id=console,path=/out/qemu.console \
        -semihosting-config enable=on,target=native,chardev=console";

    #[test]
    fn the_command_line_says_what_the_launch_says() {
        check(|_| (), &format!("{HEAD}{COUNTED}{LOG}{SEMIHOSTING}"));
        check(
            |launch| launch.image = Some("/out/image.elf".into()),
            &format!("{HEAD}{COUNTED}{LOG}{SEMIHOSTING} -kernel /out/image.elf"),
        );
        check(
            |launch| {
                let address = 0x0800_8000;
                launch.loaded.push(Loaded { path: "/out/a.bin".into(), address });
            },
            &format!(
                "{HEAD}{COUNTED}{LOG}{SEMIHOSTING} \
                 -device loader,file=/out/a.bin,addr=0x8008000,force-raw=on"
            ),
        );
        check(|launch| launch.semihosting = None, &format!("{HEAD}{COUNTED}{LOG}"));
        check(
            |launch| launch.semihosting = Some(vec!["a,b".into(), "c".into()]),
            &format!("{HEAD}{COUNTED}{LOG}{SEMIHOSTING},arg=a,,b,arg=c"),
        );
        check(|launch| launch.instruction_shift = None, &format!("{HEAD}{LOG}{SEMIHOSTING}"));
        check(
            |launch| launch.more_options = vec!["-global".into(), "x.y=0".into()],
            &format!("{HEAD}{COUNTED}{LOG}{SEMIHOSTING} -global x.y=0"),
        );
        check(
            |launch| launch.serial_ports = vec!["/out/a".into(), "/out/b".into()],
            &format!("{HEAD}{COUNTED}{LOG}{SEMIHOSTING}")
                .replace("-serial null", "-serial file:/out/a -serial file:/out/b"),
        );
        check(
            |launch| launch.observer = Some("/o/a,b.so".into()),
            &format!("{HEAD}{COUNTED}{LOG}{SEMIHOSTING} -plugin /o/a,,b.so,socket=/s/observer"),
        );
        check(
            |launch| {
                launch.observer = Some("/o/a.so".into());
                launch.steered = true;
            },
            &format!(
                "{HEAD}{COUNTED}{LOG}{SEMIHOSTING} \
                 -plugin /o/a.so,socket=/s/observer,steering=/s/steering"
            ),
        );
        check(
            |launch| launch.snapshots = true,
            &format!(
                "{HEAD}{COUNTED}{LOG} -drive \
                 if=none,format=qcow2,cache=unsafe,file=/s/snapshots{SEMIHOSTING}"
            ),
        );
        check(|launch| launch.log = false, &format!("{HEAD}{COUNTED}{SEMIHOSTING}"));
        check(
            |launch| launch.program.share = Some("/q/usr/share/qemu".into()),
            &format!("-L /q/usr/share/qemu {HEAD}{COUNTED}{LOG}{SEMIHOSTING}"),
        );
    }

    #[test]
    fn a_comma_in_a_path_is_written_twice() {
        assert_eq!(
            option_with_path("unix:", Path::new("/a,b"), ",server=on"),
            "unix:/a,,b,server=on"
        );
    }
}
