//! What judging a token costs: prints the time per HS256 token, and beside it the bare signature, as a control.
//!
//! `cargo run --release -p hubbub --example token_cost`
#![expect(clippy::print_stdout, reason = "it prints its figures")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use hubbub::auth::Verifier;
use hubbub::auth::mint::TokenDraft;
use hubbub::clock::Clock;
use hubbub::config::Config;

const ROUNDS: u32 = 5;
const TOKENS_PER_ROUND: u32 = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::development();
    let clock = Arc::new(Clock::System);
    let now_s = clock.now_ms() / 1_000;
    let key = &config.tenants[0].token_keys[0];
    let draft = TokenDraft {
        sub: "u1".into(),
        iat: now_s,
        exp: now_s + 3_600,
        jti: Some("01J8ZQ4G7Y8N2K3M4P5R6S7T8V".into()),
        ..TokenDraft::default()
    };
    let operations = vec!["subscribe".to_owned(), "publish".to_owned()];
    let allow = BTreeMap::from([("live:*".to_owned(), operations.clone()), ("chat:lobby".to_owned(), operations)]);
    let plain = draft.clone().sign(key)?;
    let capable = TokenDraft { allow: Some(allow), ..draft }.sign(key)?;
    let verifier = Verifier::new(config.reloadable()?.key_ring, clock);

    report("bare signature", || bare_signature(&plain));
    report("token", || verifier.verify_now(black_box(&plain)).is_ok());
    report("token with 2 capabilities", || verifier.verify_now(black_box(&capable)).is_ok());
    Ok(())
}

/// The control: only the HMAC over the same bytes, with the key set up each time as the library does.
fn bare_signature(token: &str) -> bool {
    let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, hubbub::config::development::SECRET.as_bytes());
    !black_box(aws_lc_rs::hmac::sign(&key, black_box(signed.as_bytes()))).as_ref().is_empty()
}

/// The best of a few rounds: the others had company.
fn report(what: &str, mut once: impl FnMut() -> bool) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        assert!((0..TOKENS_PER_ROUND).all(|_| once()), "{what}: refused");
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(TOKENS_PER_ROUND));
    }
    println!("{what}: {best:.2} µs");
}
