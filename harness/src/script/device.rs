//! A device that does nothing but answer scripts: one boot for as many as there are.

use super::talk::{Conversation, Desk};
use crate::image::Image;
use crate::scenario::Fill;
use crate::target::{BenchError, Session, Target};
use crashrig_wire::command::MAILBOX_SYMBOL;
use crashrig_wire::script::{Request, Response};
use crashrig_wire::{Fault, Mailbox};
use std::path::Path;

/// A device on a boot that carries out `heap-script`.
pub struct Device {
    session: Box<dyn Session>,
    conversation: Conversation,
}

impl Device {
    /// Powers a device up and lets it run. Its raw streams go into a folder, which is made.
    ///
    /// # Errors
    /// The bench failed, or the image carries out no scripts.
    pub fn start(
        target: &dyn Target,
        image: &Image,
        seed: u64,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        std::fs::create_dir_all(folder).map_err(BenchError::of)?;
        let desk = Desk::of(image)?;
        let mailbox = image.symbol(MAILBOX_SYMBOL).map(|symbol| symbol.address);
        let mailbox = mailbox.ok_or_else(|| {
            BenchError(format!("find symbol {MAILBOX_SYMBOL} in {}", image.origin().display()))
        })?;
        let mut session = target.open(image, None, &[], folder)?;
        session.power_on(Fill::Noise, seed, false)?;
        let command = Mailbox {
            run_id: 1,
            ticket: 1,
            fault: Fault::HeapScript,
            flags: Mailbox::SEMIHOSTING,
            seed: 0,
            parameters: [0; 4],
            without: 0,
        };
        session.write(mailbox, &command.to_bytes())?;
        desk.clear(session.as_mut())?;
        session.resume()?;
        Ok(Self { session, conversation: Conversation::new(desk) })
    }

    /// Puts requests to it, as [`Conversation::ask`].
    ///
    /// # Errors
    /// The bench failed.
    pub fn ask(&mut self, requests: &[Request]) -> Result<Vec<Option<Response>>, BenchError> {
        self.conversation.ask(self.session.as_mut(), requests)
    }
}
