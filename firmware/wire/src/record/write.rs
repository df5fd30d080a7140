//! The writer: a record as bytes, both seals computed.

use super::{MAGIC, RECORD_LENGTH, Record, State, VERSION, core_crc, whole_crc};
use crate::bytes::{put, put_u16, put_u32};
use crate::field;

impl Record {
    /// The bytes of this record in a state, both seals computed.
    #[must_use]
    pub fn to_bytes(&self, state: State) -> [u8; RECORD_LENGTH] {
        let mut bytes = [0; RECORD_LENGTH];
        self.encode(&mut bytes, state);
        bytes
    }

    /// Writes this record over `bytes`, both seals computed.
    pub fn encode(&self, b: &mut [u8; RECORD_LENGTH], state: State) {
        b.fill(0);
        put_u32(b, field::MAGIC.offset, MAGIC);
        put_u16(b, field::VERSION.offset, VERSION);
        put_u16(b, field::LENGTH.offset, RECORD_LENGTH as u16);
        let codes =
            [self.architecture.code(), self.kind.code(), self.detector.code(), self.thread.code()];
        put(b, field::ARCHITECTURE.offset, &codes);
        put_u32(b, field::STATE.offset, state as u32);
        put_u16(b, field::TRUST.offset, self.trust.0);
        put(b, field::BUILD_ID.offset, &self.build_id);
        for (field, value) in [
            (field::RUN_ID, self.run_id),
            (field::BOOT, self.boot),
            (field::SEQUENCE, self.sequence),
            (field::UPTIME_MS, self.uptime_ms),
            (field::STATUS, self.status.0),
            (field::VALUE, self.value),
            (field::FAULT_ADDRESS, self.fault_address),
            (field::OWNER, self.owner.to_word()),
            (field::SOURCE_FILE, self.source_file),
            (field::STACK_START, self.stack_start),
            (field::STACK_SIZE, self.stack_size),
            (field::THREAD_ENTRY, self.thread_entry),
            (field::THREAD_NAME, self.thread_name),
        ] {
            put_u32(b, field.offset, value);
        }
        put_u16(b, field::SOURCE_FILE_LENGTH.offset, self.source_file_length);
        put_u16(b, field::SOURCE_LINE.offset, self.source_line);
        put_u16(b, field::THREAD_NAME_LENGTH.offset, self.thread_name_length);
        put(b, field::THREAD_PRIORITY.offset, &[self.thread_priority]);
        self.encode_registers(b);
        let crc = core_crc(b);
        put_u32(b, field::CORE_CRC.offset, crc);
        self.encode_trail(b);
    }

    fn encode_registers(&self, b: &mut [u8; RECORD_LENGTH]) {
        let core = self.registers.r.iter().copied().chain([
            self.registers.sp,
            self.registers.lr,
            self.registers.pc,
            self.registers.xpsr,
        ]);
        for (index, value) in core.enumerate() {
            put_u32(b, field::REGISTERS.offset + 4 * index, value);
        }
        for (field, value) in [
            (field::MSP, self.registers.msp),
            (field::PSP, self.registers.psp),
            (field::EXC_RETURN, self.registers.exc_return),
            (field::MASKS, self.registers.masks),
            (field::CFSR, self.faults.cfsr),
            (field::HFSR, self.faults.hfsr),
            (field::DFSR, self.faults.dfsr),
            (field::MMFAR, self.faults.mmfar),
            (field::BFAR, self.faults.bfar),
            (field::AFSR, self.faults.afsr),
            (field::SHCSR, self.faults.shcsr),
            (field::ICSR, self.faults.icsr),
            (field::VTOR, self.faults.vtor),
            (field::CCR, self.faults.ccr),
        ] {
            put_u32(b, field.offset, value);
        }
    }

    /// Writes the trail of this record over `bytes` and seals the whole: phase two.
    pub fn encode_trail(&self, b: &mut [u8; RECORD_LENGTH]) {
        put_u16(b, field::TRAIL_LENGTH.offset, self.trail_length);
        for (index, entry) in self.trail.iter().enumerate() {
            put_u32(b, field::TRAIL.offset + 4 * index, *entry);
        }
        let crc = whole_crc(b);
        put_u32(b, field::CRC.offset, crc);
    }
}
