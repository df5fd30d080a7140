//! Interrupts that the host raises, at the inputs of the guest's interrupt controller.
//!
//! Must never happen here: a number or a name that QEMU does not know. It aborts then.

use serde_json::json;

use crate::emulator::Emulator;
use crate::error::Error;
use crate::qmp::Qmp;

/// Where the core with its interrupt controller stands in QEMU's tree of objects, by machine and
/// version: netduinoplus2 in 10.0 and 7.2, mps2-an505 in both. Read from `info qom-tree`.
const CONTROLLERS: [&str; 3] = [
    "/machine/soc/armv7m",
    "/machine/unattached/device[0]/armv7m",
    "/machine/iotkit/cluster0/armv7m0",
];

/// Exceptions that the count of QEMU holds besides the inputs.
const CORE_EXCEPTIONS: u64 = 16;

/// The controller of one machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Controller {
    /// Its place in QEMU's tree of objects.
    pub(crate) path: &'static str,
    inputs: u64,
}

impl Emulator {
    /// Makes an external interrupt pending, 0 being the first after the core's own exceptions. Its
    /// line is high for a moment only, as that of a device which is served at once.
    ///
    /// # Errors
    /// When the chip has no such input, its controller is not known, or QEMU fails.
    pub fn raise_interrupt(&mut self, number: u16) -> Result<(), Error> {
        let Controller { path, inputs } = self.controller()?;
        if u64::from(number) >= inputs {
            return Err(Error::Limit {
                what: "the number of an interrupt",
                limit: usize::try_from(inputs).unwrap_or(usize::MAX),
            });
        }
        self.qtest.set_input(path, u32::from(number), true)?;
        self.qtest.set_input(path, u32::from(number), false)
    }

    /// Makes the non-maskable interrupt pending.
    ///
    /// # Errors
    /// When the controller is not known, or QEMU fails.
    pub fn raise_nmi(&mut self) -> Result<(), Error> {
        let path = self.controller()?.path;
        self.qtest.set_named_input(path, "NMI", true)?;
        self.qtest.set_named_input(path, "NMI", false)
    }

    /// The controller, looked for once.
    pub(crate) fn controller(&mut self) -> Result<Controller, Error> {
        if let Some(known) = self.controller {
            return Ok(known);
        }
        for path in CONTROLLERS {
            if let Some(inputs) = inputs(&mut self.qmp, path)? {
                let found = Controller { path, inputs };
                self.controller = Some(found);
                return Ok(found);
            }
        }
        Err(Error::Malformed {
            socket: "QMP",
            expected: "an interrupt controller",
            found: CONTROLLERS.join(" and ") + " missing",
        })
    }
}

/// How many inputs the controller at a path has, if there is one.
fn inputs(qmp: &mut Qmp, path: &str) -> Result<Option<u64>, Error> {
    match qmp.command("qom-get", json!({ "path": path, "property": "num-irq" })) {
        Ok(count) => Ok(count.as_u64().and_then(|count| count.checked_sub(CORE_EXCEPTIONS))),
        Err(Error::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
