//! A serial port of QEMU that gets its bytes from a DMA controller of the host, on every QEMU of
//! this machine.

use crashrig_qemu::Stop;

use crate::models::{SOURCE, controllers, start_with};
use crate::support::Code::{self, Half, Load};
use crate::support::{CODE, STAY, limits, on_each};

/// Eleven bytes go to USART2 by stream 6 of DMA1, channel 4. Then LISR and HISR are polled.
const TRANSMIT: &[Code] = &[
    Load(0, 0x4000_4400),
    Load(1, 0x2008),
    Half(0x60c1), // str r1, [r0, #12]: CR1.UE and TE
    Load(1, 0x80),
    Half(0x6141), // str r1, [r0, #20]: CR3.DMAT
    Load(2, 0x4002_60a0),
    Load(1, 11),
    Half(0x6051), // str r1, [r2, #4]: S6NDTR
    Load(1, 0x4000_4404),
    Half(0x6091), // str r1, [r2, #8]: S6PAR
    Load(1, SOURCE),
    Half(0x60d1), // str r1, [r2, #12]: S6M0AR
    Load(1, 4 << 25 | 1 << 10 | 1 << 6 | 1),
    Half(0x6011), // str r1, [r2]
    Load(3, 0x4002_6000),
    Half(0x685c), // ldr r4, [r3, #4]: HISR
    Load(5, 1 << 21),
    Half(0x422c), // tst r4, r5
    Half(0xd0fb), // beq to the load of HISR
    STAY,
];

#[test]
fn a_serial_port_sends_what_dma_brings() {
    on_each(|program| {
        let output = tempfile::NamedTempFile::new().unwrap();
        let nobody = tempfile::NamedTempFile::new().unwrap();
        let mut rig = start_with(program, TRANSMIT, |launch| {
            launch.serial_ports = vec![nobody.path().into(), output.path().into()];
        });
        let emulator = &mut rig.emulator;
        emulator.write(SOURCE, b"hello worldXX").unwrap();
        emulator.attach(controllers()).unwrap();
        let token = emulator.break_at(CODE + 2 * 19).unwrap();
        emulator.resume().unwrap();
        let stop = emulator.wait(&limits(Some(1_000_000), 20_000)).unwrap();
        assert_eq!(stop, Stop::Breakpoint { token });
        assert_eq!(std::fs::read(output.path()).unwrap(), b"hello world");
        assert_eq!(std::fs::read(nobody.path()).unwrap(), b"");
    });
}
