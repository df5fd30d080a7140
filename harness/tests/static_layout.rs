//! The memory of every board's image, read from its ELF file: the order of the memory model, no
//! overlap, and a crash region that nothing loads.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop anywhere")]

use crashrig_harness::execute::load_image;
use crashrig_harness::image::{Flash, Image};
use crashrig_harness::rig::Rig;
use crashrig_layout::parse::{Board, CrashPlace};
use crashrig_wire::image_header::ImageHeader;
use object::{Object, ObjectSection, ObjectSegment, SectionKind};

struct Layout {
    image: Image,
    board: Board,
}

impl Layout {
    fn of(board: &str) -> Self {
        Self::with(board, &[])
    }

    fn with(board: &str, features: &[String]) -> Self {
        let rig = Rig::here();
        let path = rig.image(board, features).expect("an image");
        let image = Image::parse(std::fs::read(&path).unwrap(), &path).expect("an ELF file");
        Self { image, board: Board::load(&rig.boards(), board).expect("a board") }
    }

    fn at(&self, name: &str) -> u32 {
        self.image.symbol(&format!("__crashrig_{name}")).expect(name).address
    }

    /// Each name must lie at or above the one before.
    fn rise(&self, names: &[&str]) {
        for pair in names.windows(2) {
            if let [lower, upper] = pair {
                assert!(self.at(lower) <= self.at(upper), "{lower} before {upper}");
            }
        }
    }
}

const WITH_BOOTLOADER: &str = "netduinoplus2-bootloader";

/// Every board that has an image: those that the emulator runs.
fn boards() -> Vec<String> {
    let boards = Rig::here().all_boards().expect("sound board files");
    let emulated = boards.into_iter().filter(|board| board.emulator().is_some());
    emulated.map(|board| board.name).collect()
}

#[test]
fn static_ram_is_in_the_order_of_the_memory_model() {
    for board in boards() {
        let layout = Layout::of(&board);
        layout.rise(&[
            "ram_start",
            "vectors_start",
            "data_start",
            "data_end",
            "bss_start",
            "bss_end",
            "main_guard_start",
            "main_guard_end",
            "main_stack_start",
            "main_stack_end",
            "timer_guard_start",
            "timer_stack_start",
            "timer_stack_end",
            "idle_guard_start",
            "idle_stack_start",
            "idle_stack_end",
            "upper_start",
            "upper_end",
            "heap_start",
            "heap_end",
            "isr_guard_start",
            "isr_guard_end",
            "isr_stack_start",
            "isr_stack_end",
        ]);
        assert_eq!(layout.at("vectors_start"), layout.at("ram_start"));
        assert_eq!(layout.at("isr_stack_end"), layout.at("ram_end"), "the last address of RAM");
        assert_eq!(layout.at("main_guard_end"), layout.at("main_stack_start"));
        assert_eq!(layout.at("isr_guard_end"), layout.at("isr_stack_start"));
        let alignment = layout.at("vectors_size_bytes").next_power_of_two();
        assert_eq!(layout.at("vectors_start") % alignment, 0, "VTOR takes such addresses only");
        for guard in ["main_guard_start", "isr_guard_start"] {
            assert_ne!(layout.at(guard) % 1024, 0, "a guard covers no first byte of a page");
        }
    }
}

/// The device holds its heap against the same symbols (`heap-is-the-rest`).
#[test]
fn more_static_data_are_less_heap() {
    const MORE_BYTES: u32 = 4096;
    let heap = |features: &[String]| {
        let layout = Layout::with("netduinoplus2", features);
        layout.at("heap_end") - layout.at("heap_start")
    };
    let more = ["more-static-data".to_owned()];
    assert_eq!(heap(&[]) - heap(&more), MORE_BYTES);
}

#[test]
fn the_crash_region_lies_where_the_board_says() {
    for board in boards() {
        let layout = Layout::of(&board);
        let (start, size) = (layout.at("crash_start"), layout.at("crash_size_bytes"));
        let vectors_end = layout.at("vectors_start") + layout.at("vectors_size_bytes");
        match layout.board.crash_place {
            CrashPlace::AfterVectorTable => {
                assert_eq!(start, vectors_end.next_multiple_of(512));
                assert!(start + size <= layout.at("data_start"));
            }
            CrashPlace::EndOfSram2 => {
                assert_eq!(start + size, layout.at("isr_guard_start"));
                assert!(layout.at("heap_end") <= start);
            }
            CrashPlace::EndOfCcm => {
                let ccm = layout.board.chip.region("ccm").expect("CCM").range;
                assert_eq!(start + size, ccm.start + ccm.size_bytes);
            }
        }
    }
}

