//! The program `hubbub`. Everything is in the library; here stands only what belongs to the process.

use std::process::ExitCode;

/// Connections allocate and free small buffers from many threads; the system allocator keeps more of them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hubbub::cli::run()
}
