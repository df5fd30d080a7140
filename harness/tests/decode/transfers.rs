//! DMA transfers behind a record, and which of them touched what the crash is about.

use super::sections::{crash, shown, written};
use crashrig_harness::output::json;
use crashrig_wire::section::{BrokenBlock, Section, TransferRow};
use crashrig_wire::{DmaRule, Thread, TransferState};

/// A copy of 64 bytes to where the heap's broken word is, and one that was refused.
fn rows() -> Vec<u32> {
    let copy = TransferRow {
        source: 0x2000_4000,
        destination: 0x2001_01E0,
        bytes: 64,
        advances: TransferRow::SOURCE_ADVANCES | TransferRow::DESTINATION_ADVANCES,
        stream: 0x21,
        state: Some(TransferState::TransferError),
        owner: Thread::Main.code(),
        items_left: 3,
        rule: None,
    };
    let refused = TransferRow {
        destination: 0x1000_0000,
        state: Some(TransferState::Refused),
        rule: Some(DmaRule::OutOfReach),
        ..copy
    };
    [copy.to_words(), refused.to_words()].concat()
}

#[test]
fn transfers_that_touch_the_broken_word_are_named() {
    let broken = BrokenBlock { address: 0x2001_0200, expected: 1, found: 0xA5A5_A5A5 };
    let bytes =
        written(&[(Section::BrokenBlock, broken.to_words().into()), (Section::Transfers, rows())]);
    let crash = crash(&bytes);
    let out = shown(&crash);
    for line in [
        "2.1 0x20004000 -> 0x200101e0, 64 bytes: transfer-error, 3 items left, begun by main",
        "dma     2.1 writes the broken word 0x20010200",
        "2.1 0x20004000 -> 0x10000000, 64 bytes: refused by rule out-of-reach, 3 items left",
    ] {
        assert!(out.contains(line), "{line} in\n{out}");
    }
    assert_eq!(out.matches("the broken word").count(), 1, "{out}");
    let transfers = &json::crash(&crash)["sections"]["transfers"];
    assert_eq!(
        (&transfers[0]["state"], &transfers[1]["rule"]),
        (&"transfer-error".into(), &"out-of-reach".into())
    );
    assert_eq!((&transfers[0]["owner"], &transfers[0]["controller"]), (&"main".into(), &2.into()));
}
