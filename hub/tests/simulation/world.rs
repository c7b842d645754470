//! One run: nodes, clients and faults from a seed, then calm, then the reckoning.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hubbub::auth::mint::TokenDraft;
use hubbub::broker::Broker;
use hubbub::clock::Clock;
use hubbub::limits::Limits;
use hubbub_protocol::channel::ChannelKey;
use hubbub_protocol::{ChannelName, Epoch, MessageId, TenantId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep};

use crate::broker::Network;
use crate::checker::{Sum, Truth, Truths, check, check_acks};
use crate::client::{SimClient, Sky};
use crate::node::{Blueprint, SimNode, WINDOW, signing_key};
use crate::store::SimStore;

const NODES: u64 = 3;
const CLIENTS: u64 = 8;
const CHANNELS: [&str; 5] = ["dur:a", "dur:b", "dur:c", "win:a", "win:b"];
/// How long things go wrong, and how long they may take to come right.
const STORM: Duration = Duration::from_secs(20);
const CALM: Duration = Duration::from_secs(120);

/// Runs a seed; the error says what was violated.
pub(crate) fn run(seed: u64) -> Result<Sum, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.map_err(|error| error.to_string())?.block_on(LocalSet::new().run_until(world(seed)))
}

async fn world(seed: u64) -> Result<Sum, String> {
    let mut dice = StdRng::seed_from_u64(seed);
    let clock = Arc::new(Clock::Manual(AtomicU64::new(1_800_000_000_000)));
    let network = Network::new(seed, clock.clone());
    let store = SimStore::new(seed ^ 0x5703e);
    let blueprint = Blueprint { network, store, clock, limits: Arc::new(limits()) };
    let sky = Rc::new(Sky { doors: RefCell::default(), calm: Cell::new(false), violation: RefCell::default() });
    let mut nodes: Vec<SimNode> = (0..NODES).map(|id| SimNode::start(&blueprint, id)).collect();
    *sky.doors.borrow_mut() = nodes.iter().map(|node| node.door.clone()).collect();
    let clients: Vec<_> = (0..CLIENTS).map(|index| start_client(index, seed, &sky)).collect();

    let crashes = storm(&mut dice, &blueprint, &sky, &mut nodes).await;
    calm_down(&blueprint, &sky, &clients).await?;
    let mut sum = reckon(&blueprint, &clients).await?;
    sum.crashes = crashes;
    sum.faults = blueprint.network.faults();
    Ok(sum)
}

/// Small bounds, so that gates, reorder buffers, outboxes and pages are full now and then.
fn limits() -> Limits {
    Limits {
        requests_per_second: 1_000_000,
        request_burst: 1_000_000,
        outbox_bytes: 12 * 1024,
        gate_bytes: 3_000,
        page_messages: 7,
        reorder_bytes: 4_000,
        hot_messages: 9,
        mailbox_messages: 32,
        interest_linger_ms: 700,
        heartbeat_ms: 3_000,
        ..Limits::default()
    }
}

fn start_client(index: u64, seed: u64, sky: &Rc<Sky>) -> Rc<RefCell<SimClient>> {
    let name = format!("client-{index}");
    let iat = 1_800_000_000;
    let draft = TokenDraft { sub: name.clone(), iat, exp: iat + 36_000, ..TokenDraft::default() };
    let token = draft.sign(&signing_key()).expect("the development key signs");
    let channels = CHANNELS.iter().map(|channel| ChannelName::parse(channel).expect("valid")).collect();
    let client = Rc::new(RefCell::new(SimClient::new(name, token, channels, seed ^ (index << 32))));
    spawn_local(SimClient::live(Rc::clone(&client), Rc::clone(sky)));
    client
}

