//! Everything that this crate promises, from outside and without any I/O but files of this folder.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![expect(clippy::disallowed_methods, reason = "the gate is what is tested here")]

mod access;
mod any;
mod built_in;
mod compile_fail;
mod escalation;
mod explain;
mod laws;
mod operator;
mod pattern_laws;
mod reference;
mod repo_patterns;
mod repo_scope;
mod roles;
mod simulate;
mod stored;
mod text;
mod vectors;
