//! Devices that a board has and its emulator has not: the host supplies them.

use super::emulator::VersionRange;
use crate::parse::chip::Chip;
use crate::parse::problem::{Problems, quoted};
use crate::parse::range::AddressRange;
use crate::{Master, Need};

crate::names::closed_list! {
    /// A device that the host supplies, to the scenarios that need it.
    HostModel, "device that the host supplies";
    /// DMA1 and DMA2 of the STM32F4.
    Stm32f4Dma = "stm32f4-dma";
    /// Backup SRAM and backup registers of the STM32F4, with PWR and what opens them.
    Stm32f4Backup = "stm32f4-backup";
    /// The flash interface of the STM32F4: programming, erasing, write protection.
    Stm32f4Flash = "stm32f4-flash";
    /// RCC_CSR of the STM32F4: why the chip was reset.
    Stm32f4ResetCause = "stm32f4-reset-cause";
    /// The independent watchdog of the STM32F4 (IWDG).
    Stm32f4Watchdog = "stm32f4-watchdog";
}

impl HostModel {
    /// What it makes a target have. Scenarios with this need get the device, others do not.
    #[must_use]
    pub const fn need(self) -> Need {
        match self {
            Self::Stm32f4Dma => Need::Dma,
            Self::Stm32f4Backup => Need::BackupSram,
            Self::Stm32f4Flash => Need::FlashProgramming,
            Self::Stm32f4ResetCause => Need::ResetCause,
            Self::Stm32f4Watchdog => Need::Watchdog,
        }
    }

    /// The bus masters that are part of it.
    const fn masters(self) -> &'static [Master] {
        match self {
            Self::Stm32f4Dma => &[Master::Dma1Memory, Master::Dma2Memory, Master::Dma2Peripheral],
            Self::Stm32f4Backup
            | Self::Stm32f4Flash
            | Self::Stm32f4ResetCause
            | Self::Stm32f4Watchdog => &[],
        }
    }

    /// The region that it supplies, if it is one, and where it lies.
    const fn region(self) -> Option<(&'static str, AddressRange)> {
        match self {
            Self::Stm32f4Dma
            | Self::Stm32f4Flash
            | Self::Stm32f4ResetCause
            | Self::Stm32f4Watchdog => None,
            Self::Stm32f4Backup => {
                let range = AddressRange { start: 0x4002_4000, size_bytes: 0x1000 };
                Some(("backup-sram", range))
            }
        }
    }
}

/// Checks the key `emulator.host_models`.
pub(super) fn check(
    names: &[String],
    versions: &[VersionRange],
    chip: &Chip,
    problems: &mut Problems<'_>,
) -> Vec<HostModel> {
    let mut models: Vec<HostModel> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let key = format!("emulator.host_models[{index}]");
        let Some(model) = problems.name::<HostModel>(key.clone(), name) else { continue };
        if !problems.require(!models.contains(&model), &key, quoted(name), "each device once") {
            continue;
        }
        for version in versions {
            problems.require(
                version.support.lacks(model.need()).is_none(),
                key.clone(),
                format!(
                    "{} with the need `{}` among what {version} lacks",
                    quoted(name),
                    model.need()
                ),
                "the need in `models`, as the host supplies it to every version",
            );
        }
        for master in model.masters() {
            problems.require(
                chip.regions.iter().any(|region| region.masters.contains(*master)),
                key.clone(),
                format!("{} for a chip without the bus master `{master}`", quoted(name)),
                "a chip with each bus master of the device",
            );
        }
        if let Some((name, range)) = model.region() {
            problems.require(
                chip.region(name).is_some_and(|region| region.range == range),
                key,
                format!("{} for a chip without it", quoted(model.name())),
                format!(
                    "a chip with {} bytes of `{name}` at {:#010x}",
                    range.size_bytes, range.start
                ),
            );
        }
        models.push(model);
    }
    models
}
