//! One function per fault: misuse on purpose. A new fault does not compile until it stands here.
#![expect(unsafe_code, reason = "faults are misuse of memory and of the core, by design")]

mod access;
#[cfg(feature = "injection")]
mod backup_sram;
mod benchmark;
mod blocks;
mod checks;
mod compute;
mod control;
mod devices;
#[cfg_attr(armv8m, path = "dma_pl081.rs")]
mod dma;
#[cfg(not(armv8m))]
mod dma_plans;
#[cfg(not(armv8m))]
mod dma_stack;
#[cfg(not(armv8m))]
mod dma_widths;
mod ending;
mod execute;
mod flash;
mod full;
mod heap;
mod heap_address;
#[cfg(feature = "injection")]
mod heap_allocators;
#[cfg(feature = "injection")]
mod heap_damage;
mod heap_exhaustion;
mod heap_external;
mod heap_policy;
mod heap_questions;
mod heap_regions;
mod heap_rounds;
mod heap_services;
mod heap_switches;
mod instruction;
mod leave;
mod misuse;
mod overflow;
mod privilege;
#[cfg(feature = "injection")]
mod script;
mod services;
mod threads;
mod turns;
mod variables;
mod words;

use crate::board;
use crashrig_wire::Fault;

/// Every fault of DMA, as a pattern.
macro_rules! faults_of_dma {
    () => {
        Fault::DmaServices
            | Fault::DmaMisuse
            | Fault::DmaEndless
            | Fault::DmaErrorBeside
            | Fault::DmaFreedInFlight
            | Fault::DmaSerial
            | Fault::DmaOverrun
            | Fault::DmaCircularCrash
            | Fault::DmaOverVectors
            | Fault::DmaOverCrashRegion
    };
}

/// Every fault of the heap, as a pattern.
macro_rules! faults_of_heap {
    () => {
        Fault::HeapStackOverflow
            | Fault::HeapOverrun
            | Fault::HeapAndIsrStack
            | Fault::HeapRegions
            | Fault::HeapCallbacks
            | Fault::HeapAbort
            | Fault::HeapInInterrupt
            | Fault::HeapWrongAddress
            | Fault::HeapCorrupt
            | Fault::HeapExhaustion
            | Fault::HeapFragmentation
            | Fault::HeapSwitches
            | Fault::HeapAllocators
            | Fault::HeapTrace
            | Fault::HeapRounds
            | Fault::HeapInterrupted
            | Fault::HeapAccounts
    };
}

/// A load from nowhere, before there is a kernel.
pub fn crash_before_kernel([address, ..]: [u32; 4]) {
    const RESET: u32 = 1;
    if address == RESET {
        crashrig_port::reset::reset();
    }
    access::bus_read(if address == 0 { board::UNMAPPED_ADDRESS } else { address });
}

