//! The total reader: any bytes give a [`Reading`].

use super::{
    Architecture, Corruption, FaultStatus, MAGIC, RECORD_LENGTH, Reading, Record, Registers, State,
    TRAIL_CAPACITY, Trust, VERSION, core_crc, whole_crc,
};
use crate::bytes::{get_array, get_u8, get_u16, get_u32};
use crate::thread::Owner;
use crate::{Detector, Kind, Status, Thread, field};

/// Reads bytes as a record. Any bytes give an answer.
#[must_use]
pub fn read(bytes: &[u8]) -> Reading {
    let Some(record) = bytes.first_chunk::<RECORD_LENGTH>() else {
        return Reading::Corrupt(Corruption::TooShort(bytes.len()));
    };
    if get_u32(record, field::MAGIC.offset) != MAGIC {
        return Reading::Blank;
    }
    match get_u16(record, field::VERSION.offset) {
        VERSION => {}
        other => return Reading::Corrupt(Corruption::Version(other)),
    }
    match get_u16(record, field::LENGTH.offset) {
        length if usize::from(length) == RECORD_LENGTH => {}
        other => return Reading::Corrupt(Corruption::Length(other)),
    }
    let state = get_u32(record, field::STATE.offset);
    let (computed, stored) = if state == State::Writing as u32 {
        return Reading::Torn;
    } else if state == State::Core as u32 {
        (core_crc(record), get_u32(record, field::CORE_CRC.offset))
    } else if state == State::Complete as u32 {
        (whole_crc(record), get_u32(record, field::CRC.offset))
    } else {
        return Reading::Corrupt(Corruption::State(state));
    };
    if computed != stored {
        return Reading::Corrupt(Corruption::Crc { computed, stored });
    }
    match decode(record, state == State::Complete as u32) {
        Ok(decoded) if state == State::Complete as u32 => Reading::Valid(decoded),
        Ok(decoded) => Reading::Partial(decoded),
        Err(field) => Reading::Corrupt(Corruption::Code(field)),
    }
}

fn decode(b: &[u8; RECORD_LENGTH], whole: bool) -> Result<Record, &'static str> {
    let code = |f: &field::Field| get_u8(b, f.offset);
    let word = |f: &field::Field| get_u32(b, f.offset);
    let architecture = Architecture::from_code(code(&field::ARCHITECTURE));
    let trail_length = if whole { get_u16(b, field::TRAIL_LENGTH.offset) } else { 0 };
    if usize::from(trail_length) > TRAIL_CAPACITY {
        return Err(field::TRAIL_LENGTH.name);
    }
    let mut trail = [0; TRAIL_CAPACITY];
    if whole {
        for (index, entry) in trail.iter_mut().enumerate() {
            *entry = get_u32(b, field::TRAIL.offset + 4 * index);
        }
    }
    Ok(Record {
        architecture: architecture.ok_or(field::ARCHITECTURE.name)?,
        kind: Kind::from_code(code(&field::KIND)).ok_or(field::KIND.name)?,
        detector: Detector::from_code(code(&field::DETECTOR)).ok_or(field::DETECTOR.name)?,
        thread: Thread::from_code(code(&field::THREAD)).ok_or(field::THREAD.name)?,
        trust: Trust(get_u16(b, field::TRUST.offset)),
        build_id: get_array(b, field::BUILD_ID.offset),
        run_id: word(&field::RUN_ID),
        boot: word(&field::BOOT),
        sequence: word(&field::SEQUENCE),
        uptime_ms: word(&field::UPTIME_MS),
        status: Status(word(&field::STATUS)),
        value: word(&field::VALUE),
        fault_address: word(&field::FAULT_ADDRESS),
        owner: Owner::from_word(word(&field::OWNER)).ok_or(field::OWNER.name)?,
        source_file: word(&field::SOURCE_FILE),
        source_file_length: get_u16(b, field::SOURCE_FILE_LENGTH.offset),
        source_line: get_u16(b, field::SOURCE_LINE.offset),
        registers: decode_registers(b),
        faults: decode_faults(b),
        stack_start: word(&field::STACK_START),
        stack_size: word(&field::STACK_SIZE),
        thread_entry: word(&field::THREAD_ENTRY),
        thread_name: word(&field::THREAD_NAME),
        thread_name_length: get_u16(b, field::THREAD_NAME_LENGTH.offset),
        thread_priority: code(&field::THREAD_PRIORITY),
        trail,
        trail_length,
    })
}

fn decode_registers(b: &[u8; RECORD_LENGTH]) -> Registers {
    let at = |index: usize| get_u32(b, field::REGISTERS.offset + 4 * index);
    Registers {
        r: core::array::from_fn(at),
        sp: at(13),
        lr: at(14),
        pc: at(15),
        xpsr: at(16),
        msp: get_u32(b, field::MSP.offset),
        psp: get_u32(b, field::PSP.offset),
        exc_return: get_u32(b, field::EXC_RETURN.offset),
        masks: get_u32(b, field::MASKS.offset),
    }
}

fn decode_faults(b: &[u8; RECORD_LENGTH]) -> FaultStatus {
    let word = |f: &field::Field| get_u32(b, f.offset);
    FaultStatus {
        cfsr: word(&field::CFSR),
        hfsr: word(&field::HFSR),
        dfsr: word(&field::DFSR),
        mmfar: word(&field::MMFAR),
        bfar: word(&field::BFAR),
        afsr: word(&field::AFSR),
        shcsr: word(&field::SHCSR),
        icsr: word(&field::ICSR),
        vtor: word(&field::VTOR),
        ccr: word(&field::CCR),
    }
}
