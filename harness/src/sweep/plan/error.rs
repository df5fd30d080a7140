//! What a sweep's file names and its image does not have.

/// Why there is no plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// The scenario is no sweep.
    #[error("plan {0}: found no [sweep], expected one")]
    NoSweep(String),
    /// The image lacks something that is named.
    #[error("find {what} {name} in {image}{known}")]
    Missing {
        /// What.
        what: &'static str,
        /// Its name.
        name: String,
        /// The image.
        image: String,
        /// The end of the message: names that the image has, if they are few.
        known: String,
    },
    /// Bytes that are not within what they are named after.
    #[error(
        "use {size_bytes} bytes from offset {offset} of {name}: it has {whole}, and a sweep needs \
         at least 1"
    )]
    Outside {
        /// The name.
        name: String,
        /// Its size in bytes, 0 if the image does not say.
        whole: u32,
        /// Where the bytes begin in it.
        offset: u32,
        /// How many.
        size_bytes: u32,
    },
    /// A word that is flipped does not lie on a multiple of 4.
    #[error("flip bits of the word at {0:#010x}, expected a multiple of 4")]
    Alignment(u32),
}
