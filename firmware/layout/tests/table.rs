//! The generated region table as a program sees it: it compiles, and it says what the chip file
//! says.

/// The generated table is included as the image includes it, so it must compile.
#[expect(dead_code, reason = "only some of the generated items are looked at here")]
mod table {
    include!("generated/netduinoplus2.regions.rs.txt");
}

#[test]
fn the_generated_table_is_usable() {
    use crashrig_layout::{Capabilities, Master, Reset};
    let region = |name| table::REGIONS.iter().find(|region| region.name == name).unwrap();
    assert!(region("sram1").reached_by(Master::Dma1Memory));
    assert!(!region("ccm").capabilities.contains(Capabilities::DMA));
    assert!(!region("ccm").capabilities.contains(Capabilities::EXEC));
    assert!(region("ccm").is_retained_over(Reset::SystemReset));
    assert!(!region("sram1").is_retained_over(Reset::Standby));
    assert!(region("backup-sram").is_retained_over(Reset::Standby));
    assert_eq!(table::CLOCK_ENABLES.iter().map(|it| it.region).collect::<Vec<_>>(), ["ccm"]);
    assert_eq!(table::INTERRUPT_COUNT, 82);
}
