//! Daemons of others that a job needs while it runs: on the loopback interface, in the foreground,
//! each with a log, and all with one variable by which a [`Guard`] finds them.

mod guard;

pub use self::guard::Guard;

use anyhow::{Context as _, Result};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What all daemons of one job have in their environment: a variable, and a path that those of no
/// other job have.
pub type Mark<'a> = (&'static str, &'a Path);

/// Starts a daemon in a folder, its output in a log there of that name.
///
/// # Errors
/// The log cannot be made, or the program not be started.
pub fn start(
    folder: &Path,
    program: &Path,
    options: &[&str],
    log: &str,
    (name, value): Mark<'_>,
) -> Result<Child> {
    let shown = program.file_name().unwrap_or_default().to_string_lossy();
    eprintln!("$ {shown} {} &", options.join(" "));
    let log = fs::File::create(folder.join(format!("{log}.log")))?;
    Command::new(program)
        .args(options)
        .env(name, value)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// Ends a daemon, and waits for it.
pub fn end(child: &mut Child) {
    // One that has ended already cannot be ended, and is only waited for.
    let _ = child.kill();
    let _ = child.wait();
}

/// Ports that nobody listens to at the moment.
///
/// # Errors
/// The system has none left.
pub fn free_ports<const COUNT: usize>() -> Result<[u16; COUNT]> {
    let mut ports = [0; COUNT];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        // Held until all are found, or they would be the same.
        held.push(listener);
    }
    Ok(ports)
}
