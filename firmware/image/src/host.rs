//! What the host and this image share: the mailbox it reads, the end marker it writes.

use crate::observe;
use crashrig_memory::retain::BootFindings;
use crashrig_port::host_block::HostBlock;
use crashrig_port::{clock, fault, platform};
use crashrig_wire::command::MAILBOX_LENGTH;
use crashrig_wire::marker::MARKER_LENGTH;
use crashrig_wire::{EndMarker, Fault, Mailbox};

#[expect(unsafe_code, reason = "the host finds the block by its symbol; no-init survives a reset")]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".noinit.mailbox")]
static CRASHRIG_MAILBOX: HostBlock<{ MAILBOX_LENGTH / 4 }> = HostBlock::new();

#[expect(unsafe_code, reason = "the host finds the block by its symbol; no-init survives a reset")]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".noinit.marker")]
static CRASHRIG_END_MARKER: HostBlock<{ MARKER_LENGTH / 4 }> = HostBlock::new();

/// The command in the mailbox, if a host left a sound one.
pub fn command() -> Option<Mailbox> {
    let mut bytes = [0; MAILBOX_LENGTH];
    CRASHRIG_MAILBOX.read(&mut bytes);
    Mailbox::read(&bytes)
}

/// Waits, if the command says so, for one that does not. The mailbox is empty afterwards: a command
/// is for one boot.
pub fn settled(mut current: Option<Mailbox>) -> Option<Mailbox> {
    if current.is_some_and(|command| command.fault == Fault::Await) {
        defmt::info!("waiting for a command");
    }
    while current.is_some_and(|command| command.fault == Fault::Await) {
        // A mailbox that the host is just writing does not read; the one before stays in force.
        let ticket = current.map_or(0, |command| command.ticket);
        if let Some(next) = command().filter(|next| next.ticket > ticket) {
            current = Some(next);
        }
    }
    CRASHRIG_MAILBOX.write(&[0; MAILBOX_LENGTH]);
    current
}

/// Takes away the marker of the boot before, so that it can never pass for this one's.
pub fn clear_marker() {
    CRASHRIG_END_MARKER.write(&[0; MARKER_LENGTH]);
}

/// Ends the boot: the marker, then a reset.
pub fn end(findings: &BootFindings, run_id: u32) -> ! {
    let marker = EndMarker {
        run_id,
        boot: findings.boot,
        build_id: platform::build_id(),
        observed: observe::observed(),
        first: findings.first,
        last: findings.last,
        ticks: clock::uptime_ms(),
    };
    CRASHRIG_END_MARKER.write(&marker.to_bytes());
    fault::end_boot()
}
