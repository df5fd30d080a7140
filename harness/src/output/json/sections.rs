//! The sections of a record for machines. Addresses and words of registers are text in hexadecimal.

use crate::decode::sections::Sections;
use crashrig_wire::section::{Allocation, Section, ThreadRow, TransferRow};
use serde_json::{Value, json};

/// Everything that stands behind a record.
pub(super) fn sections(found: &Sections) -> Value {
    let names = |list: &[Section]| list.iter().map(|it| it.name()).collect::<Vec<_>>();
    let heaps = found.heaps.iter().map(|heap| {
        json!({
            "start": hex(heap.start),
            "total_bytes": heap.total,
            "free_bytes": heap.free,
            "minimum_free_bytes": heap.minimum_free,
            "largest_free_bytes": heap.largest_free,
            "failed_allocations": heap.failed,
        })
    });
    let neighbours = found.neighbours.iter().map(|row| {
        json!({
            "area": row.owner.map(|owner| owner.area.name()),
            "thread": row.owner.map(|owner| owner.thread.context().name()),
            "start": hex(row.start),
            "end": hex(row.end),
        })
    });
    let errors = found.errors.iter().map(|error| {
        json!({
            "status": hex(error.status.0),
            "status_words": error.status.words().to_string(),
            "address": hex(error.address),
            "value": error.value,
            "line": error.line,
        })
    });
    json!({
        "sound": names(&found.sound),
        "cut_short": names(&found.cut_short),
        "damaged": found.damaged,
        "threads": found.threads.iter().map(thread).collect::<Vec<_>>(),
        "neighbours": neighbours.collect::<Vec<_>>(),
        "heaps": heaps.collect::<Vec<_>>(),
        "broken_block": found.broken_block.map(|broken| json!({
            "address": hex(broken.address),
            "expected": hex(broken.expected),
            "found": hex(broken.found),
        })),
        "allocations": found.allocations.iter().map(allocation).collect::<Vec<_>>(),
        "failed_allocation": found.failed_allocation.map(|failed| json!({
            "size": failed.size,
            "capabilities": crate::capabilities::names(failed.capabilities),
            "caller": hex(failed.caller),
            "largest_free": failed.largest_free,
        })),
        "transfers": found.transfers.iter().map(transfer).collect::<Vec<_>>(),
        "errors": errors.collect::<Vec<_>>(),
        "protection": found.protection.as_ref().map(|(control, regions)| json!({
            "control": hex(*control),
            "regions": regions.iter().map(|region| [hex(region.base), hex(region.attributes)])
                .collect::<Vec<_>>(),
        })),
        "interrupts": found.interrupts.map(|it| it.to_words().map(hex)),
        "float": found.float.map(|float| json!({
            "fpccr": hex(float.fpccr),
            "fpcar": hex(float.fpcar),
            "fpscr": hex(float.fpscr),
        })),
        "reset_causes": found.reset_causes.iter().copied().map(hex).collect::<Vec<_>>(),
        "log_tail": found.log.iter().map(|line| &line.message).collect::<Vec<_>>(),
        "stack_window": found.stack.as_ref().map(|window| json!({
            "pointer": hex(window.head.pointer),
            "start": hex(window.head.start),
            "words": window.words.iter().copied().map(hex).collect::<Vec<_>>(),
        })),
    })
}

fn thread(row: &ThreadRow) -> Value {
    json!({
        "thread": row.thread.map(|thread| thread.context().name()),
        "code": row.thread.map(crashrig_wire::Thread::code),
        "state": row.state,
        "priority": row.priority,
        "ran": row.flags & ThreadRow::RAN != 0,
        "unprivileged": row.flags & ThreadRow::UNPRIVILEGED != 0,
        "stack_from_heap": row.flags & ThreadRow::FROM_HEAP != 0,
        "stack_start": hex(row.stack_start),
        "stack_bytes": row.stack_size,
        "high_water_bytes": row.high_water,
        "stack_pointer": hex(row.stack_pointer),
    })
}

fn allocation(row: &Allocation) -> Value {
    let is_release = row.size == Allocation::RELEASE;
    json!({
        "operation": if is_release { "release" } else { "allocate" },
        "address": hex(row.address),
        "size_bytes": (!is_release).then_some(row.size),
        "caller": hex(row.caller),
    })
}

fn transfer(row: &TransferRow) -> Value {
    json!({
        "controller": row.controller(),
        "stream": row.stream_number(),
        "source": hex(row.source),
        "destination": hex(row.destination),
        "bytes": row.bytes,
        "state": row.state.map(crashrig_wire::TransferState::name),
        "rule": row.rule.map(crashrig_wire::DmaRule::name),
        "owner": crashrig_wire::Thread::from_code(row.owner).map(|it| it.context().name()),
        "items_left": row.items_left,
    })
}

fn hex(word: u32) -> String {
    format!("{word:#010x}")
}
