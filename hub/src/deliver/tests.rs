//! Goal: a delivery that is lost while a channel opens is read from the log. Method: a lane over a broker that hands over the
//! third message and loses the two before it, and then is silent. And: an attach that fails leaves nothing behind. Method: the
//! same broker without its log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hubbub_persistence::sqlite::{Settings, Sqlite};
use hubbub_persistence::{Append, Appended, Continuity, Entry, Head, Page, ReadFrom};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId};
use hubbub_protocol::{Data, Epoch, Message, MessageId, Position};
use tokio::time::timeout;

use super::hot::{Hot, HotBounds};
use super::{Intake, Interest, Parts};
use crate::broker::{Broker, BrokerError, Content, Envelope, Inbox, Link, Scope};
use crate::limits::Limits;
use crate::logs::Logs;
use crate::namespace::{LogKind, WindowBounds};
use crate::shard::mail::{Mail, MailboxReader, mailbox};

const OPENED_AT: u64 = 10;
const HEAD: u64 = 13;

fn position(offset: u64) -> Position {
    Position::new(Epoch::from_u64(1), offset)
}

fn message(channel: &ChannelKey, offset: u64) -> Message {
    Message {
        channel: channel.channel.clone(),
        id: MessageId::from_parts(1, u128::from(offset)),
        position: Some(position(offset)),
        time: 1,
        from: None,
        key: None,
        conflate_key: None,
        data: Data::parse("1".to_owned()).expect("JSON"),
    }
}

struct Lossy {
    inbox: Inbox,
    /// Whether the log can be read.
    has_log: bool,
    /// How often interest was ended.
    ended: AtomicUsize,
}

#[async_trait]
impl Broker for Lossy {
    async fn subscribe(&self, channels: &[ChannelKey]) -> Result<(), BrokerError> {
        let channel = channels[0].clone();
        let content = Content::Message(message(&channel, HEAD));
        self.inbox.deliver(Envelope { channel, content }).await;
        // The lane, which runs on the same thread, has it before it hears where the log stood.
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn unsubscribe(&self, _: &[ChannelKey]) -> Result<(), BrokerError> {
        self.ended.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn publish(&self, _: Envelope) -> Result<Scope, BrokerError> {
        Ok(Scope::Fleet)
    }

    async fn append(&self, _: Append, _: WindowBounds) -> Result<Appended, BrokerError> {
        Err(BrokerError::Unavailable("nobody appends".into()))
    }

    async fn read(&self, channel: &ChannelKey, from: ReadFrom, _: u32, _: usize) -> Result<Page, BrokerError> {
        if !self.has_log {
            return Err(BrokerError::Unavailable("the log is away".into()));
        }
        if let ReadFrom::Before(_) = from {
            let head = Head { position: position(OPENED_AT), low: OPENED_AT };
            return Ok(Page { head, entries: Vec::new(), more: false });
        }
        assert_eq!(from, ReadFrom::After(OPENED_AT));
        let entries = (OPENED_AT + 1..=HEAD).map(|offset| Entry::Message(message(channel, offset))).collect();
        Ok(Page { head: Head { position: position(HEAD), low: 0 }, entries, more: false })
    }

    async fn heads(&self, channels: &[ChannelKey]) -> Result<Vec<Head>, BrokerError> {
        Ok(vec![Head { position: position(OPENED_AT), low: 0 }; channels.len()])
    }

    async fn continuity(&self, _: &ChannelKey, position: Position) -> Result<Continuity, BrokerError> {
        Ok(Continuity::Proven { offset: position.offset })
    }

    async fn sift(&self, _: &TenantId, _: Arc<crate::broker::Sieve>) -> Result<Vec<ChannelKey>, BrokerError> {
        Ok(Vec::new())
    }

    fn link(&self) -> Link {
        Link::Well
    }
}

/// A lane that one shard has asked for one channel.
struct Asked {
    broker: Arc<Lossy>,
    reader: MailboxReader,
    _interest: Interest,
    _folder: tempfile::TempDir,
}

async fn ask(has_log: bool) -> Asked {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(Settings::new(folder.path().join("hubbub.db"), 1)).await.expect("opens");
    let intake = Intake::new(1, 16);
    let broker = Arc::new(Lossy { inbox: intake.inbox(), has_log, ended: AtomicUsize::new(0) });
    let (mailbox, reader) = mailbox(64);
    let logs = Logs::new(broker.clone(), Arc::new(store));
    let limits = Arc::new(Limits::default());
    let hot = Hot::new(HotBounds::from(&*limits));
    let parts = Parts { broker: broker.clone(), logs, hot, shards: vec![mailbox].into(), limits };
    let interest = Interest::start(intake, &parts, &tokio::runtime::Handle::current());
    let tenant = TenantId::parse("t").expect("a tenant");
    let channel = ChannelKey::new(tenant, ChannelName::parse("live:a").expect("a channel"));
    interest.attach(channel, LogKind::Window, 0).await;
    Asked { broker, reader, _interest: interest, _folder: folder }
}

#[tokio::test(start_paused = true)]
async fn an_attach_that_fails_leaves_no_interest() {
    let mut asked = ask(false).await;
    let mut mail = Vec::new();
    let came = timeout(Duration::from_secs(60), asked.reader.take(&mut mail, 64)).await;
    assert!(came.is_ok(), "no answer came");
    assert!(matches!(mail[..], [Mail::Attached { position: Err(_), .. }]), "{mail:?}");
    assert_eq!(asked.broker.ended.load(Ordering::Relaxed), 1, "the interest in the channel is left behind");
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_while_a_channel_opens_is_read_from_the_log() {
    let mut asked = ask(true).await;
    let (mut mail, mut offsets) = (Vec::new(), Vec::new());
    while offsets.len() < 3 {
        let came = timeout(Duration::from_secs(60), asked.reader.take(&mut mail, 64)).await;
        assert!(came.is_ok(), "only {offsets:?} came");
        for piece in mail.drain(..) {
            match piece {
                Mail::Attached { position: opened, .. } => assert_eq!(opened, Ok(Some(position(OPENED_AT)))),
                Mail::Delivery(delivery) => offsets.extend(delivery.position.map(|position| position.offset)),
                other => panic!("unexpected: {other:?}"),
            }
        }
    }
    assert_eq!(offsets, [11, 12, 13]);
}
