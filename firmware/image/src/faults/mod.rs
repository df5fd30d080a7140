//! One function per fault: misuse on purpose. A new fault does not compile until it stands here.
#![expect(unsafe_code, reason = "faults are misuse of memory and of the core, by design")]

mod access;
mod control;
mod instruction;
mod stack;

use crate::board;
use crashrig_wire::Fault;

/// Carries out a fault. Returns only if nothing was to be broken, or if what was to break held.
pub fn carry_out(fault: Fault, parameters: [u32; 4]) {
    let [parameter, ..] = parameters;
    let address = if parameter == 0 { board::UNMAPPED_ADDRESS } else { parameter };
    match fault {
        Fault::None | Fault::Await => return,
        Fault::BusRead => access::bus_read(address),
        Fault::BusWrite => access::bus_write(address),
        Fault::CaptureFault => access::capture_fault(address),
        Fault::UndefinedInstruction => instruction::undefined_instruction(),
        Fault::DivideByZero => instruction::divide_by_zero(),
        Fault::Panic => instruction::panic_on_purpose(parameter),
        Fault::MainStackRecursion => stack::main_stack_recursion(),
        Fault::MainStackLargeFrame => stack::main_stack_large_frame(),
        Fault::IsrStackLargeFrame => stack::isr_stack_large_frame(),
        Fault::IsrStackRecursion => stack::isr_stack_recursion(),
        Fault::ResetLoop => crashrig_port::reset::reset(),
        Fault::Lockup => control::lock_up(),
        Fault::Hang => control::hang(),
        Fault::ForeignExit => control::foreign_exit(parameter),
        Fault::UnexpectedInterrupt => control::unexpected_interrupt(),
        Fault::WildStackPointer => stack::wild_stack_pointer(address),
    }
    defmt::error!("fault {=str} broke nothing", fault.name());
}
