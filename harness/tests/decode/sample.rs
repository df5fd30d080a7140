//! A small image, byte by byte: an ELF file with code, symbols, a build id and a defmt table.
//!
//! Only what the readers look at is there. The layout follows the ELF specification, chapters "ELF
//! Header", "Sections", "Symbol Table" and "Program Header".

use crashrig_harness::image::Image;
use crashrig_wire::record::{Record, Trust};
use crashrig_wire::{Detector, Kind, Thread};
use std::path::Path;

/// First address of the code.
pub const CODE: u32 = 0x0800_0400;
/// The stack of the sample's thread.
pub const STACK: u32 = 0x2000_1800;
/// Its size.
pub const STACK_BYTES: u32 = 0x100;

pub const FUNCTION: u8 = 2;
pub const OBJECT: u8 = 1;
pub const LABEL: u8 = 0;

const TEXT: u16 = 1;
const DEFMT: u16 = 3;
const ABSOLUTE: u16 = 0xFFF1;

/// A symbol: name, value, size, type, index of its section.
type Row = (String, u32, u32, u8, u16);

/// A section: name, type, flags, address, contents, linked section, size of an entry.
type Section = (u32, u32, u32, u32, Vec<u8>, u32, u32);

/// What goes into the file.
pub struct Sample {
    /// Halfwords from [`CODE`] on.
    pub code: Vec<u16>,
    pub build_id: Vec<u8>,
    pub symbols: Vec<Row>,
}

impl Default for Sample {
    /// Three functions of 16 bytes. `outer` calls `middle` calls `inner`, each by BL at offset 4,
    /// so that offset 8 is the return address; the rest is NOP.
    fn default() -> Self {
        let mut code = vec![0xBF00; 24];
        for function in 0..2 {
            code[8 * function + 2] = 0xF000;
            code[8 * function + 3] = 0xF800;
        }
        let mut sample = Self { code, build_id: (0..20).collect(), symbols: Vec::new() };
        sample.symbol("_ZN6sample5outer17h0123456789abcdefE", CODE | 1, 16, FUNCTION, TEXT);
        sample.symbol("_RNvC6sample6middle", (CODE + 16) | 1, 16, FUNCTION, TEXT);
        sample.symbol("inner", (CODE + 32) | 1, 16, FUNCTION, TEXT);
        sample.symbol("$t", CODE, 0, LABEL, TEXT);
        for (name, value) in [
            ("__crashrig_vectors_start", 0x2000_0000),
            ("__crashrig_vectors_size_bytes", 0x188),
            ("__crashrig_crash_start", 0x2000_0188),
            ("__crashrig_crash_size_bytes", 0x1000),
            ("__crashrig_main_guard_start", STACK - 0x80),
            ("__crashrig_main_guard_end", STACK),
            ("__crashrig_main_stack_start", STACK),
            ("__crashrig_main_stack_end", STACK + STACK_BYTES),
            ("__crashrig_isr_stack_start", 0x2001_F800),
        ] {
            sample.symbol(name, value, 0, LABEL, ABSOLUTE);
        }
        sample
    }
}

impl Sample {
    pub fn symbol(&mut self, name: &str, value: u32, size: u32, what: u8, section: u16) {
        self.symbols.push((name.to_owned(), value, size, what, section));
    }

    /// Adds a defmt table with one format string per level, at indices 1 and up, and a timestamp.
    pub fn with_defmt(mut self) -> Self {
        self.symbol("_defmt_version_ = 4", 0, 0, LABEL, ABSOLUTE);
        self.symbol("_defmt_encoding_ = rzcobs", 0, 0, LABEL, ABSOLUTE);
        let rows = [
            ("defmt_timestamp", "{=u32:ms}"),
            ("defmt_info", "boot {=u32}"),
            ("defmt_error", "failed: {=str}"),
            ("defmt_println", "plain"),
            ("defmt_warn", "nested {=?}"),
            ("defmt_derived", "again {=?}"),
        ];
        for (index, (tag, data)) in rows.into_iter().enumerate() {
            let name = format!(
                r#"{{"package":"sample","tag":"{tag}","data":"{data}","disambiguator":"{index}"}}"#
            );
            self.symbol(&name, u32::try_from(index).unwrap(), 1, OBJECT, DEFMT);
        }
        self
    }

