//! Tiny Thumb programs: a vector table, a main program, and one handler for every exception.

/// Where flash begins.
pub const START: u32 = 0x0800_0000;
/// The first instruction of the main program.
pub const MAIN: u32 = START + 0x40;
/// The first instruction of the handler.
pub const HANDLER: u32 = START + 0x200;
/// The first value of the stack pointer.
pub const STACK: u32 = 0x2001_0000;
/// A word of RAM that programs count in.
pub const COUNTER: u32 = 0x2000_2000;

/// Instructions.
pub const NOP: u16 = 0xBF00;
pub const WFI: u16 = 0xBF30;
pub const UDF: u16 = 0xDE00;
/// `b .`
pub const STAY: u16 = 0xE7FE;
/// `b` to the instruction before.
pub const BACK: u16 = 0xE7FD;

/// What stands in flash.
pub struct Program {
    pub bytes: Vec<u8>,
    pub breakpoints: Vec<u32>,
}

impl Program {
    pub fn new(main: &[u16], handler: &[u16]) -> Self {
        let mut words = vec![STACK, MAIN | 1];
        words.resize(16, HANDLER | 1);
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(main.iter().flat_map(|half| half.to_le_bytes()));
        bytes.resize((HANDLER - START) as usize, 0xFF);
        bytes.extend(handler.iter().flat_map(|half| half.to_le_bytes()));
        let places = [(MAIN, main), (HANDLER, handler)];
        let breakpoints = places.iter().flat_map(|(start, code)| {
            let is_breakpoint = |(_, half): &(u32, &u16)| **half >> 8 == 0xBE;
            let code = (*start..).step_by(2).zip(code.iter());
            code.filter(is_breakpoint).map(|(address, _)| address)
        });
        Self { bytes, breakpoints: breakpoints.collect() }
    }

    /// Counts in [`COUNTER`] for ever. The store is at the address that comes with it.
    pub fn counting() -> (Self, u32) {
        let mut main = load(0, COUNTER).to_vec();
        main.extend([
            0x6801, // ldr r1, [r0]
            0x3101, // adds r1, #1
            0x6001, // str r1, [r0]
            0xE7FB, // b to the ldr
        ]);
        (Self::new(&main, &[STAY]), MAIN + 12)
    }
}

/// `movw` and `movt` of a constant.
pub fn load(register: u16, value: u32) -> [u16; 4] {
    let half = |opcode: u16, value: u16| {
        let first = opcode | value >> 12 | (value >> 11 & 1) << 10;
        [first, (value >> 8 & 7) << 12 | register << 8 | value & 0xFF]
    };
    let [low, high] = [value as u16, (value >> 16) as u16];
    let ([a, b], [c, d]) = (half(0xF240, low), half(0xF2C0, high));
    [a, b, c, d]
}

/// Asks for a reset of the system.
pub fn reset() -> Vec<u16> {
    let mut code = load(2, 0xE000_ED0C).to_vec();
    code.extend(load(3, 0x05FA_0004));
    code.extend([0x6013, STAY]); // str r3, [r2]
    code
}
