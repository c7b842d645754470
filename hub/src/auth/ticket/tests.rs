//! What a ticket stands for, and for whom it does not open.

use proptest::prelude::*;

use super::*;
use crate::namespace::Operation;

const SECRET: &[u8] = b"a secret of thirty-two bytes or more";
const EXPIRES_MS: u64 = 1_763_600_000_000;

fn channels(names: &[&str]) -> Vec<ChannelName> {
    names.iter().map(|name| ChannelName::parse(name).expect("a channel")).collect()
}

fn identity(allow: Option<&str>) -> Identity {
    Identity {
        user: Some(UserId::parse("u1").expect("a user")),
        token_id: Some("t\"1".into()),
        issued_at: 7,
        expires_at_ms: EXPIRES_MS,
        grants: allow.map_or(Grants::Defaults, |json| serde_json::from_str(json).expect("an allow claim")),
        ..Identity::anonymous(TenantId::parse("acme").expect("a tenant"))
    }
}

#[test]
fn a_ticket_is_its_user_on_its_channels() {
    let tickets = Tickets::new(SECRET);
    let both = channels(&["feed:b", "feed:a"]);
    let ticket = tickets.issue(&identity(None), &both, 42);
    let opened = tickets.open(&ticket, &both, EXPIRES_MS - 1).expect("valid");
    assert_eq!(opened, OpenedTicket { id: TicketId(42), identity: identity(None) });
    let other_order = channels(&["feed:a", "feed:b"]);
    assert!(tickets.open(&ticket, &other_order, 0).is_ok());
    for others in [&["feed:a"][..], &["feed:a", "feed:b", "feed:c"], &["feed:a", "feed:c"], &[]] {
        assert_eq!(tickets.open(&ticket, &channels(others), 0), Err(AuthError::Ticket), "{others:?}");
    }
    assert_eq!(tickets.open(&ticket, &both, EXPIRES_MS), Err(AuthError::Expired));
}

#[test]
fn explicit_capabilities_travel_for_these_channels_alone() {
    let tickets = Tickets::new(SECRET);
    let both = channels(&["live:b", "live:a"]);
    let allow = r#"{"live:a":["subscribe","publish"],"live:*":["history"],"chat:*":["*"]}"#;
    let ticket = tickets.issue(&identity(Some(allow)), &both, 1);
    let grants = tickets.open(&ticket, &both, 0).expect("valid").identity.grants;
    let on = |name: &str| grants.on(&channels(&[name])[0], Operations::ALL);
    let history = Operations::NONE.with(Operation::History);
    assert_eq!(on("live:a"), history.with(Operation::Subscribe));
    assert_eq!(on("live:b"), history);
    assert_eq!((on("chat:x"), on("live:c")), (Operations::NONE, Operations::NONE));
}

#[test]
fn a_changed_ticket_does_not_open() {
    let tickets = Tickets::new(SECRET);
    let one = channels(&["feed:a"]);
    let ticket = tickets.issue(&identity(None), &one, 1);
    assert_eq!(Tickets::new(b"another secret of thirty-two bytes").open(&ticket, &one, 0), Err(AuthError::Ticket));
    for at in 0..ticket.len() {
        let mut bytes = ticket.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).expect("ascii");
        assert_eq!(tickets.open(&changed, &one, 0), Err(AuthError::Ticket), "byte {at}");
    }
    assert_eq!(tickets.open(&ticket[3..], &one, 0), Err(AuthError::Ticket));
    assert_eq!(tickets.open(&format!("{ticket}{}", " ".repeat(TICKET_MAX)), &one, 0), Err(AuthError::Ticket));
}

#[test]
fn the_longest_ticket_fits_in_a_url() {
    let names: Vec<_> = (0..64).map(|at| format!("chat:{at:0>195}")).collect();
    let all = channels(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let identity = Identity {
        tenant: TenantId::parse(&"t".repeat(63)).expect("a tenant"),
        user: Some(UserId::parse(&"u".repeat(128)).expect("a user")),
        token_id: Some("j".repeat(128).into()),
        issued_at: u64::MAX,
        expires_at_ms: u64::MAX,
        grants: serde_json::from_str(r#"{"*":["*"]}"#).expect("an allow claim"),
    };
    let tickets = Tickets::new(SECRET);
    let ticket = tickets.issue(&identity, &all, u128::MAX);
    assert!(ticket.len() <= 1_024, "{}", ticket.len());
    assert!(ticket.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')));
    assert_eq!(tickets.open(&ticket, &all, 0).expect("valid").identity.user, identity.user);
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,200}", body in "(?s).{0,200}") {
        let tickets = Tickets::new(SECRET);
        let one = channels(&["feed:a"]);
        prop_assert!(tickets.open(&text, &one, 0).is_err());
        // Signed rubbish reaches the reader of the body.
        let signed = format!("{VERSION}.{}", URL_SAFE_NO_PAD.encode(body));
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&tickets.key, signed.as_bytes()));
        let ticket = [signed, tag].join(".");
        prop_assert!(tickets.open(&ticket, &one, 0).is_err());
    }
}
