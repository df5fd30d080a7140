//! What devices of the host keep over resets, seen by a guest, on every QEMU of this machine.

use crashrig_qemu::models::backup::Backup;
use crashrig_qemu::models::flash::Flash;
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

/// A word in a sector of which nothing belongs to the image.
const WORD_IN_FLASH: u32 = 0x0801_0000;

/// Opens the flash interface, erases sector 4, programs a word, closes it, tries another word, and
/// shows both words and FLASH_SR in RAM.
const PROGRAM: &[Code] = &[
    Load(7, COUNTER),
    Load(0, 0x4002_3c00),
    Load(1, 0x4567_0123),
    Half(0x6041), // str r1, [r0, #4]: KEYR
    Load(1, 0xcdef_89ab),
    Half(0x6041),
    Load(1, 1 << 16 | 2 << 8 | 4 << 3 | 1 << 1),
    Half(0x6101), // str r1, [r0, #16]: CR, erase sector 4
    Load(1, 2 << 8 | 1),
    Half(0x6101), // program words
    Load(2, WORD_IN_FLASH),
    Load(1, 0x1234_5678),
    Half(0x6011), // str r1, [r2]
    Half(0x6813), // ldr r3, [r2]
    Half(0x603b), // str r3, [r7]
    Load(1, 1 << 31),
    Half(0x6101), // lock
    Half(0x6051), // str r1, [r2, #4]
    Half(0x6853), // ldr r3, [r2, #4]
    Half(0x607b), // str r3, [r7, #4]
    Half(0x68c3), // ldr r3, [r0, #12]: SR
    Half(0x60bb), // str r3, [r7, #8]
    Load(2, 0xe000_ed0c),
    Load(3, 0x05fa_0004),
    Half(0x6013), // str r3, [r2]
    STAY,
];

/// The sectors of an STM32F405: four of 16 KiB, one of 64 KiB, seven of 128 KiB.
fn sectors() -> Vec<(u32, u32)> {
    let sizes = [[0x4000; 4].as_slice(), &[0x1_0000], &[0x2_0000; 7]].concat();
    let mut start = 0x0800_0000;
    let sector = |size: u32| {
        start += size;
        (start - size, size)
    };
    sizes.into_iter().map(sector).collect()
}

#[test]
fn flash_is_programmed_by_the_guest_and_keeps_it() {
    on_each(|program| {
        let mut rig = start(program, PROGRAM);
        rig.emulator.attach(Box::new(Flash::new(sectors()))).unwrap();
        for _ in 0..2 {
            // Sequence error: nothing opens the interface for the second word.
            boot(&mut rig, [0x1234_5678, u32::MAX, 1 << 7]);
            assert_eq!(word(&mut rig.emulator, WORD_IN_FLASH), 0x1234_5678, "over the reset");
            assert_eq!(word(&mut rig.emulator, WORD_IN_FLASH + 0xfffc), u32::MAX, "erased");
            assert_eq!(word(&mut rig.emulator, WORD_IN_FLASH + 0x1_0000), 0, "the next sector");
        }
        let kept = rig.emulator.detach_all().unwrap();
        let mut rig = start(program, PROGRAM);
        assert_eq!(word(&mut rig.emulator, WORD_IN_FLASH), 0);
        kept.into_iter().for_each(|model| rig.emulator.attach(model).unwrap());
        assert_eq!(word(&mut rig.emulator, WORD_IN_FLASH), 0x1234_5678, "in another emulator");
        assert_eq!(word(&mut rig.emulator, WORD_IN_FLASH + 0xfffc), u32::MAX);
    });
}
