//! An unprivileged thread that reaches for what is not its own.

use crashrig_port::kernel::thread::{self, Options, Stack};
use crashrig_port::kernel::{FOREVER, priority};
use crashrig_port::{kernel, platform};
use crashrig_wire::Fault;

/// Memory of which 1 KiB, aligned, is the stack.
static STACK: Stack<4096> = Stack::new();

/// Has it write to what the fault names: tables of the kernel, vector table in RAM, crash region,
/// or RNR, a register of the MPU (DDI0403E B3.5.7).
pub fn write(fault: Fault) {
    const MPU_RNR: u32 = 0xE000_ED98;
    let address = match fault {
        Fault::UnprivilegedVectorWrite => platform::vectors_start(),
        Fault::UnprivilegedCrashWrite => platform::crash_start(),
        Fault::UnprivilegedMpuWrite => MPU_RNR,
        _ => kernel::data_start(),
    };
    visit_with(visit, address);
}

/// Has it panic.
pub fn panic(parameter: u32) {
    visit_with(panicking, parameter);
}

fn visit_with(entry: thread::Entry, argument: u32) {
    let options = Options { name: "visitor", priority: priority::HIGH, privileged: false };
    match thread::spawn_static(&options, &STACK, entry, argument) {
        Ok(visitor) => {
            let _ = visitor.join(FOREVER);
        }
        Err(error) => defmt::error!("no thread: error {=u8}", error as u8),
    }
}

extern "C" fn visit(address: u32) -> u32 {
    super::access::bus_write(address);
    0
}

extern "C" fn panicking(parameter: u32) -> u32 {
    super::instruction::panic_on_purpose(parameter);
    0
}
