//! Devices of a board that the host supplies to a session which needs them.
//!
//! What a DMA port reaches comes from the chip file, as silicon has it, whatever the emulator
//! models. Must never happen here: a device in a session that did not ask for it, since each access
//! to one costs time of the host.

use crashrig_layout::parse::{Board, Chip, HostModel};
use crashrig_layout::{Master, Need, RegionKind};
use crashrig_qemu::models::MmioModel;
use crashrig_qemu::models::backup::Backup;
use crashrig_qemu::models::dma::{Dma, Port, Reach};
use crashrig_qemu::models::flash::Flash;
use crashrig_qemu::models::reset_cause::ResetCause;
use crashrig_qemu::models::watchdog::Watchdog;

/// Ports of the DMA controllers, as bus masters. The peripheral port of DMA1 is none.
const PORTS: [(Master, Port); 3] = [
    (Master::Dma1Memory, Port::Memory1),
    (Master::Dma2Memory, Port::Memory2),
    (Master::Dma2Peripheral, Port::Peripheral2),
];

/// The devices of one session.
pub(super) struct HostModels {
    models: Vec<HostModel>,
    reach: Vec<Reach>,
    /// Sectors of flash, by first address and size in bytes.
    sectors: Vec<(u32, u32)>,
}

impl HostModels {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Those of a board that satisfy one of the needs.
    pub(super) fn new(board: &Board, needs: &[Need]) -> Self {
        let all = board.emulator().map(|emulator| emulator.host_models.as_slice());
        let models = all.unwrap_or_default().iter().copied();
        Self {
            models: models.filter(|model| needs.contains(&model.need())).collect(),
            reach: reach(&board.chip),
            sectors: sectors(&board.chip),
        }
    }

    /// The devices, as after a power-on.
    pub(super) fn devices(&self) -> Vec<Box<dyn MmioModel>> {
        let device = |model: &HostModel| -> Box<dyn MmioModel> {
            match model {
                HostModel::Stm32f4Dma => Box::new(Dma::new(self.reach.clone())),
                HostModel::Stm32f4Backup => Box::new(Backup::new()),
                HostModel::Stm32f4Flash => Box::new(Flash::new(self.sectors.clone())),
                HostModel::Stm32f4ResetCause => Box::new(ResetCause::new()),
                HostModel::Stm32f4Watchdog => Box::new(Watchdog::new()),
            }
        };
        self.models.iter().map(device).collect()
    }
}

/// The DMA controllers of a chip.
#[must_use]
pub fn dma_controllers(chip: &Chip) -> Dma {
    Dma::new(reach(chip))
}

fn sectors(chip: &Chip) -> Vec<(u32, u32)> {
    let sectors = chip.flash().into_iter().flat_map(|flash| &flash.sectors);
    sectors.map(|sector| (sector.start, sector.size_bytes)).collect()
}

fn reach(chip: &Chip) -> Vec<Reach> {
    let regions = chip.regions.iter().map(|region| Reach {
        start: region.range.start,
        size_bytes: region.range.size_bytes,
        ports: PORTS
            .iter()
            .filter(|(master, _)| region.masters.contains(*master))
            .map(|(_, port)| *port)
            .collect(),
        writable: matches!(region.kind, RegionKind::Ram | RegionKind::CodeRam),
    });
    regions.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn board() -> Board {
        let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware/boards");
        Board::load(&boards, "netduinoplus2").unwrap()
    }

    #[test]
    fn only_who_needs_a_device_gets_it() {
        let check = |needs: &[Need], expected: &[HostModel]| {
            assert_eq!(HostModels::new(&board(), needs).models, expected, "{needs:?}");
        };
        check(&[], &[]);
        check(&[Need::Mpu, Need::Ccm], &[]);
        check(&[Need::Mpu, Need::Dma], &[HostModel::Stm32f4Dma]);
        check(&[Need::BackupSram], &[HostModel::Stm32f4Backup]);
        check(&[Need::ResetCause], &[HostModel::Stm32f4ResetCause]);
    }

    #[test]
    fn sectors_are_those_of_the_part() {
        let sectors = sectors(&board().chip);
        assert_eq!(sectors.len(), 12);
        assert_eq!(sectors.get(4), Some(&(0x0801_0000, 0x1_0000)));
    }

    #[test]
    fn ports_reach_what_the_chip_file_says() {
        let reach = reach(&board().chip);
        let check = |start, ports: &[Port], writable| {
            let found = reach.iter().find(|it| it.start == start).unwrap();
            assert_eq!((found.ports.as_slice(), found.writable), (ports, writable), "{start:#x}");
        };
        let all = [Port::Memory1, Port::Memory2, Port::Peripheral2];
        check(0x2000_0000, &all, true);
        check(0x2001_c000, &all, true);
        check(0x0800_0000, &all, false);
        check(0x1000_0000, &[], true);
        check(0x4002_4000, &[Port::Memory2, Port::Peripheral2], true);
    }
}
