//! The program `hubbub`. Everything is in the library; here stands only what belongs to the process.

use std::process::ExitCode;

/// Gives back what a burst of connections has left; others keep it for minutes (decision 0016).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    hubbub::cli::run()
}
