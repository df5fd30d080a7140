//! Two runs of a guest whose core, timer and DMA controller race, on every QEMU of this machine.

use crashrig_qemu::{Limits, Stop};

use crate::models::{
    AT_END, HANDLER, SOURCE, SPIN, TARGET, VECTOR, controllers, start_with, transfer,
};
use crate::support::Code::{self, Half, Load};
use crate::support::{COUNTER, on_each, word};

/// Instructions in front of the transfer: a timer that ticks every fifty instructions or so.
const TIMER: [Code; 5] = [
    Load(6, 0xe000_e010),
    Load(7, 300),
    Half(0x6077), // str r7, [r6, #4]: SYST_RVR
    Half(0x2707), // movs r7, #7
    Half(0x6037), // str r7, [r6]: SYST_CSR
];

/// Behind it: the handler of the timer counts.
const TICK: [Code; 5] = [
    Load(0, COUNTER + 16),
    Half(0x6801), // ldr r1, [r0]
    Half(0x3101), // adds r1, #1
    Half(0x6001), // str r1, [r0]
    Half(0x4770), // bx lr
];

/// The entry of the timer in the vector table.
const TIMER_VECTOR: usize = 4 * 15;

#[test]
fn two_runs_with_a_timer_are_equal() {
    let transfer = transfer(TARGET, SPIN);
    // Interrupts stay open, so that ticks come in the middle of the transfer.
    let transfer = transfer.map(|code| if matches!(code, Half(0xb672)) { SPIN } else { code });
    let moved = 2 * TIMER.len() as u32;
    let tick = HANDLER + moved + 2 * (transfer.len() as u32 - 22);
    let code: Vec<Code> = TIMER.into_iter().chain(transfer).chain(TICK).collect();
    on_each(|program| {
        let ends = [(); 3].map(|()| {
            let mut rig = start_with(program, &code, |launch| {
                let path = launch.image.as_ref().unwrap();
                let mut bytes = std::fs::read(path).unwrap();
                bytes.splice(VECTOR..VECTOR + 4, ((HANDLER + moved) | 1).to_le_bytes());
                bytes.splice(TIMER_VECTOR..TIMER_VECTOR + 4, (tick | 1).to_le_bytes());
                std::fs::write(path, bytes).unwrap();
            });
            let emulator = &mut rig.emulator;
            emulator.attach(controllers()).unwrap();
            let token = emulator.break_at(AT_END + moved).unwrap();
            emulator.resume().unwrap();
            let stop = emulator.wait(&Limits::default()).unwrap();
            assert_eq!(stop, Stop::Breakpoint { token });
            assert_ne!(word(emulator, SOURCE + 4), 0);
            assert_eq!(word(emulator, TARGET + 4), word(emulator, SOURCE + 4));
            let ticks = word(emulator, COUNTER + 16);
            (ticks, emulator.instructions().unwrap(), emulator.registers().unwrap())
        });
        let [first, others @ ..] = &ends;
        eprintln!("{} ticks, {:?} instructions", first.0, first.1);
        assert!(first.0 > 0, "the timer ticks");
        assert!(others.iter().all(|end| end == first), "found {ends:?}");
    });
}
