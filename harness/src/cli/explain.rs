//! `crashrig explain`: a bundle, a record, a crash region or a RAM dump, in words or as JSON.

use super::CommandError;
use super::say::{complain, say};
use crate::decode::backup::records;
use crate::decode::{assemble, records as region};
use crate::evidence::{self, EVIDENCE_FILE, IMAGE_FILE};
use crate::execute::{JudgeError, load_image};
use crate::exit;
use crate::image::Image;
use crate::output::json;
use crate::output::text::{self, Detail};
use crate::report::{BackupReport, CrashReport};
use crate::rig::Rig;
use crashrig_layout::parse::Board;
use crashrig_wire::Ledger;
use crashrig_wire::history::HISTORY_BYTES;
use crashrig_wire::record::{MAGIC, RECORD_LENGTH, Reading, read};
use crashrig_wire::region::{SMALLEST_REGION, Slot};
use std::path::{Path, PathBuf};

/// A file of registers is no longer than this: a record is longer.
const MOST_REGISTER_BYTES: usize = 128;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A bundle's folder; or a file with one record (256 bytes, or with its sections), a crash
    /// region, a RAM dump, a history of records, or registers that hold the ledger.
    input: PathBuf,
    /// The image that wrote it. A bundle brings its own.
    #[arg(long, value_name = "FILE")]
    elf: Option<PathBuf>,
    /// For a RAM dump: the address of its first byte, decimal or with 0x in front.
    #[arg(long, value_name = "ADDRESS", value_parser = number)]
    base: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn number(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| format!("{error}, expected an address such as 0x20000000"))
}

/// Why something cannot be explained.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExplainError {
    #[error("explain {0}: a file needs the image that wrote it: pass --elf FILE")]
    NoImage(PathBuf),
    #[error(
        "explain {path}: found {found} bytes, expected a record of {RECORD_LENGTH} bytes, \
         or a crash region of at least {SMALLEST_REGION}"
    )]
    Size { path: PathBuf, found: usize },
    #[error("explain {path}: no record: {}", .reasons.join("; "))]
    NoRecord { path: PathBuf, reasons: Vec<String> },
    #[error("explain {path}: it is of build {found}, the image {image} is build {expected}")]
    OtherBuild { path: PathBuf, image: PathBuf, found: String, expected: String },
    #[error("find the crash region in {path}: {reason}")]
    Dump { path: PathBuf, reason: String },
    #[error("explain {0}: found nothing there, expected a bundle's folder or a file")]
    Nothing(PathBuf),
    #[error("explain {0}: found a folder without {EVIDENCE_FILE}, expected a bundle's")]
    NoBundle(PathBuf),
    #[error("explain {0}: --base is for a RAM dump, and this is a bundle")]
    BaseOfBundle(PathBuf),
}

pub(super) fn explain(arguments: &Arguments) -> Result<u8, CommandError> {
    let input = &arguments.input;
    if !input.exists() {
        return Err(ExplainError::Nothing(input.clone()).into());
    }
    if input.is_dir() || input.ends_with(EVIDENCE_FILE) {
        let folder = if input.is_dir() { input.as_path() } else { input.parent().unwrap_or(input) };
        return explain_bundle(folder, arguments);
    }
    let elf = arguments.elf.as_ref().ok_or_else(|| ExplainError::NoImage(input.clone()))?;
    let image = load_image(elf)?;
    let bytes = evidence::read_file(input).map_err(JudgeError::from)?;
    if let Some(kept) = on_battery(&bytes, &image).filter(|_| arguments.base.is_none()) {
        return explain_kept(&kept, input, &image, arguments.json);
    }
    let (bytes, missing) = match arguments.base {
        Some(base) => (region_of_dump(&bytes, base, &image, input)?, 0),
        None => whole_region(bytes, &image, input)?,
    };
    if missing > 0 {
        let (found, whole) = (bytes.len() - missing, bytes.len());
        let path = input.display();
        complain!("warning: {path} was cut short: found {found} bytes of a region of {whole}");
    }
    let crashes = crashes(&bytes, &image, input)?;
    let ledger = region::ledger(&bytes);
    if arguments.json {
        let rows: Vec<_> = crashes.iter().map(json::crash).collect();
        let ledger = ledger.as_ref().map(json::ledger);
        let schema = json::SCHEMA;
        say!(
            "{:#}",
            serde_json::json!({
                "schema": schema,
                "bytes_missing": missing,
                "ledger": ledger,
                "records": rows,
            })
        );
    } else {
        for crash in &crashes {
            let mut out = String::new();
            text::crash(&mut out, crash, Detail::Full);
            say!("{out}");
        }
        if let Some(ledger) = &ledger {
            let mut out = String::new();
            text::ledger(&mut out, ledger);
            say!("{out}");
        }
    }
    Ok(exit::PASS)
}

