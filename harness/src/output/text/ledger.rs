//! The ledger as people read it: nothing while all is well, else what went wrong and how often.

use super::line;
use crashrig_wire::Ledger;
use crashrig_wire::ledger::{Class, SafeMode};

/// The counters of a ledger that has counted something.
pub fn ledger(out: &mut String, ledger: &Ledger) {
    if ledger.crashes > 0 || ledger.boots_without_end > 0 {
        let classes: Vec<_> = Class::ALL
            .iter()
            .map(|class| (class, ledger.crashes_of(*class)))
            .filter(|(_, count)| *count > 0)
            .map(|(class, count)| format!("{class} {count}"))
            .collect();
        let classes =
            if classes.is_empty() { String::new() } else { format!(" ({})", classes.join(", ")) };
        line(
            out,
            format_args!(
                "  ledger  {} boots, {} crashes{classes}, {} without end, {} in a row",
                ledger.boots, ledger.crashes, ledger.boots_without_end, ledger.crashes_in_a_row
            ),
        );
    }
    if ledger.safe_mode != SafeMode::Off {
        line(out, format_args!("  safe    safe mode, the last straw: {}", ledger.safe_mode));
    }
    if ledger.nested_count > 0 {
        line(
            out,
            format_args!(
                "  nested  {} fault(s) while a record was written, \
                 the newest at vector {} with CFSR {:#010x}",
                ledger.nested_count, ledger.nested_vector, ledger.nested_cfsr
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crashrig_wire::{Kind, Status};

    fn text(found: &Ledger) -> String {
        let mut out = String::new();
        ledger(&mut out, found);
        out
    }

    #[test]
    fn a_ledger_speaks_only_of_trouble() {
        assert_eq!(text(&Ledger { boots: 9, ..Ledger::NEW }), "");
        let mut found = Ledger { boots: 9, crashes: 3, crashes_in_a_row: 2, ..Ledger::NEW };
        found.crashes_by_class[usize::from(Class::of(Status::of(Kind::Panic)).code())] = 1;
        found.crashes_by_class[0] = 2;
        found.boots_without_end = 1;
        found.safe_mode = SafeMode::NoEnd;
        assert_eq!(
            text(&found),
            "  ledger  9 boots, 3 crashes (stack 2, panic 1), 1 without end, 2 in a row\n\
             \x20 safe    safe mode, the last straw: no-end\n"
        );
    }
}
