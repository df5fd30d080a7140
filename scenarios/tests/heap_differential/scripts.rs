//! Random scripts: what is asked, how often, and over which regions.

use crashrig_harness::script::{Region, Script, Step};
use crashrig_layout::Capabilities;
use crashrig_wire::script::{OVERRUN_LIMIT_BYTES, Request, ScriptLevel};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

const NONE: Capabilities = Capabilities::NONE;
const EXEC: Capabilities = Capabilities::EXEC;
const WORD: Capabilities = Capabilities::WORD;
const BYTE: Capabilities = Capabilities::BYTE;
const DMA: Capabilities = Capabilities::DMA;
const DEFAULT: Capabilities = Capabilities::DEFAULT;
const RETENTION: Capabilities = Capabilities::RETENTION;

/// Slots that random scripts use: few enough that most are in use, and memory runs out.
const SLOTS: u16 = 24;
/// Most steps of a random script.
const STEPS: usize = 300;

/// Names and regions of the heaps that are tried.
pub fn region_sets() -> [(&'static str, Vec<Region>); 3] {
    let region = |offset, size, caps| Region { offset, size, caps };
    let plain = BYTE.union(WORD).union(DEFAULT);
    [
        ("one", vec![region(0, 0x2000, [plain.union(DMA), NONE, NONE])]),
        // As on an STM32F4: memory without DMA first, then two regions side by side.
        (
            "banks",
            vec![
                region(0, 0x1000, [plain, NONE, NONE]),
                region(0x1000, 0x4000, [DMA, plain, NONE]),
                region(0x5000, 0x1000, [DMA.union(RETENTION), NONE, plain]),
            ],
        ),
        // Of odd sizes at odd places, for data, for words and for code; one of them tiny.
        (
            "odd",
            vec![
                region(4, 1023, [EXEC, WORD, NONE]),
                region(1100, 2050, [DEFAULT, BYTE, WORD]),
                region(3209, 130, [DMA, BYTE, NONE]),
                region(8193, 20_000, [RETENTION, DMA, plain]),
            ],
        ),
    ]
}

/// Scripts over some regions. One in four writes beyond blocks; at a level that believes whatever
/// was written there, none: such a heap need not come to an end.
pub fn scripts(level: ScriptLevel, regions: Vec<Region>) -> impl Strategy<Value = Script> {
    let in_four = if level == ScriptLevel::Off { 0 } else { 1 };
    let overruns = (0..4_u8).prop_map(move |number| number < in_four);
    (overruns, vec(request(), 1..STEPS)).prop_map(move |(overruns, requests)| {
        let is_kept = |request: &Request| overruns || !matches!(request, Request::Overrun { .. });
        let steps = requests.into_iter().filter(is_kept);
        let steps = steps.map(|request| Step { request, expected: None }).collect();
        Script { boot: 1, level, regions: regions.clone(), steps }
    })
}

fn request() -> impl Strategy<Value = Request> {
    let wish = || (0..SLOTS, size(), caps(), alignment());
    prop_oneof![
        20 => wish().prop_map(|(slot, size, caps, alignment)| {
            Request::Allocate { slot, size, caps, alignment }
        }),
        10 => wish().prop_map(|(slot, size, caps, alignment)| {
            Request::Reallocate { slot, size, caps, alignment }
        }),
        14 => (0..SLOTS).prop_map(|slot| Request::Free { slot }),
        1 => (0..SLOTS, 0..=OVERRUN_LIMIT_BYTES)
            .prop_map(|(slot, size)| Request::Overrun { slot, size }),
        2 => Just(Request::Check),
        2 => caps().prop_map(|caps| Request::Totals { caps }),
    ]
}

fn size() -> impl Strategy<Value = u32> {
    prop_oneof![
        10 => 1..64_u32,
        8 => 64..512_u32,
        4 => 512..5000_u32,
        1 => 5000..30_000_u32,
        1 => select(vec![0, 1, 0x7FFF_FFFF, 0xFFFF_FFF0, u32::MAX]),
    ]
}

fn caps() -> impl Strategy<Value = u32> {
    let common = vec![BYTE, DEFAULT, DMA, BYTE.union(DMA)];
    let rare = vec![NONE, EXEC, WORD, RETENTION, Capabilities::SPIRAM, EXEC.union(DMA)];
    prop_oneof![8 => select(common), 1 => select(rare)].prop_map(Capabilities::bits)
}

fn alignment() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => Just(8),
        3 => (0..13_u32).prop_map(|bit| 1 << bit),
        1 => any::<u32>().prop_map(|word| word % 100),
    ]
}
