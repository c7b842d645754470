//! Rooms as everybody reaches them, on whatever way: an operation is placed, authorised, decided or asked, and what came of it is
//! told to all nodes.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use hubbub_persistence::Store;
use hubbub_persistence::records::{Acted, Records};
use hubbub_protocol::channel::{ChannelKey, ChannelName, TenantId, UserId};
use hubbub_protocol::frame::Scope;
use hubbub_protocol::room::answer::Changed;
use hubbub_protocol::room::op::{Access, Create, Resolution, Typing};
use hubbub_protocol::room::{Event, Op, RoomKind, RoomRequest};
use hubbub_protocol::{Data, ErrorCode, Message, MessageId};
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use super::act::RoomAct;
use super::actor::{Actor, Rank, Reach};
use super::error::{RoomError, refusal};
use super::people::run::JOBS;
use super::platform::{Asked, Platforms};
use super::questions::{Asking, author_of, data, newest_of};
use super::rules;
use super::seen::Seen;
use crate::auth::Identity;
use crate::auth::policy::Policy;
use crate::auth::service::Service;
use crate::broker::{Broker, Content, Envelope};
use crate::clock::Clock;
use crate::control::Control;
use crate::presence::Presence;
use crate::rate::Rates;

/// How the names of direct rooms begin.
const DIRECT: &str = "dm-";
/// For how long somebody counts as writing, in milliseconds.
const TYPING_MS: u64 = 6_000;

/// What rooms are made of.
pub struct Parts {
    /// What is remembered.
    pub records: Arc<dyn Records>,
    /// The logs beside it, in the same database.
    pub store: Arc<dyn Store>,
    /// Tells other nodes.
    pub broker: Arc<dyn Broker>,
    /// Acts on live sessions.
    pub control: Control,
    /// Knows which channels are rooms, and who may come at all.
    pub policy: Arc<Policy>,
    /// What tenants and users may do each second.
    pub rates: Arc<Rates>,
    /// Who is where: whoever is nowhere is told by the platform.
    pub presence: Presence,
    /// What the platforms of tenants want to know.
    pub platforms: Arc<Platforms>,
    /// The time.
    pub clock: Arc<Clock>,
    /// For how long somebody whose connections were closed may still count as present, in milliseconds.
    pub absent_ms: u64,
}

/// The rooms of a node. Cheap to clone.
#[derive(Clone)]
pub struct Rooms {
    parts: Arc<Parts>,
    seen: Seen,
    /// Wakes whoever does what is left to be done.
    pub(super) work: Arc<Notify>,
    /// Turns of jobs.
    pub(super) jobs: Arc<Semaphore>,
}

/// From where somebody acts, for the audit log.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The address.
    pub address: Option<Arc<str>>,
    /// The program.
    pub agent: Option<Arc<str>>,
}

impl std::ops::Deref for Rooms {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Rooms {
    /// Over these parts, on the current runtime.
    pub fn new(parts: Parts) -> Self {
        let seen = Seen::start(parts.records.clone(), parts.clock.clone());
        Self { parts: Arc::new(parts), seen, work: Arc::default(), jobs: Arc::new(Semaphore::new(JOBS)) }
    }

    /// Does, or answers, what a user asks for.
    pub async fn by_user(&self, who: &Identity, origin: Origin, mut request: RoomRequest) -> Result<Data, RoomError> {
        let user = who.user.clone().ok_or_else(|| refusal(ErrorCode::Unauthorized, "rooms need a token of a user"))?;
        let actor = Actor {
            tenant: who.tenant.clone(),
            user: Some(user),
            service: None,
            address: origin.address,
            agent: origin.agent,
            reach: Reach::Token(who.grants.clone()),
        };
        self.place(&actor, &mut request)?;
        match (request.op.channel(), &request.op) {
            (Some(channel), op) => drop(self.policy.room(who, channel, op.access())?),
            (None, Op::Inbox(_) | Op::InboxRead(_) | Op::Dnd(_)) => self.policy.own(who, request.op.access())?,
            (None, _) => {}
        }
        self.perform(actor, request).await
    }

