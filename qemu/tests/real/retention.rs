//! What devices of the host keep over resets, seen by a guest, on every QEMU of this machine.

use crashrig_qemu::models::backup::Backup;
use crashrig_qemu::models::reset_cause::ResetCause;
use crashrig_qemu::models::{MmioModel, Reset};
use crashrig_qemu::{Limits, Stop};

use crate::support::Code::{self, Half, Load};
use crate::support::{COUNTER, Rig, STAY, on_each, start, word};

/// Opens the backup domain, counts in its SRAM (in a page that QEMU has not even a stub for) and in
/// backup register 1, shows both and RCC_CSR in RAM, and asks for a reset.
const COUNT_BOOTS: &[Code] = &[
    Load(7, COUNTER),
    Load(0, 0x4002_3840),
    Load(1, 1 << 28),
    Half(0x6001), // str r1, [r0]: PWREN
    Load(0, 0x4000_7000),
    Load(1, 1 << 8),
    Half(0x6001), // DBP
    Load(0, 0x4002_3830),
    Half(0x6802), // ldr r2, [r0]
    Load(1, 1 << 18),
    Half(0x430a), // orrs r2, r1
    Half(0x6002), // str r2, [r0]: BKPSRAMEN
    Load(0, 0x4002_4ff0),
    Half(0x6801), // ldr r1, [r0]
    Half(0x3101), // adds r1, #1
    Half(0x6001), // str r1, [r0]
    Half(0x6039), // str r1, [r7]
    Load(0, 0x4000_2854),
    Half(0x6801),
    Half(0x3101),
    Half(0x6001),
    Half(0x6079), // str r1, [r7, #4]
    Load(0, 0x4002_3874),
    Half(0x6801),
    Half(0x60b9), // str r1, [r7, #8]
    Load(2, 0xe000_ed0c),
    Load(3, 0x05fa_0004),
    Half(0x6013), // str r3, [r2]
    STAY,
];

/// What the SRAM holds after power was away: each boot adds one.
const NOISE: u32 = 0xa5a5_a5a5;

/// Lets the guest run to its reset; checks what it saw.
fn boot(rig: &mut Rig, expected: [u32; 3]) {
    rig.emulator.resume().unwrap();
    assert_eq!(rig.emulator.wait(&Limits::default()).unwrap(), Stop::Reset);
    assert_eq!([0, 4, 8].map(|offset| word(&mut rig.emulator, COUNTER + offset)), expected);
    rig.emulator.reset_warm().unwrap();
}

#[test]
fn the_backup_domain_is_kept_over_resets_and_restarts() {
    on_each(|program| {
        let mut rig = start(program, COUNT_BOOTS);
        rig.emulator.attach(Box::new(Backup::new())).unwrap();
        rig.emulator.attach(Box::new(ResetCause::new())).unwrap();
        boot(&mut rig, [NOISE + 1, 1, 0x0e00_0000]);
        boot(&mut rig, [NOISE + 2, 2, 0x1e00_0000]);
        rig.emulator.reset_models(Reset::PowerOn).unwrap();
        boot(&mut rig, [NOISE + 1, 1, 0x0e00_0000]);
        // Another emulator in its place, as after a lockup.
        let mut kept: Vec<Box<dyn MmioModel>> = rig.emulator.detach_all().unwrap();
        kept.iter_mut().for_each(|model| model.reset(Reset::Pin));
        let mut rig = start(program, COUNT_BOOTS);
        kept.into_iter().for_each(|model| rig.emulator.attach(model).unwrap());
        boot(&mut rig, [NOISE + 2, 2, 0x1e00_0000]);
    });
}

#[test]
fn devices_that_are_taken_back_are_gone() {
    on_each(|program| {
        let mut rig = start(program, COUNT_BOOTS);
        rig.emulator.attach(Box::new(ResetCause::new())).unwrap();
        assert_eq!(rig.emulator.detach_all().unwrap().len(), 1);
        assert!(rig.emulator.detach_all().unwrap().is_empty());
        rig.emulator.attach(Box::new(Backup::new())).unwrap();
        // QEMU has RCC_CSR itself, or zero.
        boot(&mut rig, [NOISE + 1, 1, 0]);
    });
}
