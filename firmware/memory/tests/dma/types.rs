//! Programs that the compiler must refuse, each with what it says.

/// Every file in `refused` fails to compile, for the reason that stands beside it; `accepted.rs`,
/// which does the same things in the right order, compiles.
#[test]
fn misuse_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/dma/types/accepted.rs");
    cases.compile_fail("tests/dma/types/refused/*.rs");
}