    /// Does, or answers, what a service asks for, by itself or for a user.
    pub async fn by_service(
        &self,
        service: &Service,
        user: Option<UserId>,
        origin: Origin,
        mut request: RoomRequest,
    ) -> Result<Data, RoomError> {
        let actor = Actor {
            tenant: service.tenant().clone(),
            user,
            service: Some(service.id().clone()),
            address: origin.address,
            agent: origin.agent,
            reach: service.channels().map_or(Reach::All, |patterns| Reach::Key(patterns.clone())),
        };
        self.place(&actor, &mut request)?;
        self.policy.service_room(service, request.op.channel(), request.op.access())?;
        if let (Op::Inbox(_) | Op::InboxRead(_) | Op::Dnd(_), Some(user)) = (&request.op, &actor.user) {
            self.policy.service_own(service, user)?;
        }
        self.perform(actor, request).await
    }

    /// The channels that a user follows: those of the own rooms, and of open ones that they are invited to.
    pub async fn followed(&self, who: &Identity, most: u32) -> Result<Vec<ChannelName>, RoomError> {
        let actor = watching(who.tenant.clone(), who.user.clone());
        let homes = self.asking(&actor).looked_into(most).await?;
        Ok(homes.into_iter().map(|home| home.channel).collect())
    }

    /// Whether a user may look into a room now.
    pub async fn seen(&self, user: Option<&UserId>, channel: &ChannelKey) -> Result<bool, RoomError> {
        match user {
            Some(user) => self.seen.ask(channel, user).await,
            None => Ok(false),
        }
    }

    /// Gives a room that is to be made its channel.
    fn place(&self, actor: &Actor, request: &mut RoomRequest) -> Result<(), RoomError> {
        let Op::Create(create) = &mut request.op else { return Ok(()) };
        let name = match create.kind {
            RoomKind::Direct => direct_name(actor, create),
            // Who takes the name of a direct room learns whether there is one, and keeps it from others.
            _ if create.channel.as_ref().is_some_and(|channel| channel.name().starts_with(DIRECT)) => {
                let message = format!("names that begin with `{DIRECT}` are those of direct rooms");
                return Err(refusal(ErrorCode::Forbidden, message).into());
            }
            _ if create.channel.is_some() => return Ok(()),
            _ => self.clock.message_id().to_string().to_lowercase(),
        };
        let none =
            || refusal(ErrorCode::NotSupported, "no namespace of the hub has rooms; its operator can set rooms = true");
        let namespaces = self.policy.namespaces();
        let given = create.channel.as_ref().map(|channel| channel.namespace().to_owned());
        let mut names: Vec<&str> = namespaces.iter().filter(|(_, rules)| rules.rooms).map(|(name, _)| name).collect();
        names.sort_unstable();
        let namespace = given.as_deref().or(names.first().copied()).ok_or_else(none)?;
        create.channel = ChannelName::parse(&format!("{namespace}:{name}")).ok();
        Ok(())
    }

    /// Whoever asks is proven, and may come at all; the rest is for the rules.
    pub(super) async fn perform(&self, actor: Actor, request: RoomRequest) -> Result<Data, RoomError> {
        let question = is_question(&request.op);
        let ended = self.performed(actor, request).await;
        let outcome = match &ended {
            Ok(_) if question => "answered",
            Ok(_) => "done",
            Err(error) if error.code() == ErrorCode::Internal || error.code().is_temporary() => "failed",
            Err(_) => "refused",
        };
        metrics::counter!("hubbub_room_operations_total", "outcome" => outcome).increment(1);
        ended
    }

