//! The `domicile` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    domicile::cli::run(std::env::args_os())
}
