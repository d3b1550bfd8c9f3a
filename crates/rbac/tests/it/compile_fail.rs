//! What must not compile: calling without a proof, with another one, or with one of one's own
//! making. The expected errors stand beside the cases and hold for the pinned compiler.
//!
//! `TRYBUILD=overwrite` writes them anew.

#[test]
fn what_has_no_proof_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/it/compile_fail/*.rs");
}