    async fn performed(&self, actor: Actor, mut request: RoomRequest) -> Result<Data, RoomError> {
        let home = match request.op.channel() {
            Some(channel) => ChannelKey::new(actor.tenant.clone(), channel.clone()),
            None if is_at_large(&actor, &request.op) => return self.asking(&actor).answer_at_large(&request.op).await,
            None => own_home(&actor)?,
        };
        if let Op::Typing(body) = &request.op {
            return self.typing(&actor, body, &home).await;
        }
        if is_question(&request.op) {
            return self.asking(&actor).answer(&request.op, &home).await;
        }
        if let Op::BulkDelete(body) = &mut request.op
            && let (Some(user), true) = (body.user.take(), body.messages.is_empty())
        {
            let most = rules::change::DELETED;
            body.messages = newest_of(&self.asking(&actor), &home, &user, body.since, most).await?;
            if body.messages.is_empty() {
                return Ok(unchanged());
            }
        }
        if let Op::Resolve(body) = &mut request.op
            && (body.action, &body.user) == (Resolution::Banned, &None)
        {
            body.user = author_of(&self.asking(&actor), &home, &body.report).await?;
        }
        if request.op.access() == Access::Write {
            self.rates.take(&actor.tenant, actor.user.as_ref(), 1).await?;
        }
        // What is asked again with the same key is the same, whatever the platform says of it.
        let digest = serde_json::to_vec(&request.op).map_err(|_| RoomError::Internal)?;
        self.ask_platform(&actor, &mut request.op).await?;
        let leaves_work = leaves_work(&request.op);
        let named = !matches!(request.op, Op::Create(_));
        let act =
            Arc::new(RoomAct::new(actor, request, digest, home.clone(), self.clock.now_ms(), self.clock.message_id()));
        let acted = self.records.act(act).await?;
        let answer = self.told(&home, acted, named).await;
        if leaves_work {
            self.work.notify_one();
        }
        answer
    }

    /// Lets the platform have its say about what is to be said.
    async fn ask_platform(&self, actor: &Actor, op: &mut Op) -> Result<(), RoomError> {
        let name = op.name();
        let (channel, text, attachments) = match op {
            Op::Send(send) if send.at.is_none() => (&send.channel, &mut send.text, &*send.attachments),
            Op::Edit(edit) => (&edit.channel, &mut edit.text, &[][..]),
            _ => return Ok(()),
        };
        let (tenant, user) = (&actor.tenant, actor.user.as_ref());
        let asked = Asked { op: name, tenant, channel, user, text: text.as_str(), attachments };
        if let Some(other) = self.platforms.ask(asked).await? {
            *text = other;
        }
        Ok(())
    }

    /// Tells what came of an act to whoever follows, and to whoever did it.
    pub(super) async fn told(&self, home: &ChannelKey, acted: Acted, named: bool) -> Result<Data, RoomError> {
        let channel = || (!named).then(|| home.channel.clone());
        match acted {
            Acted::Refused(refusal) => Err(refusal.into()),
            Acted::KeyConflict => Err(RoomError::KeyConflict),
            Acted::Before { id, position, time } => {
                data(&Changed { message: id, place: position.into(), time, channel: channel() })
            }
            Acted::Done { events, access, erased, answer } => {
                let first = events.iter().find(|event| event.channel == home.channel).or(events.first());
                let changed = first.and_then(|event| {
                    let place = event.position?.into();
                    Some(Changed { message: event.id, place, time: event.time, channel: channel() })
                });
                self.spread(home, events, access, erased).await;
                match (answer, changed) {
                    (Some(answer), _) => Ok(answer),
                    (None, Some(changed)) => data(&changed),
                    (None, None) if !named => data(&json!({ "unchanged": true, "channel": home.channel })),
                    (None, None) => Ok(unchanged()),
                }
            }
        }
    }

    async fn spread(&self, home: &ChannelKey, events: Vec<Message>, access: Vec<UserId>, erased: bool) {
        if erased {
            self.control.erased(home.clone()).await;
        }
        for message in events {
            let channel = ChannelKey::new(home.tenant.clone(), message.channel.clone());
            let envelope = Envelope { channel, content: Content::Message(message) };
            if let Err(error) = self.broker.publish(envelope).await {
                tracing::warn!(%error, "a stored event travels by the tail sweep");
            }
        }
        for user in access {
            self.control.shut_out(home.clone(), user).await;
        }
    }