/// Carries out a fault. Returns only if nothing was to be broken, or if what was to break held.
pub fn carry_out(fault: Fault, parameters: [u32; 4]) {
    let [parameter, ..] = parameters;
    let address = if parameter == 0 { board::UNMAPPED_ADDRESS } else { parameter };
    match fault {
        Fault::None | Fault::Await | Fault::BootCrash => return, // the last came before the kernel
        Fault::BusRead => access::bus_read(address),
        Fault::BusWrite => access::bus_write(address),
        Fault::CaptureFault => access::capture_fault(address),
        Fault::UndefinedInstruction => instruction::undefined_instruction(),
        Fault::DivideByZero => instruction::divide_by_zero(),
        Fault::Panic => instruction::panic_on_purpose(parameter),
        Fault::ResetLoop => control::reset_loop(parameter),
        Fault::Lockup => devices::lock_up(parameter),
        Fault::Hang => control::hang(),
        Fault::FlashProgram | Fault::FlashMisuse | Fault::BackupSram | Fault::WatchdogHang => {
            return devices::carry_out(fault, parameter);
        }
        Fault::ForeignExit => control::foreign_exit(parameter),
        Fault::UnexpectedInterrupt => control::unexpected_interrupt(),
        Fault::WildStackPointer => control::wild_stack_pointer(address),
        Fault::StackOverflow => overflow::stack_overflow(parameters),
        Fault::EndAfterOverflow => ending::end_after_overflow(parameter),
        Fault::LeaveOutside => leave::leave_outside(),
        Fault::ManyThreads => threads::many_threads(address),
        Fault::KernelServices => return services::check_all(),
        Fault::Benchmark => return benchmark::run(),
        Fault::Compute => return compute::run(parameter),
        Fault::TakeTurns => return turns::take(parameter),
        // Not from there: a batch needs most of the stack.
        #[cfg(feature = "injection")]
        Fault::HeapScript => return script::run(),
        #[cfg(not(feature = "injection"))]
        Fault::HeapScript => {}
        faults_of_heap!() if carry_out_on_heap(fault, parameter) => return,
        faults_of_heap!() => {}
        faults_of_dma!() if dma::carry_out(fault, parameter) => return,
        faults_of_dma!() => {}
        Fault::StaticOverrun => variables::static_overrun(),
        Fault::DanglingFrame => variables::dangling_frame(address),
        Fault::VectorTableLost => control::vector_table_lost(),
        Fault::ExecuteBlock => return execute::execute_block(),
        Fault::NullCall => access::null_call(),
        Fault::NullWrite | Fault::FlashWrite | Fault::VectorWrite => access::protected(fault),
        Fault::ExecuteRam => execute::execute_ram(),
        Fault::ExecuteStack => execute::execute_stack(),
        Fault::ExecuteCcm => execute::execute_ccm(),
        Fault::UnprivilegedKernelWrite
        | Fault::UnprivilegedVectorWrite
        | Fault::UnprivilegedCrashWrite
        | Fault::UnprivilegedMpuWrite => privilege::write(fault),
        Fault::UnprivilegedPanic => privilege::panic(parameter),
        Fault::TimerCrash => control::timer_crash(address),
        Fault::IsrCrash => control::isr_crash(address),
        Fault::LateFloat => control::late_float(),
        Fault::ErrorCall => control::error_call(),
    }
    defmt::error!("fault {=str} broke nothing", fault.name());
}

/// Carries out a fault of the heap. Answers whether nothing was to be broken. What it calls has a
/// frame of its own: some of it needs most of the stack.
fn carry_out_on_heap(fault: Fault, parameter: u32) -> bool {
    use heap_exhaustion::{Shape, exhaust};
    match fault {
        #[cfg(feature = "injection")]
        Fault::HeapCorrupt => heap_damage::corrupt(parameter),
        Fault::HeapStackOverflow if parameter == 0 => heap::heap_stack_overflow(),
        Fault::HeapStackOverflow => {
            heap::look_at_neighbour();
            return true;
        }
        Fault::HeapOverrun => heap::heap_overrun(),
        Fault::HeapAndIsrStack => {
            full::heap_and_isr_stack(parameter);
            return true;
        }
        Fault::HeapRegions => {
            match parameter {
                0 => heap_regions::check_all(),
                _ => heap_external::check_all(),
            }
            return true;
        }
        Fault::HeapCallbacks => {
            heap_policy::callbacks(parameter);
            return true;
        }
        Fault::HeapAbort => heap_policy::abort_on_failure(),
        Fault::HeapInInterrupt => {
            heap_policy::in_interrupt(parameter);
            return parameter < 2;
        }
        Fault::HeapWrongAddress => heap_address::release_wrong_address(parameter),
        Fault::HeapSwitches => {
            heap_switches::switch_at_every_instruction(parameter);
            return true;
        }
        #[cfg(feature = "injection")]
        Fault::HeapAllocators => {
            heap_allocators::check_all();
            return true;
        }
        Fault::HeapTrace => {
            heap_services::check_trace();
            return true;
        }
        #[cfg(feature = "heap-tracking")]
        Fault::HeapAccounts => {
            heap_services::check_accounts();
            return true;
        }
        Fault::HeapRounds => {
            heap_rounds::run(parameter);
            return true;
        }
        Fault::HeapInterrupted => {
            heap_rounds::run_interrupted(parameter);
            return true;
        }
        Fault::HeapExhaustion => exhaust(parameter, Shape::Full),
        Fault::HeapFragmentation => exhaust(parameter, Shape::InPieces),
        _ => {}
    }
    false
}
