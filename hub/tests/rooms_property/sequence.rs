//! One sequence: rooms are made, things happen, two viewers look, more happens, and what their models say is compared with what
//! the hub answers.

use std::collections::BTreeMap;

use hubbub::rooms::{NoticeDraft, RoomError};
use hubbub_protocol::channel::{ChannelName, UserId};
use hubbub_protocol::room::{Op, RoomRequest};
use hubbub_protocol::{Data, Key};
use serde_json::Value;

use crate::answers::{Answers, Wishes};
use crate::backends::Backend;
use crate::cases;
use crate::compare::compare;
use crate::draw::{self, Dice, Step};
use crate::late::{Told, log, logs_say_what_was_told, read_later};
use crate::notes::Notes;
use crate::tally::Tally;
use crate::viewer::Viewer;
use crate::world::{Who, World};

/// Longer than anything is scheduled ahead, in milliseconds.
const ALL_OVER: u64 = 400 * 86_400_000;

pub(crate) struct Sequence {
    world: World,
    dice: Dice,
    notes: Notes,
    told: Told,
    viewers: Vec<Viewer>,
    /// Keyed requests so far, some of which come again.
    keyed: Vec<(Who, RoomRequest)>,
    tally: Tally,
    /// What was done, for whoever looks at a mismatch.
    trace: Vec<String>,
}

/// A sequence in which a model and the hub differ.
pub(crate) struct Mismatch {
    pub(crate) why: String,
    pub(crate) trace: Vec<String>,
}

impl Sequence {
    /// Runs the sequence of a seed; the lines are its cases.
    pub(crate) async fn run(backend: &Backend, tenant: &str, seed: u64) -> Result<(Tally, Vec<String>), Mismatch> {
        let (world, dice) = (World::begin(backend, tenant).await, Dice::new(seed));
        let mut sequence = Self {
            world,
            dice,
            notes: Notes::default(),
            told: Told::new(),
            viewers: Vec::new(),
            keyed: Vec::new(),
            tally: Tally::default(),
            trace: Vec::new(),
        };
        match Box::pin(sequence.play()).await {
            Ok(cases) => Ok((sequence.tally, cases)),
            Err(why) => Err(Mismatch { why, trace: sequence.trace }),
        }
    }

    async fn play(&mut self) -> Result<Vec<String>, String> {
        for number in 0..draw::USERS {
            self.world.watch(&ChannelName::of_user(&draw::user(number))).await;
        }
        for name in ["public", "private", "news"] {
            self.world.watch(&draw::channel(name)).await;
        }
        for (who, op) in draw::set_up(&mut self.dice) {
            self.do_all(vec![Step::Act(who, Box::new(RoomRequest { op, key: None }))]).await?;
        }
        for _ in 0..10 + self.dice.below(15) {
            self.next().await?;
        }
        Box::pin(self.look()).await?;
        for _ in 0..15 + self.dice.below(50) {
            self.next().await?;
            for viewer in &mut self.viewers {
                viewer.lives_on(&self.world, &mut self.dice).await;
            }
        }
        let cases = self.judge().await?;
        self.world.pass(ALL_OVER);
        self.world.rooms.work_off(0).await.map_err(|error| format!("the rest of the work: {error}"))?;
        Ok(cases)
    }

    /// One step, or a few at the same time.
    async fn next(&mut self) -> Result<(), String> {
        let at_once = if self.dice.one_in(8) { 2 + self.dice.below(3) } else { 1 };
        let steps = (0..at_once).map(|_| self.drawn()).collect();
        self.do_all(steps).await
    }

    fn drawn(&mut self) -> Step {
        if self.dice.one_in(40)
            && let Some((who, request)) = self.dice.pick(&self.keyed).cloned()
        {
            return Step::Act(who, Box::new(request));
        }
        let step = draw::step(&mut self.dice, &self.notes, self.world.now());
        if let Step::Act(who, request) = &step
            && request.key.is_some()
        {
            self.keyed.push((who.clone(), (**request).clone()));
        }
        step
    }

    /// Does these steps at the same time, and hears what is told of them.
    async fn do_all(&mut self, steps: Vec<Step>) -> Result<(), String> {
        self.world.pass(1 + self.dice.below(5_000));
        let done = futures_util::future::join_all(steps.iter().map(|step| perform(&self.world, step))).await;
        for (step, done) in steps.iter().zip(done) {
            self.done(step, done).await?;
        }
        self.hear();
        Ok(())
    }

    async fn done(&mut self, step: &Step, done: Result<Value, RoomError>) -> Result<(), String> {
        let now = self.world.now();
        let line = serde_json::to_string(&done.as_ref().map_err(ToString::to_string)).unwrap_or_default();
        self.trace.push(format!("{now} {step:?} -> {line}"));
        let name = match step {
            Step::Act(_, request) => request.op.name(),
            Step::Notice(_) => "notice",
            Step::Work => "work",
            Step::Pass(_) => return Ok(()),
        };
        match done {
            Ok(answer) => {
                self.tally.done(name);
                if let Step::Act(who, request) = step {
                    self.answered(who, &request.op, &answer).await;
                }
                Ok(())
            }
            Err(RoomError::Refused(_) | RoomError::KeyConflict) => {
                self.tally.refused(name);
                Ok(())
            }
            Err(error) => Err(format!("{step:?} failed: {error}")),
        }
    }

