//! `kici-platform`: see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kici_platform::cli::main()
}