    pub fn image(&self) -> Image {
        Image::parse(self.bytes(), Path::new("sample.elf")).unwrap()
    }

    /// The file: header, one program header, contents, section headers.
    pub fn bytes(&self) -> Vec<u8> {
        const HEADER: usize = 52;
        const PROGRAM_HEADER: usize = 32;
        let (symbol_table, strings) = self.symbol_table();
        let names = b"\0.text\0.note.gnu.build-id\0.defmt\0.symtab\0.strtab\0.shstrtab\0";
        let name = |wanted: &str| {
            let found = names.windows(wanted.len()).position(|part| part == wanted.as_bytes());
            found.unwrap() as u32
        };
        let has_table = self.symbols.iter().any(|(name, ..)| name.starts_with("_defmt_version_"));
        let defmt = if has_table { name(".defmt") } else { 0 };
        let code: Vec<u8> = self.code.iter().flat_map(|half| half.to_le_bytes()).collect();
        let contents: [Section; 6] = [
            (name(".text"), 1, 6, CODE, code.clone(), 0, 0),
            (name(".note"), 7, 2, 0, self.note(), 0, 0),
            (defmt, 1, 0, 0, vec![0; 16], 0, 0),
            (name(".symtab"), 2, 0, 0, symbol_table, 5, 16),
            (name(".strtab"), 3, 0, 0, strings, 0, 0),
            (name(".shstrtab"), 3, 0, 0, names.to_vec(), 0, 0),
        ];
        let mut body = Vec::new();
        let mut headers = vec![0; 40];
        for (name, kind, flags, address, bytes, link, entry_size) in &contents {
            let offset = (HEADER + PROGRAM_HEADER + body.len()) as u32;
            let size = bytes.len() as u32;
            // `info` of a symbol table: the first symbol that is not local.
            let info = u32::from(*kind == 2);
            for word in [*name, *kind, *flags, *address, offset, size, *link, info, 4, *entry_size]
            {
                headers.extend(word.to_le_bytes());
            }
            body.extend(bytes);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let sections_at = (HEADER + PROGRAM_HEADER + body.len()) as u32;
        let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0\x01\0\0\0".to_vec();
        for word in [CODE | 1, HEADER as u32, sections_at, 0x0500_0400] {
            file.extend(word.to_le_bytes());
        }
        for half in [HEADER, PROGRAM_HEADER, 1, 40, contents.len() + 1, contents.len()] {
            file.extend((half as u16).to_le_bytes());
        }
        let size = code.len() as u32;
        let start = (HEADER + PROGRAM_HEADER) as u32;
        for word in [1, start, CODE, CODE, size, size, 5, 4] {
            file.extend(word.to_le_bytes());
        }
        file.extend(body);
        file.extend(headers);
        file
    }

    fn note(&self) -> Vec<u8> {
        let mut note = Vec::new();
        for word in [4, self.build_id.len() as u32, 3] {
            note.extend(word.to_le_bytes());
        }
        note.extend(b"GNU\0");
        note.extend(&self.build_id);
        note
    }

    fn symbol_table(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut table, mut strings) = (vec![0; 16], vec![0]);
        for (name, value, size, what, section) in &self.symbols {
            for word in [strings.len() as u32, *value, *size] {
                table.extend(word.to_le_bytes());
            }
            const GLOBAL: u8 = 1 << 4;
            table.extend([GLOBAL | what, 0]);
            table.extend(section.to_le_bytes());
            strings.extend(name.bytes());
            strings.push(0);
        }
        (table, strings)
    }
}

/// A record of a crash in the sample's thread, nothing of it trusted but r4 to r11.
pub fn record() -> Record {
    Record {
        trust: Trust(Trust::CALLEE_SAVED),
        run_id: 7,
        boot: 1,
        sequence: 1,
        stack_start: STACK,
        stack_size: STACK_BYTES,
        ..Record::blank(Kind::StackOverflow, Detector::MpuGuard, Thread::Main)
    }
}
