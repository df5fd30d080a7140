//! Records the trace of a program: `cargo run --package crashrig-bench` writes it anew.
//!
//! The program is what a device does that keeps its settings as JSON: it reads a document, changes
//! some values, adds and removes others, writes the whole as text, and reads that again; the older
//! document goes when the newer one is there. Every request that `serde_json` and the standard
//! library make for it is recorded in the order in which it was made, with its size. Sizes of what
//! holds pointers, as its alignment tells, are halved, as on a core of 32 bits; those of text stay.
//!
//! It runs on the host and is no part of the image.

use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where the trace stands; also where the image gets it from.
const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/traces/settings.txt");
/// Most steps of a trace, see `trace.rs`.
const STEP_LIMIT: usize = 1800;
/// Most bytes at a time: three quarters of the memory of the bench, as the sum of all sizes.
const LIVE_LIMIT_BYTES: usize = 48 * 1024;
/// The largest block of the trace.
const BLOCK_LIMIT_BYTES: usize = 2048;
/// Steps of a line of the file.
const STEPS_OF_LINE: usize = 11;

#[derive(Debug, Clone, Copy)]
enum Event {
    Allocate { at: usize, layout: Layout },
    Free { at: usize },
    Resize { from: usize, to: usize, layout: Layout },
}

/// What was recorded. Its room is made before, so that to record allocates nothing.
static EVENTS: Mutex<Vec<Event>> = Mutex::new(Vec::new());
static IS_RECORDING: AtomicBool = AtomicBool::new(false);

struct Recorder;

#[global_allocator]
static RECORDER: Recorder = Recorder;

fn note(event: Event) {
    if IS_RECORDING.load(Ordering::Relaxed)
        && let Ok(mut events) = EVENTS.lock()
        && events.len() < events.capacity()
    {
        events.push(event);
    }
}

// SAFETY: everything is done by the system's allocator.
unsafe impl GlobalAlloc for Recorder {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { System.alloc(layout) };
        note(Event::Allocate { at: block.addr(), layout });
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(Event::Free { at: block.addr() });
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size_bytes: usize) -> *mut u8 {
        let from = block.addr();
        // SAFETY: as the caller promises.
        let moved = unsafe { System.realloc(block, layout, size_bytes) };
        if let Ok(layout) = Layout::from_size_align(size_bytes, layout.align()) {
            note(Event::Resize { from, to: moved.addr(), layout });
        }
        moved
    }
}

/// Records, and writes the file.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    EVENTS.lock().map_err(|_| "lock the events")?.reserve(64 * STEP_LIMIT);
    let first = settings().to_string();
    IS_RECORDING.store(true, Ordering::Relaxed);
    let ended = run(&first);
    IS_RECORDING.store(false, Ordering::Relaxed);
    ended?;
    let events = std::mem::take(&mut *EVENTS.lock().map_err(|_| "lock the events")?);
    std::fs::write(PLACE, text(&events)?).map_err(|error| format!("write {PLACE}: {error}"))?;
    println!("wrote {PLACE}");
    Ok(())
}

/// The settings that the program begins with.
fn settings() -> Value {
    let channel = |number: u32| {
        json!({
            "name": format!("channel {number}"),
            "gain": f64::from(number) * 1.25,
            "limits": [number, 10 * number, 100 * number],
            "labels": { "unit": "mV", "place": "board" },
        })
    };
    json!({
        "device": { "name": "bench", "serial": "0042-7731", "firmware": "1.4.2" },
        "network": {
            "host": "telemetry.example.org",
            "port": 8883,
            "retry_ms": [100, 500, 2500, 10000],
            "certificate": "0123456789abcdef".repeat(20),
        },
        "channels": (1..6).map(channel).collect::<Vec<_>>(),
        "log": [],
    })
}

/// The program, until the trace is full.
fn run(first: &str) -> Result<(), serde_json::Error> {
    let mut current: Value = serde_json::from_str(first)?;
    for round in 0_u32.. {
        if let Some(log) = current.get_mut("log").and_then(Value::as_array_mut) {
            log.push(json!({ "round": round, "text": format!("settings written {round} times") }));
            if log.len() > 6 {
                log.remove(0);
            }
        }
        if let Some(device) = current.get_mut("device").and_then(Value::as_object_mut) {
            device
                .insert(format!("key {}", round % 5), Value::from("v".repeat(8 + round as usize)));
            device.remove(&format!("key {}", (round + 2) % 5));
        }
        let written = current.to_string();
        let newer = serde_json::from_str(&written)?;
        current = newer;
        if EVENTS.lock().is_ok_and(|events| events.len() > STEP_LIMIT) {
            break;
        }
    }
    Ok(())
}

/// What a size is on a core of 32 bits.
fn size_bytes(layout: Layout) -> usize {
    let size = if layout.align() < 8 { layout.size() } else { layout.size().div_ceil(2) };
    size.clamp(1, BLOCK_LIMIT_BYTES)
}

/// The trace as the image reads it: tokens of eight characters and one between them.
fn text(events: &[Event]) -> Result<String, String> {
    let mut slots: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    let mut unused: Vec<usize> = (0..999).rev().collect();
    let (mut text, mut live_bytes, mut most_bytes) = (String::new(), 0, 0);
    for (step, event) in events.iter().take(STEP_LIMIT).enumerate() {
        let (kind, slot, size) = match *event {
            Event::Allocate { at, layout } => {
                let slot = unused.pop().ok_or("more blocks than slots")?;
                slots.insert(at, (slot, size_bytes(layout)));
                live_bytes += size_bytes(layout);
                ('+', slot, size_bytes(layout))
            }
            Event::Free { at } => {
                let (slot, size) = slots.remove(&at).ok_or("a block of before is freed")?;
                unused.push(slot);
                live_bytes -= size;
                ('-', slot, 0)
            }
            Event::Resize { from, to, layout } => {
                let (slot, old) = slots.remove(&from).ok_or("a block of before is resized")?;
                slots.insert(to, (slot, size_bytes(layout)));
                live_bytes = live_bytes + size_bytes(layout) - old;
                ('~', slot, size_bytes(layout))
            }
        };
        most_bytes = most_bytes.max(live_bytes);
        let end = if (step + 1).is_multiple_of(STEPS_OF_LINE) { '\n' } else { ' ' };
        write!(text, "{kind}{slot:03}{size:04}{end}").map_err(|error| error.to_string())?;
    }
    println!("{} steps, at most {most_bytes} bytes at a time", events.len().min(STEP_LIMIT));
    if most_bytes > LIVE_LIMIT_BYTES {
        return Err(format!("{most_bytes} bytes at a time, up to {LIVE_LIMIT_BYTES}"));
    }
    let mut text = text.trim_end().to_owned();
    text.push('\n');
    Ok(text)
}