    async fn answered(&mut self, who: &Who, op: &Op, answer: &Value) {
        self.notes.answered(who, op.channel(), answer);
        let made = answer["channel"].as_str().or_else(|| match op {
            Op::Create(create) => create.channel.as_ref().map(|channel| channel.as_str()),
            _ => None,
        });
        if let Some(channel) = made.and_then(|made| ChannelName::parse(made).ok())
            && !self.told.contains_key(&channel)
        {
            // Its name was not known before: what was told until now is in its log.
            self.world.watch(&channel).await;
            for entry in log(&self.world, &channel).await {
                if let hubbub_persistence::Entry::Message(message) = entry {
                    self.hear_one(&message);
                }
            }
        }
    }

    fn hear(&mut self) {
        for message in self.world.told() {
            self.hear_one(&message);
        }
    }

    fn hear_one(&mut self, message: &hubbub_protocol::Message) {
        let Some(position) = message.position else { return };
        let told = self.told.entry(message.channel.clone()).or_default();
        if told.insert(position.offset, message.clone()).is_some() {
            return;
        }
        let now = self.world.now();
        let seen =
            |notes: &Notes, user: &UserId| notes.room(&message.channel).is_some_and(|room| room.is_seen_by(user, now));
        let before: Vec<bool> = self.viewers.iter().map(|viewer| seen(&self.notes, &viewer.user)).collect();
        self.notes.hear(message);
        for (viewer, before) in self.viewers.iter_mut().zip(before) {
            viewer.hear(message, before || seen(&self.notes, &viewer.user));
        }
    }

    /// Two viewers look for the first time: alone, or while something happens.
    async fn look(&mut self) -> Result<(), String> {
        let alone = !self.dice.one_in(4);
        for number in [0, 3] {
            let (user, wishes) = (draw::user(number), self.wishes());
            let steps: Vec<Step> = if alone { Vec::new() } else { self.meanwhile(&user) };
            let is_far = self.dice.one_in(3);
            let world = &self.world;
            let acts = async {
                let mut done = Vec::new();
                for step in &steps {
                    done.push(perform(world, step).await);
                }
                done
            };
            let (before, done) = tokio::join!(Answers::ask(world, &user, &wishes), acts);
            self.viewers.push(Viewer::new(user, wishes, before, alone, is_far));
            for (step, done) in steps.iter().zip(done) {
                self.done(step, done).await?;
            }
            self.hear();
        }
        Ok(())
    }

    /// What happens while somebody looks: they come and go themselves, too.
    fn meanwhile(&mut self, user: &UserId) -> Vec<Step> {
        let mut steps = Vec::new();
        for _ in 0..4 {
            steps.push(self.drawn());
            steps.extend(draw::comes_or_goes(&mut self.dice, &self.notes, user));
        }
        steps
    }

    /// The rooms of the beginning, and one of the others.
    fn wishes(&mut self) -> Wishes {
        let mut rooms: Vec<ChannelName> = self.notes.rooms.iter().map(|room| room.channel.clone()).collect();
        let other = rooms.split_off(rooms.len().min(4));
        rooms.extend(self.dice.pick(&other).cloned());
        let mut threads = Vec::new();
        for room in self.notes.rooms.iter().take(2) {
            let roots = room.roots();
            let from = roots.len().saturating_sub(2);
            threads.extend(roots[from..].iter().map(|post| (room.channel.clone(), post.id)));
        }
        Wishes { rooms, threads, page: if self.dice.one_in(3) { 5 } else { 200 } }
    }

    async fn judge(&mut self) -> Result<Vec<String>, String> {
        let mut logs = BTreeMap::new();
        for (channel, told) in &self.told {
            let entries = log(&self.world, channel).await;
            logs_say_what_was_told(&entries, told).map_err(|why| format!("{channel}: {why}"))?;
            logs.insert(channel.clone(), entries);
        }
        let mut cases = Vec::new();
        for mut viewer in std::mem::take(&mut self.viewers) {
            let user = viewer.user.clone();
            let of_viewer = |why: String| format!("{user}: {why}");
            viewer.all_arrives(&mut self.dice);
            viewer.settle(&self.world).await.map_err(of_viewer)?;
            let after = Answers::ask(&self.world, &user, &viewer.wishes).await;
            compare(&viewer.models, &after, self.world.now()).map_err(of_viewer)?;
            self.tally.healed += viewer.models.healed;
            cases.extend(cases::line(&viewer, &after, self.world.now()));
            let mut seen = BTreeMap::new();
            for (channel, entries) in &logs {
                let own = *channel == ChannelName::of_user(&user);
                if own || (channel.namespace() != "user" && self.world.may_look(&user, channel).await) {
                    seen.insert(channel.clone(), entries.clone());
                }
            }
            let torn = read_later(&self.world, viewer.at_first, &seen, &after, &mut self.dice).await;
            self.tally.torn += torn.map_err(of_viewer)?;
        }
        Ok(cases)
    }
}

async fn perform(world: &World, step: &Step) -> Result<Value, RoomError> {
    match step {
        Step::Act(who, request) => {
            let answer = world.act(who, (**request).clone()).await?;
            Ok(serde_json::from_str(answer.get()).expect("JSON"))
        }
        Step::Notice(notice) => {
            let draft = NoticeDraft {
                from: None,
                text: Some(notice.text.clone()),
                data: Data::parse("{}".to_owned()).expect("JSON"),
                collapse: notice.collapse.map(|collapse| Key::parse(collapse).expect("a key")),
                expires: notice.expires,
            };
            world.notify(&notice.user, draft).await.map(|()| Value::Null)
        }
        Step::Work => world.rooms.work_off(0).await.map(|()| Value::Null),
        Step::Pass(ms) => {
            world.pass(*ms);
            Ok(Value::Null)
        }
    }
}
