//! Who may do what in rooms: every operation, for everybody who may come, in every kind of room, over every way in; and what ends
//! when a right ends.
//!
//! Read in this order: who comes and what rooms there are (`cast`), what each operation is tried with (`tried`), the table
//! (`table`), what else the same people see of a room (`looking`, `narrowed`), what ids tell (`ids`), and three nodes (`nodes`).
#![expect(clippy::print_stdout, reason = "the figure of the show is printed")]

#[expect(dead_code, reason = "shared with the API tests, which use all of it")]
#[path = "../api/harness.rs"]
mod harness;

#[expect(dead_code, reason = "shared with the fleet tests, which use all of it")]
#[path = "../fleet/harness.rs"]
mod fleet;

mod cast;
mod tried;

mod ids;
mod looking;
mod narrowed;
mod table;

mod nodes;
