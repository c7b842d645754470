//! Has the crate built again when the pages inside it were: what is embedded is read by a macro, unseen by cargo.

use std::path::Path;

fn main() {
    let built = "../clients/web/dist";
    // A path that is missing would have the crate built again each time; its parent changes when it appears.
    let watched = if Path::new(built).exists() { built } else { "../clients/web" };
    println!("cargo:rerun-if-changed={watched}");
}
