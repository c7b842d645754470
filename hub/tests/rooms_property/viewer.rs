//! Somebody who looks on: gets what the hub would send them, channel by channel in its order and between channels in any, and
//! asks again where a model is torn.

use std::collections::{BTreeMap, VecDeque};

use hubbub_protocol::Message;
use hubbub_protocol::channel::{ChannelName, UserId};

use crate::answers::{Answers, Wishes};
use crate::draw::Dice;
use crate::models::{Answer, Models};
use crate::world::World;

pub(crate) struct Viewer {
    pub(crate) user: UserId,
    pub(crate) wishes: Wishes,
    pub(crate) before: Answers,
    /// As they were at the beginning: for whoever reads the logs later.
    pub(crate) at_first: Models,
    pub(crate) models: Models,
    waiting: BTreeMap<ChannelName, VecDeque<Message>>,
    /// Answers that are under way, and what arrived since they were asked for.
    under_way: Option<(Vec<Answer>, Vec<Message>)>,
    /// Whether everything arrives late.
    is_far: bool,
    /// Everything that came, in the order in which it happened.
    pub(crate) heard: Vec<Message>,
    /// Rooms of which something was not for them to see.
    pub(crate) missed: Vec<ChannelName>,
    /// Whether nothing happened while the first answers were had.
    pub(crate) began_alone: bool,
}

impl Viewer {
    pub(crate) fn new(user: UserId, wishes: Wishes, before: Answers, began_alone: bool, is_far: bool) -> Self {
        let models = Models::new(&user, before.clone(), wishes.page);
        Self {
            user,
            wishes,
            before,
            at_first: models.clone(),
            models,
            waiting: BTreeMap::new(),
            under_way: None,
            is_far,
            heard: Vec::new(),
            missed: Vec::new(),
            began_alone,
        }
    }

    /// Something happened that is for them to see, or is not.
    pub(crate) fn hear(&mut self, message: &Message, is_seen: bool) {
        let own = message.channel == ChannelName::of_user(&self.user);
        if !own && (!is_seen || message.channel.namespace() == "user") {
            if message.channel.namespace() != "user" {
                self.missed.push(message.channel.clone());
                // The hub has ended the subscription.
                self.models.close(&message.channel);
            }
            return;
        }
        self.heard.push(message.clone());
        self.waiting.entry(message.channel.clone()).or_default().push_back(message.clone());
    }

    /// Some of what waits arrives, an answer comes, something is asked for.
    pub(crate) async fn lives_on(&mut self, world: &World, dice: &mut Dice) {
        if self.is_far {
            return;
        }
        for _ in 0..dice.below(8) {
            let channels: Vec<ChannelName> = self.waiting.keys().cloned().collect();
            let Some(channel) = dice.pick(&channels).cloned() else { break };
            self.arrives(&channel);
        }
        if self.under_way.is_some() && dice.one_in(3) {
            self.answers_come();
        } else if self.under_way.is_none() && dice.one_in(4) {
            let older = dice.one_in(3);
            self.under_way = Some((self.models.ask(world, older).await, Vec::new()));
        }
    }

    /// What was asked for comes behind what arrived meanwhile, which may be in it or not.
    fn answers_come(&mut self) {
        let Some((answers, since)) = self.under_way.take() else { return };
        self.models.take(answers);
        since.iter().for_each(|message| self.models.apply(message));
    }

    /// All of it arrives.
    pub(crate) fn all_arrives(&mut self, dice: &mut Dice) {
        while !self.waiting.is_empty() {
            let channels: Vec<ChannelName> = self.waiting.keys().cloned().collect();
            let Some(channel) = dice.pick(&channels).cloned() else { return };
            self.arrives(&channel);
        }
    }

    fn arrives(&mut self, channel: &ChannelName) {
        let Some(queue) = self.waiting.get_mut(channel) else { return };
        if let Some(message) = queue.pop_front() {
            self.models.apply(&message);
            if let Some((_, since)) = &mut self.under_way {
                since.push(message);
            }
        }
        if queue.is_empty() {
            self.waiting.remove(channel);
        }
    }

    /// Asks again until nothing is torn. Everything has arrived before.
    pub(crate) async fn settle(&mut self, world: &World) -> Result<(), String> {
        self.answers_come();
        for _ in 0..4 {
            if !self.models.is_torn() {
                return Ok(());
            }
            let answers = self.models.ask(world, false).await;
            self.models.take(answers);
        }
        Err("a model stays torn, however often it is asked for again".to_owned())
    }
}