#[test]
fn nothing_is_loaded_into_ram_and_no_sections_overlap() {
    for board in boards() {
        let layout = Layout::of(&board);
        let file = object::File::parse(layout.image.bytes()).unwrap();
        let region = file.section_by_name(".crash_region").expect("a section");
        assert_eq!(region.kind(), SectionKind::UninitializedData);
        let ram = u64::from(layout.at("ram_start"));
        for segment in file.segments() {
            let (_, size_in_file) = segment.file_range();
            let initial_data = segment.address() == u64::from(layout.at("data_start"));
            assert!(segment.address() < ram || size_in_file == 0 || initial_data);
        }
        let mut ranges: Vec<_> = file
            .sections()
            .filter(|section| section.size() > 0 && section.address() > 0)
            .map(|section| (section.address(), section.address() + section.size()))
            .collect();
        ranges.sort_unstable();
        assert!(ranges.is_sorted_by(|one, next| one.1 <= next.0), "{board}: {ranges:x?}");
    }
}

#[test]
fn every_image_is_sealed_with_its_own_build_id() {
    for board in boards() {
        let layout = Layout::of(&board);
        let flash = Flash::of(layout.image.bytes()).expect("segments");
        let header = ImageHeader::check(&flash.bytes).expect("a sealed image");
        assert_eq!(header.build_id, layout.image.build_id(), "{board}");
        assert_eq!(header.length_bytes as usize, flash.bytes.len(), "{board}");
        assert_eq!(flash.start, layout.at("flash_vectors"), "{board}");
    }
}

#[test]
fn bootloader_and_application_share_flash() {
    let rig = Rig::here();
    let board = Board::load(&rig.boards(), WITH_BOOTLOADER).expect("a board");
    let image = load_image(&rig.image(WITH_BOOTLOADER, &[]).expect("images")).expect("images");
    let bootloader = image.bootloader().expect("a bootloader");
    assert_ne!(image.build_id(), bootloader.build_id());
    let taken = board.bootloader.expect("a bootloader");
    let in_front = Flash::of(bootloader.bytes()).expect("segments");
    assert!(ImageHeader::check(&in_front.bytes).is_ok());
    assert_eq!(in_front.start, taken.start);
    assert!(in_front.bytes.len() <= taken.size_bytes as usize);
    let behind = Flash::of(image.bytes()).expect("segments");
    assert_eq!(behind.start, taken.start + taken.size_bytes);
    assert!(image.code_ranges().iter().all(|range| range.start >= behind.start));
    // None but the board with a bootloader has one beside its image.
    let plain = load_image(&rig.image("netduinoplus2", &[]).expect("an image")).expect("an image");
    assert!(plain.bootloader().is_none());
}

/// The smallest crash region stands in `layout` and in `wire`, which may not name each other.
#[test]
fn both_sides_know_the_same_smallest_crash_region() {
    let smallest = u32::try_from(crashrig_wire::region::SMALLEST_REGION).unwrap();
    assert_eq!(crashrig_layout::parse::SMALLEST_CRASH_REGION, smallest);
}

/// QEMU slows down a whole page of this size for a breakpoint in it.
const PAGE_BYTES: u32 = 1024;

#[test]
fn the_hooks_share_their_page_with_nothing() {
    let hooks =
        ["crashrig_fault_entry", "crashrig_ready", "crashrig_reset_hook", "crashrig_sealed"];
    for board in boards() {
        let Layout { image, .. } = Layout::of(&board);
        let address = |name: &str| image.symbol(name).expect(name).address;
        let page = address("crashrig_fault_entry") / PAGE_BYTES;
        let in_page = |address: u32| address / PAGE_BYTES == page;
        for hook in hooks {
            assert!(in_page(address(hook)), "{hook} of {board}");
        }
        let others: Vec<_> = (page * PAGE_BYTES..(page + 1) * PAGE_BYTES)
            .step_by(2)
            .filter_map(|address| image.symbol_at(address))
            .filter(|symbol| !hooks.contains(&symbol.name.as_str()))
            .collect();
        assert!(others.is_empty(), "{board}: {others:?}");
    }
}
