//! The backup domain by the sections of the manual that its model names.

use super::*;
use crate::models::NoBus;

fn read(model: &mut Backup, address: u32) -> u32 {
    model.read(address, Width::Word, &mut NoBus::default()).unwrap()
}

fn write(model: &mut Backup, address: u32, value: u32) {
    model.write(address, Width::Word, value, &mut NoBus::default()).unwrap();
}

/// Opened as §5.1.2 says, with something in register 3 and in the SRAM.
fn opened(regulator: bool) -> Backup {
    let mut model = Backup::new();
    write(&mut model, APB1_ENABLE, POWER_CLOCK);
    write(&mut model, POWER, WRITES_ALLOWED);
    write(&mut model, AHB1_ENABLE, SRAM_CLOCK);
    write(&mut model, POWER + 4, if regulator { REGULATOR } else { 0 });
    write(&mut model, BACKUP_REGISTERS + 12, 0x1234_5678);
    write(&mut model, SRAM + 0xffc, 0x9abc_def0);
    model
}

#[test]
fn what_is_open_keeps_what_is_written() {
    let mut model = opened(true);
    assert_eq!(read(&mut model, BACKUP_REGISTERS + 12), 0x1234_5678);
    assert_eq!(read(&mut model, SRAM + 0xffc), 0x9abc_def0);
    assert_eq!(read(&mut model, POWER + 4), REGULATOR | REGULATOR_READY);
    model.write(SRAM + 0xffd, Width::Byte, 0x55, &mut NoBus::default()).unwrap();
    assert_eq!(model.read(SRAM + 0xffc, Width::Half, &mut NoBus::default()).unwrap(), 0x55f0);
    model.write(BACKUP_REGISTERS + 14, Width::Half, 0xaaaa, &mut NoBus::default()).unwrap();
    assert_eq!(read(&mut model, BACKUP_REGISTERS + 12), 0xaaaa_5678);
}

/// Without one of the bits: what a write and a read then do.
#[track_caller]
fn check(close: impl Fn(&mut Backup), register: u32, sram: u32) {
    let mut model = opened(true);
    close(&mut model);
    write(&mut model, BACKUP_REGISTERS + 12, 0);
    write(&mut model, SRAM + 0xffc, 0);
    assert_eq!(read(&mut model, BACKUP_REGISTERS + 12), register);
    assert_eq!(read(&mut model, SRAM + 0xffc), sram);
    write(&mut model, AHB1_ENABLE, SRAM_CLOCK);
    assert_eq!(read(&mut model, SRAM + 0xffc), 0x9abc_def0, "nothing was written");
}

#[test]
fn each_bit_is_needed() {
    check(|model| write(model, POWER, 0), 0x1234_5678, 0x9abc_def0);
    check(
        |model| {
            write(model, POWER, 0);
            write(model, AHB1_ENABLE, 0);
        },
        0x1234_5678,
        0,
    );
    let mut model = Backup::new();
    write(&mut model, POWER, WRITES_ALLOWED);
    assert_eq!(read(&mut model, POWER), 0, "PWR has no clock");
    write(&mut model, APB1_ENABLE, POWER_CLOCK);
    assert_eq!(read(&mut model, POWER), POWER_AT_RESET);
}

/// §7.3.20: the reset of the domain clears its registers, not its SRAM, and needs DBP as well.
#[test]
fn the_domain_can_be_reset() {
    let mut model = opened(true);
    write(&mut model, POWER, 0);
    write(&mut model, DOMAIN_CONTROL, DOMAIN_RESET);
    assert_eq!(read(&mut model, BACKUP_REGISTERS + 12), 0x1234_5678);
    write(&mut model, POWER, WRITES_ALLOWED);
    write(&mut model, DOMAIN_CONTROL, DOMAIN_RESET);
    assert_eq!(read(&mut model, BACKUP_REGISTERS + 12), 0);
    assert_eq!(read(&mut model, SRAM + 0xffc), 0x9abc_def0);
}

#[test]
fn the_host_sees_memory_behind_its_locks() {
    let mut model = opened(true);
    model.reset(Reset::SystemReset);
    let peek = |model: &Backup, address| {
        let mut bytes = [0; 4];
        model.peek(address, &mut bytes).then(|| u32::from_le_bytes(bytes))
    };
    assert_eq!(peek(&model, BACKUP_REGISTERS + 12), Some(0x1234_5678));
    assert_eq!(peek(&model, SRAM + 0xffc), Some(0x9abc_def0));
    assert!(model.poke(SRAM + 0xffd, &[0x11, 0x22]));
    assert_eq!(peek(&model, SRAM + 0xffc), Some(0x9a22_11f0));
    for outside in [SRAM - 4, SRAM + 0xffe, BACKUP_REGISTERS + 78, POWER, 0] {
        assert_eq!(peek(&model, outside), None, "{outside:#x}");
        assert!(!model.poke(outside, &[0; 4]), "{outside:#x}");
    }
    assert!(!model.poke(BACKUP_REGISTERS, &[0; 4]), "registers are only looked at");
}

/// What a reset leaves in register and SRAM.
#[track_caller]
fn check_reset(reset: Reset, regulator: bool, register: u32, sram: u32) {
    let mut model = opened(regulator);
    model.reset(reset);
    assert_eq!(read(&mut model, APB1_ENABLE), 0);
    assert_eq!(read(&mut model, AHB1_ENABLE), 0);
    assert_eq!(read(&mut model, SRAM + 0xffc), 0, "the clock of the SRAM is off");
    write(&mut model, BACKUP_REGISTERS + 12, 0);
    assert_eq!(read(&mut model, BACKUP_REGISTERS + 12), register, "{reset:?}");
    write(&mut model, AHB1_ENABLE, SRAM_CLOCK);
    assert_eq!(read(&mut model, SRAM + 0xffc), sram, "{reset:?}");
}

#[test]
fn what_resets_keep() {
    let noise = u32::from_le_bytes([NOISE; 4]);
    for reset in [Reset::SystemReset, Reset::Watchdog, Reset::Pin] {
        check_reset(reset, false, 0x1234_5678, 0x9abc_def0);
    }
    check_reset(Reset::PowerOnWithBattery, true, 0x1234_5678, 0x9abc_def0);
    check_reset(Reset::PowerOnWithBattery, false, 0x1234_5678, noise);
    check_reset(Reset::Standby, true, 0x1234_5678, 0x9abc_def0);
    check_reset(Reset::Standby, false, 0x1234_5678, noise);
    check_reset(Reset::PowerOn, true, 0, noise);
}
