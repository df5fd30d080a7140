//! A guest that drives DMA2 by its registers, the controllers supplied by the host, on every QEMU
//! of this machine.

use std::time::{Duration, Instant};

use crashrig_qemu::models::dma::{Dma, Port, Reach};
use crashrig_qemu::{Emulator, Error, Launch, Limits, Program, Stop};

use crate::support::Code::{self, Half, Load};
use crate::support::{
    CODE, COUNTER, EXIT, RESET, Rig, STAY, image, launch, limits, on_each, talk_and, word,
};

pub const SOURCE: u32 = 0x2000_4000;
pub const TARGET: u32 = 0x2000_8000;
const CCM: u32 = 0x1000_0000;
const WORDS: u32 = 1024;

/// Memory to memory, both addresses incrementing, words, interrupts on completion and error, on.
const CONTROL: u32 = 2 << 13 | 2 << 11 | 1 << 10 | 1 << 9 | 2 << 6 | 1 << 4 | 1 << 2 | 1;
/// Transfer complete and half transfer, and transfer error, of stream 0.
const DONE: u32 = 1 << 5 | 1 << 4;
const ERROR: u32 = 1 << 3;

const WAIT: Code = Half(0xbf30); // wfi
pub const SPIN: Code = Half(0xbf00); // nop

/// Where the guest stays when the interrupt was taken.
pub const AT_END: u32 = CODE + 2 * 21;
/// The handler of the interrupt of stream 0 of DMA2, and its entry in the vector table.
pub const HANDLER: u32 = CODE + 2 * 22;
pub const VECTOR: usize = 4 * (16 + 56);

/// Programs stream 0 of DMA2 and waits until the handler has counted. The handler keeps LISR, S0CR
/// and S0NDTR behind the counter and clears all flags.
pub fn transfer(target: u32, waits: Code) -> [Code; 36] {
    [
        Load(0, 0x4002_6410), // S0CR
        Load(1, WORDS),
        Half(0x6041), // str r1, [r0, #4]: S0NDTR
        Load(1, SOURCE),
        Half(0x6081), // str r1, [r0, #8]: S0PAR
        Load(1, target),
        Half(0x60c1), // str r1, [r0, #12]: S0M0AR
        Load(2, 0xe000_e104),
        Load(3, 1 << (56 - 32)),
        Half(0x6013), // str r3, [r2]: the interrupt is enabled
        Load(4, COUNTER),
        Load(1, CONTROL),
        Half(0xb672), // cpsid i: no interrupt between the look and the waiting
        Half(0x6001), // str r1, [r0]
        Half(0x6825), // ldr r5, [r4]
        Half(0x2d00), // cmp r5, #0
        Half(0xd103), // bne to the end
        waits,
        Half(0xb662), // cpsie i
        Half(0xb672), // cpsid i
        Half(0xe7f8), // b to the load of the counter
        STAY,
        Load(1, 0x4002_6400),
        Half(0x680a), // ldr r2, [r1]: LISR
        Load(3, COUNTER),
        Half(0x605a), // str r2, [r3, #4]
        Half(0x690a), // ldr r2, [r1, #16]: S0CR
        Half(0x609a), // str r2, [r3, #8]
        Half(0x694a), // ldr r2, [r1, #20]: S0NDTR
        Half(0x60da), // str r2, [r3, #12]
        Half(0x223d), // movs r2, #0x3d
        Half(0x608a), // str r2, [r1, #8]: LIFCR
        Half(0x681a), // ldr r2, [r3]
        Half(0x3201), // adds r2, #1
        Half(0x601a), // str r2, [r3]
        Half(0x4770), // bx lr
    ]
}

/// The memory of the chip, as far as these tests touch it.
pub fn controllers() -> Box<Dma> {
    let ports = vec![Port::Memory1, Port::Memory2, Port::Peripheral2];
    let sram = Reach { start: 0x2000_0000, size_bytes: 0x2_0000, ports, writable: true };
    let ccm = Reach { start: CCM, size_bytes: 0x1_0000, ports: Vec::new(), writable: true };
    Box::new(Dma::new(vec![sram, ccm]))
}

/// An emulator with such a guest, and data to be moved.
fn start(program: &Program, code: &[Code]) -> Rig {
    start_with(program, code, |_| ())
}