/// What was on a battery: a history with a sound slot, or registers with a sound ledger.
fn on_battery(bytes: &[u8], image: &Image) -> Option<BackupReport> {
    let ledger = (bytes.len() <= MOST_REGISTER_BYTES).then(|| Ledger::read(bytes)).flatten();
    // The region of a chip may be some bytes longer.
    let is_history = (HISTORY_BYTES..HISTORY_BYTES + 64).contains(&bytes.len());
    let history = if is_history { records(bytes, image) } else { Vec::new() };
    let is_some = ledger.is_some() || history.iter().any(Option::is_some);
    is_some.then_some(BackupReport { ledger, history })
}

fn explain_kept(
    kept: &BackupReport,
    path: &Path,
    image: &Image,
    json: bool,
) -> Result<u8, CommandError> {
    let crashes = kept.records();
    for crash in &crashes {
        same_build(&crash.record.build_id, image, path)?;
    }
    if json {
        let ledger = kept.ledger.as_ref().map(json::ledger);
        let records = json::history(&crashes);
        let schema = json::SCHEMA;
        say!("{:#}", serde_json::json!({ "schema": schema, "ledger": ledger, "records": records }));
        return Ok(exit::PASS);
    }
    let mut out = String::new();
    text::backup(&mut out, kept);
    for crash in crashes {
        text::crash(&mut out, crash, Detail::Full);
    }
    say!("{out}");
    Ok(exit::PASS)
}

fn explain_bundle(folder: &Path, arguments: &Arguments) -> Result<u8, CommandError> {
    if arguments.base.is_some() {
        return Err(ExplainError::BaseOfBundle(folder.to_owned()).into());
    }
    if !folder.join(EVIDENCE_FILE).exists() {
        return Err(ExplainError::NoBundle(folder.to_owned()).into());
    }
    let evidence = evidence::read(folder).map_err(JudgeError::from)?;
    let own = load_image(&folder.join(IMAGE_FILE))?;
    let image = match &arguments.elf {
        None => own,
        Some(elf) => {
            let other = load_image(elf)?;
            same_build(&own.build_id(), &other, folder)?;
            other
        }
    };
    let board = Board::load(&Rig::here().boards(), &evidence.board).map_err(|error| {
        JudgeError::Board { board: evidence.board.clone(), message: error.to_string() }
    })?;
    let report = assemble::report(&evidence, &image, &board);
    if arguments.json {
        say!("{:#}", json::report(&report));
    } else {
        say!(
            "{} (seed {:#x})\n{}",
            evidence.test,
            evidence.seed,
            text::boots(&report, Detail::Full)
        );
    }
    Ok(exit::PASS)
}

/// Bytes that are no more than a crash region; more than that is a dump, and needs its address. In
/// a region that was cut short zeros stand for what is missing, which is answered too: where the
/// slots lie follows from the whole size.
fn whole_region(
    mut bytes: Vec<u8>,
    image: &Image,
    path: &Path,
) -> Result<(Vec<u8>, usize), ExplainError> {
    let size = image.symbol("__crashrig_crash_size_bytes").map(|symbol| symbol.address as usize);
    match size {
        Some(size) if SMALLEST_REGION <= bytes.len() && bytes.len() < size && !is_slot(&bytes) => {
            let missing = size - bytes.len();
            bytes.resize(size, 0);
            Ok((bytes, missing))
        }
        Some(size) if bytes.len() > size => Err(ExplainError::Dump {
            path: path.to_owned(),
            reason: format!(
                "found {} bytes, the region has {size}; for a RAM dump pass --base ADDRESS",
                bytes.len()
            ),
        }),
        _ => Ok((bytes, 0)),
    }
}