    /// Tells that somebody is writing: to whoever is there, and remembered by nobody.
    async fn typing(&self, actor: &Actor, body: &Typing, home: &ChannelKey) -> Result<Data, RoomError> {
        let sight = self.asking(actor).sight(home, Vec::new(), Vec::new()).await?;
        let user = actor.user.clone().filter(|_| sight.rank >= Rank::In(hubbub_protocol::room::Role::Guest));
        let announced = sight.room.room.kind == RoomKind::Announcement;
        let user = user.filter(|_| !announced || sight.rank >= Rank::In(hubbub_protocol::room::Role::Moderator));
        let silent = sight.me.as_ref().is_some_and(|me| me.shadow || me.member.is_muted(self.clock.now_ms()));
        let Some(user) = user.filter(|_| !sight.room.room.archived) else {
            return Err(refusal(ErrorCode::Forbidden, "only those who may write here are told to be writing").into());
        };
        if silent {
            return Ok(unchanged());
        }
        let event = Event::Typing { user: user.clone(), thread: body.thread, for_ms: TYPING_MS };
        let message = Message {
            channel: home.channel.clone(),
            id: self.clock.message_id(),
            position: None,
            time: self.clock.now_ms(),
            from: Some(user),
            key: None,
            conflate_key: None,
            data: event.data(),
        };
        let told = self.broker.publish(Envelope { channel: home.clone(), content: Content::Message(message) }).await;
        let far = matches!(told, Ok(Scope::Fleet));
        data(&json!({ "told": if far { "fleet" } else { "node" } }))
    }

    pub(super) fn asking<'a>(&'a self, actor: &'a Actor) -> Asking<'a> {
        Asking { records: &self.parts.records, actor, now: self.clock.now_ms() }
    }

    /// A new id, for what the hub does by itself.
    pub(super) fn id(&self) -> MessageId {
        self.clock.message_id()
    }
}

/// Whether something is about no room, and about nobody.
fn is_at_large(actor: &Actor, op: &Op) -> bool {
    match op {
        Op::Discover(_) => true,
        Op::Audit(_) => actor.user.is_none(),
        _ => false,
    }
}

/// The home of what is about a user alone.
fn own_home(actor: &Actor) -> Result<ChannelKey, RoomError> {
    let needed = || refusal(ErrorCode::BadRequest, "this is about a user: name one in `as`");
    let user = actor.user.as_ref().ok_or_else(needed)?;
    Ok(ChannelKey::new(actor.tenant.clone(), ChannelName::of_user(user)))
}

/// Somebody who looks on, and does nothing.
fn watching(tenant: TenantId, user: Option<UserId>) -> Actor {
    Actor { tenant, user, service: None, address: None, agent: None, reach: Reach::All }
}

/// The same people, the same name, in whatever order they are named.
fn direct_name(actor: &Actor, create: &Create) -> String {
    let mut people: Vec<&str> = create.members.iter().chain(&actor.user).map(UserId::as_str).collect();
    people.sort_unstable();
    people.dedup();
    // No user has a comma in the id.
    let hash = digest(&SHA256, people.join(",").as_bytes());
    hash.as_ref().iter().take(16).fold(DIRECT.to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

fn is_question(op: &Op) -> bool {
    match op {
        Op::Filters(body) => body.words.is_none() && body.links.is_none(),
        Op::Reports(_) | Op::Audit(_) => true,
        op => op.access() == Access::Read,
    }
}

/// Whether an operation may leave notices to be delivered.
fn leaves_work(op: &Op) -> bool {
    match op {
        Op::Send(send) => send.reply_to.is_some() || send.text.contains('@'),
        Op::Invite(_) | Op::Report(_) => true,
        _ => false,
    }
}

fn unchanged() -> Data {
    // A constant that is JSON.
    Data::parse(r#"{"unchanged":true}"#.to_owned()).expect("JSON")
}
