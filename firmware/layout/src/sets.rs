//! Bus masters and kinds of reset, and sets of them.

crate::names::closed_list! {
    /// What can start an access on the bus.
    Master, "bus master";
    /// Instruction bus of the core: fetches below 0x2000_0000.
    CpuInstruction = "cpu-instruction";
    /// Data bus of the core: data accesses below 0x2000_0000.
    CpuData = "cpu-data";
    /// System bus of the core: everything from 0x2000_0000 on, fetches too.
    CpuSystem = "cpu-system";
    /// Memory port of DMA controller 1.
    Dma1Memory = "dma1-memory";
    /// Memory port of DMA controller 2.
    Dma2Memory = "dma2-memory";
    /// Peripheral port of DMA controller 2; with the memory port it copies from memory to memory.
    Dma2Peripheral = "dma2-peripheral";
    /// DMA of the Ethernet controller.
    Ethernet = "ethernet";
    /// DMA of the high-speed USB controller.
    UsbHighSpeed = "usb-hs";
    /// PL081 DMA engines of Arm's FPGA images.
    Pl081 = "pl081";
}

crate::names::closed_list! {
    /// How a boot can end, with a view to what memory keeps.
    Reset, "kind of reset";
    /// Requested by software (SYSRESETREQ).
    SystemReset = "system-reset";
    /// A watchdog ran out.
    Watchdog = "watchdog";
    /// The reset pin was pulled.
    Pin = "pin";
    /// Wake-up from standby.
    Standby = "standby";
    /// Power-on with the backup supply still there.
    PowerOnWithBattery = "power-on-with-battery";
    /// Power-on after everything was off.
    PowerOn = "power-on";
    /// Reset of the backup domain.
    BackupDomain = "backup-domain";
}

/// Declares the set of a closed list, usable in constants.
macro_rules! set_of {
    ($(#[$doc:meta])* $set:ident, $item:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $set(u32);

        impl $set {
            /// The empty set.
            pub const NONE: Self = Self(0);

            /// This set with one more entry.
            #[must_use]
            pub const fn with(self, item: $item) -> Self {
                Self(self.0 | 1 << item as u32)
            }

            /// This set without an entry.
            #[must_use]
            pub const fn without(self, item: $item) -> Self {
                Self(self.0 & !(1 << item as u32))
            }

            /// Whether an entry is in the set.
            #[must_use]
            pub const fn contains(self, item: $item) -> bool {
                self.0 & 1 << item as u32 != 0
            }

            /// Whether the set is empty.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The entries, in the order of their list.
            pub fn iter(self) -> impl Iterator<Item = $item> {
                $item::ALL.iter().copied().filter(move |item| self.contains(*item))
            }
        }

        impl FromIterator<$item> for $set {
            fn from_iter<I: IntoIterator<Item = $item>>(items: I) -> Self {
                items.into_iter().fold(Self::NONE, Self::with)
            }
        }
    };
}

set_of! {
    /// A set of bus masters.
    Masters, Master
}
set_of! {
    /// A set of kinds of reset.
    Resets, Reset
}

impl Master {
    /// Whether it is a DMA engine rather than the core.
    #[must_use]
    pub const fn is_dma(self) -> bool {
        !matches!(self, Self::CpuInstruction | Self::CpuData | Self::CpuSystem)
    }
}

impl Masters {
    /// The DMA engines of the set.
    #[must_use]
    pub fn dma(self) -> Self {
        self.iter().filter(|master| master.is_dma()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let masters = Masters::NONE.with(Master::CpuData).with(Master::Dma2Memory);
        assert_eq!(masters.iter().collect::<Vec<_>>(), [Master::CpuData, Master::Dma2Memory]);
        assert_eq!(masters.dma(), Masters::NONE.with(Master::Dma2Memory));
        assert!(masters.dma().without(Master::Dma2Memory).is_empty());
    }

    #[test]
    fn names_lead_back_to_their_entry() {
        for master in Master::ALL {
            assert_eq!(master.name().parse(), Ok(*master));
        }
        for reset in Reset::ALL {
            assert_eq!(reset.name().parse(), Ok(*reset));
        }
    }
}