/// Nodes crash and come back, links break, the store goes away, logs expire.
async fn storm(dice: &mut StdRng, blueprint: &Blueprint, sky: &Sky, nodes: &mut Vec<SimNode>) -> u64 {
    let (end, mut next_id, mut crashes) = (Instant::now() + STORM, NODES, 0);
    while Instant::now() < end && sky.violation.borrow().is_none() {
        sleep(Duration::from_millis(dice.random_range(100..1_500))).await;
        match dice.random_range(0..7) {
            0 if nodes.len() > 1 => {
                nodes.swap_remove(dice.random_range(0..nodes.len())).crash();
                crashes += 1;
            }
            1 => {
                let (network, node) = (blueprint.network.clone(), dice.random_range(0..next_id));
                let length = Duration::from_millis(dice.random_range(50..4_000));
                spawn_local(async move { network.outage(node, length).await });
            }
            2 => {
                let (store, length) = (blueprint.store.clone(), Duration::from_millis(dice.random_range(50..1_200)));
                spawn_local(async move {
                    store.set_away(true);
                    sleep(length).await;
                    store.set_away(false);
                });
            }
            3 => {
                let key = key_of(CHANNELS[0]);
                let head = blueprint.store.messages(&key).len() as u64;
                blueprint.store.expire_up_to(&key, head.saturating_sub(dice.random_range(0..40)));
            }
            4 if dice.random_bool(0.3) => blueprint.network.lose_memory().await,
            5 => blueprint.store.restart(),
            _ => {}
        }
        while nodes.len() < NODES as usize && dice.random_bool(0.6) {
            nodes.push(SimNode::start(blueprint, next_id));
            next_id += 1;
        }
        *sky.doors.borrow_mut() = nodes.iter().map(|node| node.door.clone()).collect();
    }
    crashes
}

/// Nothing goes wrong any more; everybody must catch up in time.
async fn calm_down(blueprint: &Blueprint, sky: &Sky, clients: &[Rc<RefCell<SimClient>>]) -> Result<(), String> {
    blueprint.network.heal();
    blueprint.store.set_away(false);
    sky.calm.set(true);
    let end = Instant::now() + CALM;
    loop {
        sleep(Duration::from_millis(500)).await;
        if let Some(violation) = sky.violation.borrow().clone() {
            return Err(violation);
        }
        blueprint.store.set_away(false);
        let truths = truths(blueprint).await;
        let settled = clients.iter().all(|client| {
            let client = client.borrow();
            let caught_up = client.tracks.iter().all(|(channel, track)| {
                track.position.is_some_and(|position| truths[channel.as_str()].ends_at(position))
            });
            caught_up && !client.has_pending()
        });
        if settled || Instant::now() > end {
            return Ok(());
        }
    }
}

async fn reckon(blueprint: &Blueprint, clients: &[Rc<RefCell<SimClient>>]) -> Result<Sum, String> {
    let truths = truths(blueprint).await;
    let mut sum = Sum {
        messages: truths.values().flat_map(|truth| truth.ids.values()).map(|ids| ids.len() as u64).sum(),
        ..Sum::default()
    };
    for (index, client) in clients.iter().enumerate() {
        let client = client.borrow();
        sum.slow += client.sent_away;
        for (channel, track) in &client.tracks {
            let place = |error| format!("client-{index}, {channel}: {error}");
            let truth = &truths[channel.as_str()];
            if track.position.is_none() {
                return Err(place("never got a subscription".to_owned()));
            }
            check(track, truth, &mut sum).map_err(place)?;
            let acks = client.acks.iter().filter(|(of, ..)| of == channel);
            let acks: Vec<_> = acks.map(|(_, key, position, id)| (key.clone(), *position, *id)).collect();
            check_acks(&acks, truth, &mut sum).map_err(place)?;
        }
    }
    Ok(sum)
}

async fn truths(blueprint: &Blueprint) -> Truths {
    let mut truths = Truths::new();
    for channel in CHANNELS {
        let (key, durable) = (key_of(channel), channel.starts_with("dur:"));
        let messages = if durable { blueprint.store.messages(&key) } else { blueprint.network.appended(&key) };
        let mut ids: HashMap<Epoch, Vec<MessageId>> = HashMap::new();
        for message in &messages {
            // Offsets of a durable log mean the same in every epoch.
            let epoch = if durable { Epoch::from_u64(0) } else { message.position.expect("logged").epoch };
            ids.entry(epoch).or_default().push(message.id);
        }
        let keys = messages.iter().map(|message| message.key.as_ref().map(ToString::to_string)).collect();
        let head = if durable {
            blueprint.store.head(&key)
        } else {
            blueprint.network.windows().heads(&[key]).await.expect("memory is never away")[0]
        };
        // A gap may tell of what had expired in an epoch before.
        let longest = ids.values().map(Vec::len).max().unwrap_or(0) as u64;
        let low = if durable { head.low } else { longest.saturating_sub(u64::from(WINDOW)) };
        truths.insert(
            channel.to_owned(),
            Truth { ids, epoch: if durable { Epoch::from_u64(0) } else { head.position.epoch }, keys, low, durable },
        );
    }
    truths
}

fn key_of(channel: &str) -> ChannelKey {
    let tenant = TenantId::parse("default").expect("valid");
    ChannelKey::new(tenant, ChannelName::parse(channel).expect("valid"))
}
