//! The errors of a boot: what is kept, in which order, and who is told.
#![expect(clippy::indexing_slicing, reason = "a test may stop on a wrong index")]

use crashrig_memory::errors::{Context, Errors, HISTORY_LENGTH, Raised, make_status};
use crashrig_wire::record::Record;
use crashrig_wire::status::{Code, Misuse, Module, Type};
use crashrig_wire::{Detector, Kind, Status, Thread};
use std::cell::RefCell;

fn error(value: u32) -> Context {
    let status = Misuse::ALL[value as usize % Misuse::ALL.len()].status();
    Context { value, address: 0x0800_0000 + value, ..Context::of_status(status) }
}

fn history(errors: &Errors) -> Vec<u32> {
    (0..).map_while(|index| errors.history(index)).map(|context| context.value).collect()
}

#[test]
fn nothing_is_there_at_first_and_after_clearing() {
    let mut errors = Errors::new();
    for round in 0..2 {
        assert_eq!((errors.first(), errors.last()), (None, None), "round {round}");
        assert_eq!((errors.count(), errors.warnings(), errors.history_count()), (0, 0, 0));
        assert_eq!(errors.history(0), None);
        for value in 0..7 {
            assert!(errors.warn(&error(value)).is_none(), "no hook was set");
        }
        errors.clear();
    }
}

#[test]
fn the_first_the_last_and_the_newest_four_are_kept_the_oldest_first() {
    let mut errors = Errors::new();
    for value in 0..100 {
        assert!(errors.warn(&error(value)).is_none());
        assert_eq!(errors.first(), Some(&error(0)));
        assert_eq!(errors.last(), Some(&error(value)));
        assert_eq!((errors.count(), errors.warnings()), (value + 1, value + 1));
        let oldest = (value + 1).saturating_sub(HISTORY_LENGTH as u32);
        assert_eq!(history(&errors), (oldest..=value).collect::<Vec<_>>());
        assert_eq!(errors.history_count(), history(&errors).len());
    }
    assert_eq!(errors.history(99), None);
}

#[test]
fn a_second_fatal_error_keeps_the_context_of_the_first() {
    let mut errors = Errors::new();
    assert!(errors.warn(&error(1)).is_none());
    assert!(!errors.in_progress());
    assert!(matches!(errors.raise(&error(2)), Raised::First(None)));
    assert!(errors.in_progress());
    assert!(matches!(errors.raise(&error(3)), Raised::WhileHandling));
    assert!(errors.warn(&error(4)).is_none());
    assert_eq!((errors.first(), errors.last()), (Some(&error(1)), Some(&error(2))));
    assert_eq!((errors.count(), errors.warnings()), (4, 2));
    assert_eq!(history(&errors), [1, 2]);
    errors.clear();
    assert!(errors.in_progress(), "clearing does not end the handling");
}

thread_local! {
    static STATE: RefCell<Errors> = const { RefCell::new(Errors::new()) };
    static TOLD: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// Warns as an owner of the state does: the hook runs when the state is free again.
fn warn(value: u32) {
    let call = STATE.with_borrow_mut(|errors| errors.warn(&error(value)));
    if let Some(call) = call {
        call.call();
        STATE.with_borrow_mut(Errors::hook_returned);
    }
}

fn hook(context: &Context) {
    TOLD.with_borrow_mut(|told| told.push(context.value));
    // A hook that reports errors itself must neither wait for the state nor be called again.
    if context.value < 10 {
        warn(context.value + 10);
    }
}

#[test]
fn the_hook_is_told_each_error_once_and_never_from_within_itself() {
    STATE.with_borrow_mut(|errors| errors.set_hook(Some(hook)));
    warn(1);
    warn(2);
    let told = || TOLD.with_borrow(Clone::clone);
    assert_eq!(told(), [1, 2]);
    STATE.with_borrow_mut(|errors| {
        assert_eq!(history(errors), [1, 11, 2, 12]);
        errors.clear();
        assert!(matches!(errors.raise(&error(3)), Raised::First(Some(_))), "the hook stays");
    });
    assert_eq!(told(), [1, 2], "nobody called it");
    STATE.with_borrow_mut(|errors| errors.set_hook(None));
}

#[test]
fn what_is_no_status_is_kept_as_an_invalid_argument_with_its_address() {
    let mut errors = Errors::new();
    let nonsense = Context { status: Status(7), ..error(5) };
    assert!(errors.warn(&nonsense).is_none());
    let expected =
        Context { status: Status::of_code(Module::Unknown, Code::InvalidArgument), ..error(5) };
    assert_eq!(errors.last(), Some(&expected));
}

#[test]
fn parts_make_a_status_or_an_unknown_error() {
    assert_eq!(make_status(Type::System, 2, 293), Misuse::StackOverflow.status());
    assert_eq!(make_status(Type::Posix, 9, 12).0 as i32, -12);
    for (status_type, code) in
        [(Type::System, 255), (Type::System, 4096), (Type::Custom, 4095), (Type::Posix, 256)]
    {
        assert_eq!(make_status(status_type, 2, code).0, 0x80FF_0100, "{status_type} {code}");
    }
}

#[test]
fn a_record_stands_for_a_context() {
    let mut record = Record::blank(Kind::Panic, Detector::PanicHandler, Thread::Main);
    record.registers.pc = 0x0800_0400;
    record.registers.sp = 0x2000_0800;
    record.stack_start = 0x2000_0400;
    record.stack_size = 0x1000;
    (record.source_file, record.source_file_length, record.source_line) = (0x0800_2000, 11, 42);
    let context = Context::of_record(&record);
    assert_eq!((context.status, context.address), (Status::of(Kind::Panic), 0x0800_0400));
    assert_eq!((context.stack_start, context.stack_size_bytes), (0x2000_0400, 0x1000));
    assert_eq!((context.stack_pointer, context.thread), (0x2000_0800, Thread::Main));
    assert_eq!((context.file, context.file_length_bytes, context.line), (0x0800_2000, 11, 42));
}
