//! What the kit itself promises, and what is measured against recordings.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod databases;
mod picomatch;