/// The same with a launch that is changed.
pub fn start_with(program: &Program, code: &[Code], change: impl Fn(&mut Launch)) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let mut launch = launch(program, code, folder.path());
    let mut bytes = image(code);
    bytes.resize(bytes.len().max(VECTOR + 4), 0);
    bytes.splice(VECTOR..VECTOR + 4, (HANDLER | 1).to_le_bytes());
    std::fs::write(launch.image.as_ref().unwrap(), bytes).unwrap();
    change(&mut launch);
    let mut emulator = Emulator::start(&launch).unwrap();
    emulator.write(SOURCE, &data()).unwrap();
    Rig::new(emulator, folder)
}

fn data() -> Vec<u8> {
    (0..WORDS).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// What a run has left behind: the time it took, the kept registers, the instructions.
fn run(rig: &mut Rig) -> (Duration, [u32; 4], Option<u64>) {
    let emulator = &mut rig.emulator;
    emulator.attach(controllers()).unwrap();
    let end = emulator.break_at(AT_END).unwrap();
    let began = Instant::now();
    emulator.resume().unwrap();
    let stop = emulator.wait(&limits(Some(1_000_000), 20_000)).unwrap();
    let took = began.elapsed();
    assert_eq!(stop, Stop::Breakpoint { token: end });
    let kept = [0, 4, 8, 12].map(|offset| word(emulator, COUNTER + offset));
    (took, kept, emulator.instructions().unwrap())
}

#[test]
fn a_transfer_is_done_and_its_interrupt_taken() {
    on_each(|program| {
        for waits in [WAIT, SPIN] {
            let mut rig = start(program, &transfer(TARGET, waits));
            let (took, kept, instructions) = run(&mut rig);
            // Printed and not held: how long it takes depends on who else uses the machine.
            eprintln!("4 KiB moved in {took:?} with {instructions:?} instructions");
            assert_eq!(kept, [1, DONE, CONTROL & !1, 0]);
            let mut moved = vec![0; data().len()];
            rig.emulator.read(TARGET, &mut moved).unwrap();
            assert!(moved == data(), "what arrived is what was sent");
        }
    });
}

#[test]
fn memory_out_of_reach_ends_in_a_transfer_error() {
    on_each(|program| {
        let mut rig = start(program, &transfer(CCM, WAIT));
        let (_, kept, _) = run(&mut rig);
        assert_eq!(kept, [1, ERROR, CONTROL & !1, WORDS]);
    });
}

#[test]
fn two_runs_are_equal() {
    on_each(|program| {
        let ends = [(); 2].map(|()| {
            let mut rig = start(program, &transfer(TARGET, SPIN));
            let (_, kept, instructions) = run(&mut rig);
            (kept, instructions, rig.emulator.registers().unwrap())
        });
        assert_eq!(ends[0], ends[1]);
    });
}

#[test]
fn a_reset_resets_the_models() {
    on_each(|program| {
        let mut rig = start(program, &transfer(TARGET, SPIN));
        run(&mut rig);
        for _ in 0..2 {
            rig.emulator.reset_warm().unwrap();
            rig.emulator.write(COUNTER, &[0; 16]).unwrap();
            rig.emulator.resume().unwrap();
            let stop = rig.emulator.wait(&Limits::default()).unwrap();
            assert!(matches!(stop, Stop::Breakpoint { .. }), "found {stop:?}");
            assert_eq!(word(&mut rig.emulator, COUNTER), 1, "one interrupt in each boot");
        }
    });
}

/// Writes and reads S0PAR in several ways, the store in an IT block, and keeps what it has found.
const FORMS: &[Code] = &[
    Load(0, 0x4002_6410),
    Load(1, 0x1234),
    Half(0x4280), // cmp r0, r0
    Half(0xbf0c), // ite eq
    Half(0x6081), // streq r1, [r0, #8]
    Half(0x2100), // movne r1, #0
    Load(4, COUNTER),
    Half(0x6021), // str r1, [r4]
    Half(0x6882), // ldr r2, [r0, #8]
    Half(0x6062), // str r2, [r4, #4]
    Half(0x7a43), // ldrb r3, [r0, #9]
    Half(0x60a3), // str r3, [r4, #8]
    Half(0xe9d0), // ldrd r5, r6, [r0, #4]
    Half(0x5601),
    Half(0x60e6), // str r6, [r4, #12]
    STAY,
];

#[test]
fn accesses_of_several_forms_are_carried_out() {
    on_each(|program| {
        let mut rig = start(program, FORMS);
        let emulator = &mut rig.emulator;
        emulator.attach(controllers()).unwrap();
        let token = emulator.break_at(CODE + 2 * 15).unwrap();
        emulator.resume().unwrap();
        assert_eq!(emulator.wait(&Limits::default()).unwrap(), Stop::Breakpoint { token });
        let kept = [0, 4, 8, 12].map(|offset| word(emulator, COUNTER + offset));
        assert_eq!(kept, [0x1234, 0x1234, 0x12, 0x1234]);
    });
}

#[test]
fn an_instruction_that_is_not_known_is_named() {
    // ldrex r1, [r0]
    let code = [Load(0, 0x4002_6410), Half(0xe850), Half(0x1f00), STAY];
    on_each(|program| {
        let mut rig = start(program, &code);
        rig.emulator.attach(controllers()).unwrap();
        rig.emulator.resume().unwrap();
        let error = rig.emulator.wait(&Limits::default()).unwrap_err();
        assert!(matches!(error, Error::Instruction { .. }), "found {error:?}");
        let text = error.to_string();
        assert!(text.starts_with("carry out the instruction e850 1f00 at 0x00000042"), "{text}");
    });
}

#[test]
fn breakpoints_are_hit_while_a_transfer_goes_on() {
    on_each(|program| {
        for waits in [WAIT, SPIN] {
            let mut rig = start(program, &transfer(TARGET, waits));
            let emulator = &mut rig.emulator;
            emulator.attach(controllers()).unwrap();
            // Behind the store that starts it, in the handler, at the end.
            for address in [CODE + 2 * 14, HANDLER, AT_END] {
                let token = emulator.break_at(address).unwrap();
                emulator.resume().unwrap();
                let stop = emulator.wait(&Limits::default()).unwrap();
                assert_eq!(stop, Stop::Breakpoint { token }, "at {address:#x}");
                assert_eq!(emulator.registers().unwrap().pc, address);
                emulator.remove(token).unwrap();
            }
            assert_eq!(word(emulator, COUNTER), 1);
        }
    });
}

#[test]
fn a_guest_that_only_polls_ends_at_the_limit() {
    // ldr r1, [r0]; b to it
    let code = [Load(0, 0x4002_6410), Half(0x6801), Half(0xe7fd)];
    on_each(|program| {
        let mut rig = start(program, &code);
        rig.emulator.attach(controllers()).unwrap();
        rig.emulator.resume().unwrap();
        let stop = rig.emulator.wait(&limits(None, 200)).unwrap();
        assert_eq!(stop, Stop::WallLimit);
        rig.emulator.resume().unwrap();
        let stop = rig.emulator.wait(&limits(Some(100), 20_000)).unwrap();
        assert_eq!(stop, Stop::InstructionLimit);
    });
}

/// Starts the transfer, then asks for a reset in its middle.
#[test]
fn a_reset_in_the_middle_of_a_transfer_is_a_stop() {
    let mut code = transfer(TARGET, SPIN).to_vec();
    code.splice(14..17, RESET[..3].iter().copied());
    on_each(|program| {
        let mut rig = start(program, &code);
        let emulator = &mut rig.emulator;
        emulator.attach(controllers()).unwrap();
        for boot in 1..=3 {
            emulator.resume().unwrap();
            assert_eq!(emulator.wait(&Limits::default()).unwrap(), Stop::Reset, "in boot {boot}");
            let last = TARGET + 4 * WORDS - 4;
            assert_eq!(word(emulator, last), 0, "the end of it was not moved");
            assert_ne!(word(emulator, TARGET + 4), 0, "its beginning was");
            emulator.reset_warm().unwrap();
        }
    });
}

/// Starts the transfer, prints a letter and exits in its middle.
#[test]
fn semihosting_works_in_the_middle_of_a_transfer() {
    let code = [&transfer(TARGET, SPIN)[..14], &talk_and(EXIT)].concat();
    on_each(|program| {
        let mut rig = start(program, &code);
        rig.emulator.attach(controllers()).unwrap();
        rig.emulator.resume().unwrap();
        assert_eq!(rig.emulator.wait(&Limits::default()).unwrap(), Stop::Exit { code: 7 });
        assert_eq!(std::fs::read(&rig.emulator.files().console).unwrap(), b"X");
    });
}
