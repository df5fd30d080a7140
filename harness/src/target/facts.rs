//! What a running emulator says of itself: its memory, and how it was started.

use crate::agree::Range;
use crashrig_qemu::Launch;
use crashrig_qemu::mtree::{MappedRange, RangeKind};
use std::path::Path;

/// Memory as the core sees it.
pub(super) fn running_map(map: &[MappedRange]) -> Vec<Range> {
    map.iter()
        .filter(|range| matches!(range.kind, RangeKind::Ram | RangeKind::Rom))
        .map(|range| Range {
            start: u64::from(range.start),
            end: u64::from(range.start) + range.size_bytes,
            writable: range.kind == RangeKind::Ram,
            name: range.name.clone(),
        })
        .collect()
}

/// The command line, but for the folder of the sockets.
pub(super) fn command_line(launch: &Launch) -> Vec<String> {
    let sockets = crashrig_qemu::command::Sockets::new(Path::new("SOCKETS"));
    let files = crashrig_qemu::OutputFiles::new(Path::new(""));
    let options = crashrig_qemu::command::options(launch, &sockets, &files);
    std::iter::once(launch.program.path.as_os_str().to_owned())
        .chain(options)
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}
