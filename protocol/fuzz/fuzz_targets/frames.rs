//! Gives every input to every reader of the protocol. The property tests use the same function.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hubbub_protocol::hostile::read_everything(bytes));
