//! A client of the simulation: subscribes, publishes with keys, reads at its own pace, vanishes, comes back to any node with
//! its positions, and writes down what it was told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hubbub::shard::{PipeReader, pipe};
use hubbub_protocol::frame::{Connect, Publish, Resume, ServerFrame, Subscribe};
use hubbub_protocol::{ChannelName, ClientFrame, Data, Key, MessageId, Position, json};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::checker::Track;
use crate::node::Dial;

/// What the world tells its clients.
pub(crate) struct Sky {
    /// The doors of the nodes that run.
    pub(crate) doors: RefCell<Vec<mpsc::Sender<Dial>>>,
    /// Whether the faults are over: stay connected, publish no more.
    pub(crate) calm: std::cell::Cell<bool>,
    pub(crate) violation: RefCell<Option<String>>,
}

/// A client, between its connections too.
pub(crate) struct SimClient {
    name: String,
    token: String,
    dice: StdRng,
    pub(crate) tracks: BTreeMap<ChannelName, Track>,
    /// Publishes that nobody has acknowledged: by request id.
    pending: BTreeMap<u64, (ChannelName, Key)>,
    pub(crate) acks: Vec<(ChannelName, String, Position, MessageId)>,
    /// What was asked for and not yet answered, with the position that was given.
    asked: BTreeMap<u64, (ChannelName, Option<Position>)>,
    requests: u64,
    pub(crate) sent_away: u64,
}

impl SimClient {
    pub(crate) fn new(name: String, token: String, channels: Vec<ChannelName>, seed: u64) -> Self {
        let tracks = channels.into_iter().map(|channel| (channel, Track::default())).collect();
        let (pending, asked) = (BTreeMap::new(), BTreeMap::new());
        let dice = StdRng::seed_from_u64(seed);
        Self { name, token, dice, tracks, pending, acks: Vec::new(), asked, requests: 0, sent_away: 0 }
    }

    /// Lives until the world ends.
    pub(crate) async fn live(client: Rc<RefCell<Self>>, sky: Rc<Sky>) {
        loop {
            let (wait, capacity, patience) = {
                let mut client = client.borrow_mut();
                let small = client.dice.random_bool(0.3);
                let capacity = if small { client.dice.random_range(200..900) } else { 64 * 1024 };
                (client.dice.random_range(0..400), capacity, client.dice.random_range(500..12_000))
            };
            sleep(Duration::from_millis(wait)).await;
            let door = {
                let doors = sky.doors.borrow();
                if doors.is_empty() {
                    continue;
                }
                doors[client.borrow_mut().dice.random_range(0..doors.len())].clone()
            };
            let (wire, reader) = pipe(capacity);
            let (say, said) = mpsc::channel(64);
            if door.send(Dial { wire, said }).await.is_err() {
                continue;
            }
            let patience = if sky.calm.get() { Duration::MAX } else { Duration::from_millis(patience) };
            if let Err(violation) = Self::connection(&client, &sky, reader, say, patience).await {
                let name = client.borrow().name.clone();
                sky.violation.borrow_mut().get_or_insert(format!("{name}: {violation}"));
                return;
            }
        }
    }

