//! Who changed a word of the heap, where the host saw it.

use super::line;
use crate::report::CrashReport;

/// Nothing unless it was a bus master.
pub(super) fn changed_by(out: &mut String, crash: &CrashReport) {
    if let Some(write) = &crash.changed_by {
        line(
            out,
            format_args!(
                "  blame   changed by a bus master: stream {} of DMA wrote {:#010x}..{:#010x}, \
                 and the core did not write there since",
                write.stream_name(),
                write.start,
                write.end
            ),
        );
    }
}
