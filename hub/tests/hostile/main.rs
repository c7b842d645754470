//! What a peer can send before it is known, in process: random bytes, and frames that are almost right, go through the same
//! parser and decoder as those of a socket. Nothing may panic, and nothing may stay behind.
//!
//! `HUBBUB_HOSTILE_STRINGS=1000000 cargo test --release -p hubbub --test hostile` reads so many; over sockets the same is done
//! by the wire tests.
#![expect(clippy::print_stdout, reason = "the figure of the show is printed")]

use std::time::Instant;

use hubbub::transport::hostile::read_as_newcomer;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Strings in `make test`.
const STRINGS: u64 = 40_000;
/// Memory that may come to stay, in bytes: what allocators keep.
const KEPT: u64 = 32 * 1024 * 1024;

#[test]
fn random_bytes_before_authentication_do_no_harm() {
    let asked = std::env::var("HUBBUB_HOSTILE_STRINGS").ok().and_then(|count| count.parse::<u64>().ok());
    let strings = asked.unwrap_or(STRINGS);
    let mut dice = StdRng::seed_from_u64(strings);
    warm_up(&mut dice);
    let (began, before) = (Instant::now(), resident());
    let (mut messages, mut refused) = (0, 0);
    for index in 0..strings {
        let bytes = string(&mut dice, index);
        let (read, ended) = read_as_newcomer(&bytes, dice.random_range(1..=bytes.len().max(1)));
        messages += read;
        refused += u64::from(ended);
    }
    let kept = resident().saturating_sub(before);
    println!("{strings} strings: {messages} messages read, {refused} connections refused, {} KiB kept", kept / 1_024);
    println!("hostile: no panic, {:.1} s", began.elapsed().as_secs_f64());
    assert!(refused > strings / 10, "the strings were not hostile");
    assert!(messages > 0, "no string got as far as the decoder");
    assert!(kept < KEPT, "{kept} bytes stayed behind");
}

/// Half is noise, half are frames with a valid beginning, some of them with JSON inside that is almost a frame.
fn string(dice: &mut StdRng, index: u64) -> Vec<u8> {
    let mut bytes = vec![0; dice.random_range(0..300)];
    dice.fill(bytes.as_mut_slice());
    match index % 4 {
        0 | 1 => bytes,
        2 => masked(dice, &bytes),
        _ => {
            let mut text = TEXTS[dice.random_range(0..TEXTS.len())].as_bytes().to_vec();
            for _ in 0..dice.random_range(0..4) {
                let at = dice.random_range(0..text.len());
                text[at] = dice.random();
            }
            masked(dice, &text)
        }
    }
}

const TEXTS: [&str; 5] = [
    r#"{"type":"connect","token":"eyJhbGciOiJIUzI1NiJ9.e30.x","client":"js/1.0","resume":[{"channel":"chat:lobby","epoch":"z","offset":41}]}"#,
    r#"{"type":"subscribe","id":1,"channel":"live:score","since":{"epoch":"a","offset":9007199254740991}}"#,
    r#"{"type":"publish","id":2,"channel":"chat:lobby","key":"c0ffee","data":{"text":[[[[[[[[1e999]]]]]]]]}}"#,
    r#"{"type":"history","id":18446744073709551615,"channel":"a:b","before":-1,"limit":4294967296}"#,
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];

/// A client's frame: any opcode and flags, a mask, a length that is right (or sometimes not).
fn masked(dice: &mut StdRng, payload: &[u8]) -> Vec<u8> {
    let first = if dice.random_bool(0.8) { 0x81 } else { dice.random() };
    let length = if dice.random_bool(0.9) { payload.len() } else { dice.random_range(0..70_000) };
    let mut frame = vec![first];
    match length {
        0..126 => frame.push(0x80 | length as u8),
        126..65_536 => frame.extend([0xfe, (length >> 8) as u8, length as u8]),
        _ => {
            frame.push(0xff);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    let mask: [u8; 4] = dice.random();
    frame.extend(mask);
    frame.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ mask[index % 4]));
    frame
}

/// Lets the allocator take what it will keep anyway.
fn warm_up(dice: &mut StdRng) {
    for index in 0..2_000 {
        let bytes = string(dice, index);
        let _ = read_as_newcomer(&bytes, 7);
    }
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_ascii_whitespace().nth(1)).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0)
        * 1_024
}
