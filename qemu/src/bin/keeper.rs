//! The keeper as a program of its own, for tests: libtest's main cannot call `run_if_asked` first.

#![forbid(unsafe_code)]

fn main() {
    crashrig_qemu::keeper::run_if_asked();
    eprintln!("the keeper of one emulator; started by the tests of crashrig-qemu only");
    std::process::exit(2);
}
