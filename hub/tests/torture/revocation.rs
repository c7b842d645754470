//! Goal: a revocation closes sockets on every node within a second, on a node whose link to Redis is dead within six, and a node that
//! starts later refuses the token too. Method: calls to one node, sockets on another; a proxy that goes silent between that
//! other one and Redis.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hubbub::auth::mint::TokenDraft;
use hubbub_client::{RawConnection, RawOptions};
use hubbub_local::hub::Hub;
use hubbub_local::postgres::Postgres;
use hubbub_local::redis::{self, Standalone};
use serde_json::json;
use tokio::time::sleep;

use crate::api::Api;
use crate::fleet::{node, postgres};
use crate::harness::{WITHIN, sign};
use crate::proxy::Proxy;

/// The promises: all but one of a hundred of them, and each where the link is dead.
const WELL_WITHIN: Duration = Duration::from_secs(1);
const DEAF_WITHIN: Duration = Duration::from_secs(6);
/// Tries in `make test`: with a link that is well, and with a dead one.
const TRIES: u64 = 20;
const DEAF_TRIES: u64 = 1;

/// What is ordered.
#[derive(Clone, Copy, Debug)]
enum Order {
    RevokeToken,
    RevokeUser,
    Disconnect,
}

/// Two nodes, of which the second reaches Redis over a proxy.
struct Pair {
    near: Hub,
    far: Hub,
    proxy: Proxy,
    postgres: Postgres,
    redis: Standalone,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_is_known_everywhere() {
    let tries = crate::number("HUBBUB_REVOCATION_TRIES").unwrap_or(TRIES);
    let deaf_tries = crate::number("HUBBUB_REVOCATION_DEAF_TRIES").unwrap_or(DEAF_TRIES);
    let pair = Pair::start().await;
    let api = Api::new(vec![pair.near.internal()]);
    let orders = [Order::RevokeToken, Order::RevokeUser, Order::Disconnect];
    let mut times = Vec::new();
    for (number, order) in (0..tries).zip(orders.into_iter().cycle()) {
        times.push(closed_after(&api, order, &format!("well{number}"), pair.far.public()).await);
    }
    let (half, most, worst) = quantiles(&mut times);
    println!(
        "{tries} orders to another node: half of them within {half:?}, 99 % within {most:?}, all within {worst:?}"
    );

    let mut deaf = Vec::new();
    // A disconnect is not remembered, so a node that can not be told does not do it.
    for (number, order) in (0..deaf_tries).zip([Order::RevokeToken, Order::RevokeUser].into_iter().cycle()) {
        pair.proxy.silence_all(true);
        deaf.push(closed_after(&api, order, &format!("deaf{number}"), pair.far.public()).await);
        // A second one, when the node knows that its link is dead.
        deaf.push(closed_after(&api, order, &format!("again{number}"), pair.far.public()).await);
        pair.proxy.silence_all(false);
        until_told_at_once(&api, number, pair.far.public()).await;
    }
    let (_, _, worst_deaf) = quantiles(&mut deaf);
    println!("{} revocations to a node whose link is dead: all within {worst_deaf:?}", deaf.len());

    refused_by_a_node_that_starts_later(&pair, &api).await;
    println!(
        "figure: revocation: 99 % of {tries} within {most:.1?} (at most {WELL_WITHIN:?}), with a dead link all {} within \
         {worst_deaf:.2?} (at most {DEAF_WITHIN:?})",
        deaf.len()
    );
    assert!(most < WELL_WITHIN && worst_deaf < DEAF_WITHIN, "too late");
}

impl Pair {
    async fn start() -> Self {
        let postgres = tokio::task::spawn_blocking(postgres).await.expect("no panic").expect("Postgres starts");
        let redis = Standalone::start(redis::Options::default()).expect("Redis starts");
        let proxy = Proxy::start(([127, 0, 0, 1], redis.port()).into()).await;
        let near = Hub::start(node(0, Some(&redis.url()), Some(&postgres.url()))).expect("a node starts");
        let far = node(1, Some(&format!("redis://{}", proxy.address())), Some(&postgres.url()));
        let far = tokio::task::spawn_blocking(|| Hub::start(far)).await.expect("no panic").expect("a node starts");
        Self { near, far, proxy, postgres, redis }
    }
}

/// Opens a socket, gives the order, and waits until the socket is closed as it should be.
async fn closed_after(api: &Api, order: Order, user: &str, node: SocketAddr) -> Duration {
    let token = token(user);
    let mut socket = socket(node).await;
    socket.connect(&token, Vec::new(), WITHIN).await.expect("connected");
    let begun = Instant::now();
    give(api, order, user).await;
    let code = socket.closed(WITHIN).await.unwrap_or_else(|error| panic!("{order:?} of {user}: {error}"));
    let took = begun.elapsed();
    let expected = if matches!(order, Order::Disconnect) { 4503 } else { 4502 };
    assert_eq!(code, Some(expected), "{order:?} of {user}");
    if !matches!(order, Order::Disconnect) {
        assert!(is_refused(node, &token).await, "{user} comes in again");
    }
    took
}

async fn give(api: &Api, order: Order, user: &str) {
    let done = match order {
        Order::RevokeToken => api.post(0, "/v1/tokens/revoke", json!({ "token_id": token_id(user) })).await,
        Order::RevokeUser => api.post(0, "/v1/tokens/revoke", json!({ "user": user })).await,
        Order::Disconnect => api.post(0, &format!("/v1/users/{user}/disconnect"), json!({})).await,
    };
    done.unwrap_or_else(|error| panic!("{order:?} of {user}: {error}"));
}

/// The link is well again: an order that only the broker carries arrives at once.
async fn until_told_at_once(api: &Api, round: u64, node: SocketAddr) {
    let deadline = Instant::now() + WITHIN;
    for number in 0.. {
        let user = format!("healed{round}.{number}");
        let mut socket = socket(node).await;
        socket.connect(&token(&user), Vec::new(), WITHIN).await.expect("connected");
        give(api, Order::Disconnect, &user).await;
        if socket.closed(Duration::from_millis(500)).await.is_ok() {
            return;
        }
        assert!(Instant::now() < deadline, "the link stays dead");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn refused_by_a_node_that_starts_later(pair: &Pair, api: &Api) {
    let [by_id, by_user] = ["late1", "late2"].map(|user| (user, token(user)));
    give(api, Order::RevokeToken, by_id.0).await;
    give(api, Order::RevokeUser, by_user.0).await;
    let late = node(2, Some(&pair.redis.url()), Some(&pair.postgres.url()));
    let late = tokio::task::spawn_blocking(|| Hub::start(late)).await.expect("no panic").expect("a node starts");
    for (user, token) in [by_id, by_user] {
        assert!(is_refused(late.public(), &token).await, "{user} gets in by a node that started later");
    }
    assert!(!is_refused(late.public(), &token("nobody")).await, "it refuses everybody");
}

async fn is_refused(node: SocketAddr, token: &str) -> bool {
    socket(node).await.connect(token, Vec::new(), WITHIN).await.is_err()
}

async fn socket(node: SocketAddr) -> RawConnection {
    RawConnection::open(&format!("ws://{node}/ws"), RawOptions::default()).await.expect("a socket")
}

fn token_id(user: &str) -> String {
    format!("token-of-{user}")
}

fn token(user: &str) -> String {
    sign(TokenDraft { sub: user.to_owned(), jti: Some(token_id(user)), ..TokenDraft::default() })
}

/// Half of them, 99 % of them, all of them.
fn quantiles(times: &mut [Duration]) -> (Duration, Duration, Duration) {
    times.sort();
    let at = |share: f64| times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1];
    (at(0.5), at(0.99), at(1.0))
}

#[test]
fn quantiles_are_of_what_was_measured() {
    let mut times: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
    let [half, most, all] = [100, 198, 200].map(Duration::from_millis);
    assert_eq!(quantiles(&mut times), (half, most, all));
    assert_eq!(quantiles(&mut times[..1]).1, Duration::from_millis(1));
}