/// Whether nothing was ever written there: flash and RAM begin with one of these.
fn is_erased(bytes: &[u8]) -> bool {
    [0, 0xFF].iter().any(|blank| bytes.iter().all(|byte| byte == blank))
}

/// Whether bytes are a slot, or a record alone, and no region.
fn is_slot(bytes: &[u8]) -> bool {
    bytes.len() == RECORD_LENGTH || bytes.starts_with(&MAGIC.to_le_bytes())
}

/// Cuts the crash region out of a RAM dump.
fn region_of_dump(
    dump: &[u8],
    base: u32,
    image: &Image,
    path: &Path,
) -> Result<Vec<u8>, ExplainError> {
    let error = |reason: String| ExplainError::Dump { path: path.to_owned(), reason };
    let symbol = |name: &str| {
        let symbol = image.symbol(name).map(|symbol| symbol.address);
        symbol.ok_or_else(|| error(format!("the image has no symbol {name}")))
    };
    let start = symbol("__crashrig_crash_start")?;
    let size = symbol("__crashrig_crash_size_bytes")? as usize;
    let range = start.checked_sub(base).map(|offset| offset as usize..offset as usize + size);
    let bytes = range.and_then(|range| dump.get(range)).map(<[u8]>::to_vec);
    bytes.ok_or_else(|| {
        let end = u64::from(base) + dump.len() as u64;
        let beyond = if end > 1 << 32 { ", which is beyond 4 GiB" } else { "" };
        error(format!("it lies at {start:#010x}, the dump holds {base:#010x}..{end:#010x}{beyond}"))
    })
}

/// Every record in some bytes: one record, or both slots of a region.
fn crashes(bytes: &[u8], image: &Image, path: &Path) -> Result<Vec<CrashReport>, ExplainError> {
    let record = bytes.split_first_chunk().filter(|_| is_slot(bytes));
    let readings = if let Some((record, behind)) = record {
        vec![(Slot::First, record as &[u8; RECORD_LENGTH], behind)]
    } else if bytes.len() >= SMALLEST_REGION {
        let reading = |slot| {
            let behind = region::section_bytes(bytes, slot);
            Some((slot, region::slot_bytes(bytes, slot)?, behind))
        };
        Slot::ALL.into_iter().filter_map(reading).collect()
    } else {
        return Err(ExplainError::Size { path: path.to_owned(), found: bytes.len() });
    };
    let mut crashes = Vec::new();
    let mut reasons = Vec::new();
    for (slot, record, behind) in readings {
        let reading = read(record);
        match reading {
            Reading::Valid(record) | Reading::Partial(record) => {
                same_build(&record.build_id, image, path)?;
                let partial = matches!(reading, Reading::Partial(_));
                crashes.push(assemble::crash_of_record(slot, &record, partial, behind, image));
            }
            Reading::Corrupt(corruption) => {
                reasons.push(format!("slot {}: {corruption}", slot.name()))
            }
            Reading::Blank if !is_erased(record) => {
                let [b0, b1, b2, b3, ..] = record;
                let found = format!("{b0:02x} {b1:02x} {b2:02x} {b3:02x}");
                reasons.push(format!("slot {}: found {found}, no record's magic", slot.name()));
            }
            other => reasons.push(format!("slot {} is {}", slot.name(), other.name())),
        }
    }
    if crashes.is_empty() {
        return Err(ExplainError::NoRecord { path: path.to_owned(), reasons });
    }
    Ok(crashes)
}

fn same_build(
    found: &crashrig_wire::BuildId,
    image: &Image,
    path: &Path,
) -> Result<(), ExplainError> {
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if *found == image.build_id() {
        return Ok(());
    }
    Err(ExplainError::OtherBuild {
        path: path.to_owned(),
        image: image.origin().to_owned(),
        found: hex(found),
        expected: hex(&image.build_id()),
    })
}
