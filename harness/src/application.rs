//! The application as a scenario wants it in flash: as it was built, or damaged, from the seed.
//!
//! The damage is what a bootloader is there for: a download that was cut short, a bit of flash that
//! changed, vectors that lead nowhere, a header of another build. Pure; the target writes it.

use crate::image::{Flash, Image};
use crate::noise::Noise;
use crate::scenario::Damage;
use crate::target::BenchError;
use crashrig_wire::image_header::{HEADER_LENGTH, HEADER_OFFSET, ImageHeader};

/// The first byte behind vector table and header.
const BODY: usize = HEADER_OFFSET + HEADER_LENGTH;
/// Length of the end mark.
const END_BYTES: usize = 4;
/// Initial stack pointer and reset vector.
const FIRST_VECTORS: u32 = 2;

/// What stands in flash behind the bootloader of an image. Without one there is nothing: the image
/// is started as it is.
///
/// # Errors
/// There is no bootloader, and damage is wanted; or the two programs do not go together.
pub fn in_flash(
    image: &Image,
    how: Damage,
    noise: &mut Noise,
) -> Result<Option<Flash>, BenchError> {
    let Some(bootloader) = image.bootloader() else {
        return match how {
            Damage::None => Ok(None),
            _ => Err(BenchError("damage the application: the board has no bootloader".to_owned())),
        };
    };
    go_together(image, bootloader)?;
    let mut flash = Flash::of(image.bytes()).map_err(BenchError::of)?;
    damage(&mut flash, how, noise);
    Ok(Some(flash))
}

/// Both programs must have the crash region at the same place, and the bootloader must not write to
/// RAM that the application keeps over a reset, in which the host also leaves its commands.
fn go_together(image: &Image, bootloader: &Image) -> Result<(), BenchError> {
    let value = |image: &Image, name: &str| {
        image.symbol(name).map(|symbol| symbol.address).ok_or_else(|| {
            BenchError(format!("find symbol {name} in {}", image.origin().display()))
        })
    };
    for name in ["__crashrig_crash_start", "__crashrig_crash_size_bytes"] {
        let (expected, found) = (value(image, name)?, value(bootloader, name)?);
        if expected != found {
            return Err(BenchError(format!(
                "use {}: {name} is {found:#x}, expected {expected:#x} as in the application",
                bootloader.origin().display()
            )));
        }
    }
    let (kept, used) =
        (value(image, "__crashrig_noinit_start")?, value(bootloader, "__crashrig_static_end")?);
    if used > kept {
        return Err(BenchError(format!(
            "use {}: it writes to RAM up to {used:#x}, expected none from {kept:#x} on, where the \
             application keeps data over a reset",
            bootloader.origin().display()
        )));
    }
    Ok(())
}

/// Damages an application. An image that is too short for it stays as it is.
fn damage(flash: &mut Flash, damage: Damage, noise: &mut Noise) {
    let body = BODY..flash.bytes.len().saturating_sub(END_BYTES).max(BODY);
    let mut somewhere = || {
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        body.start + noise.below(length) as usize
    };
    match damage {
        Damage::None => {}
        Damage::Truncated => flash.bytes.truncate(somewhere()),
        Damage::BitFlipped => {
            let at = somewhere();
            flip(flash, at, noise);
        }
        Damage::WrongVector => {
            // The lowest bits of both: a stack pointer that is not aligned, a vector that is no
            // Thumb code. The highest ones lead out of RAM and out of flash.
            let entry = 4 * noise.below(FIRST_VECTORS) as usize;
            let (at, mask) = if noise.below(2) == 0 { (entry, 1) } else { (entry + 3, 0x40) };
            if let Some(byte) = flash.bytes.get_mut(at) {
                *byte ^= mask;
            }
        }
        Damage::OtherBuild => {
            let Some(header) = ImageHeader::read(&flash.bytes) else { return };
            let at = header.build_id_offset as usize + noise.below(8) as usize;
            flip(flash, at, noise);
            ImageHeader::seal_again(&mut flash.bytes);
        }
    }
}

fn flip(flash: &mut Flash, at: usize, noise: &mut Noise) {
    if let Some(byte) = flash.bytes.get_mut(at) {
        *byte ^= 1 << noise.below(8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crashrig_wire::image_header::{END_MARK, Refusal};

    /// What the damage makes of a good image, over many seeds, without a look at vectors.
    fn check(how: Damage, expected: Result<(), Refusal>) {
        for seed in 0..200 {
            let mut bytes = vec![0x11; 1500];
            bytes.extend(END_MARK.to_le_bytes());
            assert!(ImageHeader::seal(&mut bytes, 1200));
            let mut flash = Flash { start: 0x0800_8000, bytes: bytes.clone() };
            damage(&mut flash, how, &mut Noise::new(seed));
            assert_eq!(ImageHeader::check(&flash.bytes).map(|_| ()), expected, "{how:?} {seed}");
            assert_eq!(flash.bytes == bytes, how == Damage::None);
            let vectors = |bytes: &[u8]| bytes[..8] != [0x11; 8];
            assert_eq!(vectors(&flash.bytes), how == Damage::WrongVector);
        }
    }

    #[test]
    fn each_damage_is_the_one_that_its_name_says() {
        check(Damage::None, Ok(()));
        check(Damage::Truncated, Err(Refusal::Length));
        check(Damage::BitFlipped, Err(Refusal::Crc));
        check(Damage::WrongVector, Err(Refusal::Crc));
        check(Damage::OtherBuild, Err(Refusal::BuildId));
    }
}