    async fn connection(
        client: &Rc<RefCell<Self>>,
        sky: &Sky,
        reader: PipeReader,
        say: mpsc::Sender<String>,
        patience: Duration,
    ) -> Result<(), String> {
        let began = Instant::now();
        let connect = client.borrow_mut().connect_frame();
        if say.send(json::encode_client(&connect)).await.is_err() {
            return Ok(());
        }
        let (mut bytes, mut connected, mut publish_at) = (Vec::new(), false, Instant::now());
        loop {
            if !sky.calm.get() && began.elapsed() > patience {
                return Ok(());
            }
            let came = timeout(Duration::from_millis(20), next_bytes(&reader)).await;
            match came {
                Ok(None) => return Ok(()),
                Ok(Some(more)) => bytes.extend_from_slice(&more),
                Err(_) => {}
            }
            while let Some(frame) = take_frame(&mut bytes) {
                let Some(text) = frame else {
                    client.borrow_mut().sent_away += 1;
                    return Ok(());
                };
                let frame = json::decode_server(&text).map_err(|error| format!("{error}: {text}"))?;
                let answers = client.borrow_mut().hear(frame)?;
                connected |= answers.connected;
                for frame in answers.frames {
                    if say.send(json::encode_client(&frame)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            if connected && !sky.calm.get() && Instant::now() >= publish_at {
                let (frame, pause, nap) = client.borrow_mut().publish_frame();
                publish_at = Instant::now() + pause;
                if say.send(json::encode_client(&frame)).await.is_err() {
                    return Ok(());
                }
                // A reader that naps lets its pipe, its outbox and its gates fill.
                sleep(nap).await;
            }
        }
    }

    fn connect_frame(&mut self) -> ClientFrame {
        self.asked.clear();
        let resume = self.tracks.iter().filter(|(_, track)| track.position.is_some());
        let resume = resume.map(|(channel, track)| Resume {
            channel: channel.clone(),
            since: track.position,
            presence: false,
            conflate: false,
        });
        ClientFrame::Connect(Connect { token: self.token.clone(), client: None, resume: resume.collect() })
    }

    /// Publishes something new.
    fn publish_frame(&mut self) -> (ClientFrame, Duration, Duration) {
        self.requests += 1;
        let index = self.dice.random_range(0..self.tracks.len());
        let channel = self.tracks.keys().nth(index).cloned().expect("in range");
        let key = Key::parse(&format!("{}-{}", self.name, self.requests)).expect("short");
        self.pending.insert(self.requests, (channel, key));
        let pause = Duration::from_millis(self.dice.random_range(5..200));
        let nap = if self.dice.random_bool(0.06) { self.dice.random_range(100..9_000) } else { 0 };
        (self.publish_again(self.requests), pause, Duration::from_millis(nap))
    }

    fn publish_again(&self, request: u64) -> ClientFrame {
        let (channel, key) = &self.pending[&request];
        let data =
            Data::parse(format!("{{\"key\":\"{key}\",\"pad\":\"{}\"}}", "x".repeat(request as usize * 37 % 700)))
                .expect("json");
        ClientFrame::Publish(
            request,
            Publish { channel: channel.clone(), key: Some(key.clone()), conflate_key: None, data },
        )
    }

    fn subscribe_frame(&mut self, channel: ChannelName) -> ClientFrame {
        self.requests += 1;
        let since = self.tracks.get(&channel).and_then(|track| track.position);
        self.asked.insert(self.requests, (channel.clone(), since));
        ClientFrame::Subscribe(
            self.requests,
            Subscribe { channel, since, rewind: None, presence: false, conflate: false },
        )
    }

    fn hear(&mut self, frame: Option<ServerFrame>) -> Result<Answers, String> {
        let mut answers = Answers::default();
        match frame {
            Some(ServerFrame::Connected(connected)) => {
                answers.connected = true;
                for subscription in connected.subscriptions {
                    let track = self.tracks.get_mut(&subscription.channel).ok_or("a channel that was not asked for")?;
                    match subscription.result {
                        Ok(attached) => {
                            let since = track.position;
                            track
                                .outcome(since, &attached)
                                .map_err(|error| format!("{}: {error}", subscription.channel))?;
                        }
                        Err(_) => answers.frames.push(self.subscribe_frame(subscription.channel)),
                    }
                }
                let fresh: Vec<_> = self
                    .tracks
                    .iter()
                    .filter(|(_, track)| track.position.is_none())
                    .map(|(channel, _)| channel.clone())
                    .collect();
                answers.frames.extend(fresh.into_iter().map(|channel| self.subscribe_frame(channel)));
                // The same keys again: whatever was published before the connection broke must not be there twice.
                let again: Vec<u64> = self.pending.keys().copied().collect();
                answers.frames.extend(again.into_iter().map(|request| self.publish_again(request)));
            }
            Some(ServerFrame::Subscribed { id, channel, attached }) => {
                let (_, since) = self.asked.remove(&id).ok_or("an answer to nothing")?;
                let track = self.tracks.get_mut(&channel).ok_or("a channel that was not asked for")?;
                track.outcome(since, &attached).map_err(|error| format!("{channel}: {error}"))?;
            }
            Some(ServerFrame::Message(message)) => {
                let track = self.tracks.get_mut(&message.channel).ok_or("a channel that was not asked for")?;
                let position = message.position.ok_or("a logged message without a position")?;
                track.message(position, message.id).map_err(|error| format!("{}: {error}", message.channel))?;
            }
            Some(ServerFrame::Gap { channel, epoch, lost, reason }) => {
                let track = self.tracks.get_mut(&channel).ok_or("a channel that was not asked for")?;
                track.gap(epoch, lost, reason).map_err(|error| format!("{channel}: {error}"))?;
            }
            Some(ServerFrame::Ack { id, message, position, .. }) => {
                let (channel, key) = self.pending.remove(&id).ok_or("an ack of nothing")?;
                self.acks.push((channel, key.to_string(), position.ok_or("an ack without a position")?, message));
            }
            Some(ServerFrame::Error(error)) => self.failed(error.id, &mut answers),
            Some(ServerFrame::Ping) => answers.frames.push(ClientFrame::Pong),
            _ => {}
        }
        Ok(answers)
    }

    /// What failed is asked again; the hub said that it may succeed.
    fn failed(&mut self, request: Option<u64>, answers: &mut Answers) {
        let Some(request) = request else { return };
        if let Some((channel, _)) = self.asked.remove(&request) {
            answers.frames.push(self.subscribe_frame(channel));
        } else if self.pending.contains_key(&request) {
            answers.frames.push(self.publish_again(request));
        }
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }
}

#[derive(Default)]
struct Answers {
    connected: bool,
    frames: Vec<ClientFrame>,
}

async fn next_bytes(reader: &PipeReader) -> Option<bytes::Bytes> {
    std::future::poll_fn(|context| match reader.poll_read(context) {
        Poll::Ready(bytes) => Poll::Ready(bytes),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// The next whole frame of a server: its text, or `None` inside for a close.
fn take_frame(bytes: &mut Vec<u8>) -> Option<Option<String>> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (header, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        short => (2, usize::from(short)),
    };
    let payload = bytes.get(header..header + length)?.to_vec();
    bytes.drain(..header + length);
    Some(if first & 0x0f == 8 { None } else { String::from_utf8(payload).ok() })
}
