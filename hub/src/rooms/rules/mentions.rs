//! Whom a text names: candidates are looked up, members become entities, and counters follow.

use std::collections::{HashMap, HashSet};

use hubbub_persistence::records::{Question, Stop};
use hubbub_protocol::ErrorCode;
use hubbub_protocol::channel::UserId;
use hubbub_protocol::room::event::Mentions;
use hubbub_protocol::room::text::{self, MENTIONS, Named};
use hubbub_protocol::room::{Entity, Mark, MemberState, Role};

use crate::rooms::act::{Scene, Stage};
use crate::rooms::actor::Rank;
use crate::rooms::error::refused;
use crate::rooms::rows::{MemberRow, member_key};

/// What a text names.
pub(super) struct Found {
    /// Formats of the client and mentions, in order.
    pub(super) entities: Vec<Entity>,
    pub(super) mentions: Mentions,
    /// The rows of those who are named.
    pub(super) rows: Vec<MemberRow>,
}

/// Finds mentions of members. Names of others stay text.
pub(super) fn find(scene: &mut Scene<'_, '_>, stage: &Stage, text: &str, formats: &[Entity]) -> Result<Found, Stop> {
    text::check_entities(text, formats).map_err(|error| crate::rooms::error::text(&error))?;
    let names = text::names_in(text);
    let users: HashSet<&UserId> = names.iter().filter_map(|(named, ..)| user_of(named)).collect();
    // A name and the same with its punctuation are two candidates.
    if users.len() > 2 * MENTIONS {
        return Err(too_many());
    }
    let roles = names.iter().filter_map(|(named, ..)| role_of(named));
    let leaders = roles.flat_map(|role| leaders_of(stage, role)).cloned();
    let asked: HashSet<UserId> = users.into_iter().cloned().chain(leaders).collect();
    let keys: Vec<_> = asked.iter().map(|user| member_key(scene.home(), user)).collect();
    scene.view.want(keys.into_iter().map(Question::Key))?;
    let mut members = HashMap::new();
    for user in asked {
        if let Some(row) = scene.member(&user)?.filter(|row| row.member.state == MemberState::Joined) {
            members.insert(user, row);
        }
    }
    let mut found = marked(stage, &names, &members);
    found.entities.extend_from_slice(formats);
    found.entities.sort_by_key(|entity| (entity.from, u32::MAX - entity.to));
    let own = scene.act.actor.user.as_ref();
    found.mentions.users.retain(|user| Some(user) != own);
    if found.mentions.users.len() > MENTIONS {
        return Err(too_many());
    }
    found.rows = found.mentions.users.iter().filter_map(|user| members.remove(user)).collect();
    Ok(found)
}

fn marked(stage: &Stage, names: &[(Named, u32, u32)], members: &HashMap<UserId, MemberRow>) -> Found {
    let may_all = stage.rank != Rank::In(Role::Guest) && stage.rank >= Rank::In(stage.room.room.mention_all);
    let (mut entities, mut mentions) = (Vec::new(), Mentions::default());
    let name_user = |user: &UserId, mentions: &mut Mentions| {
        if !mentions.users.contains(user) {
            mentions.users.push(user.clone());
        }
    };
    for (named, from, to) in names {
        // The longer of two names at one place comes first.
        if entities.last().is_some_and(|last: &Entity| last.from == *from) {
            continue;
        }
        let mark = match named {
            Named::User(user) if members.contains_key(user) => {
                name_user(user, &mut mentions);
                Mark::Mention { user: user.clone() }
            }
            Named::All if may_all => {
                mentions.all = true;
                Mark::MentionAll
            }
            Named::Role(role) if may_all => {
                leaders_of(stage, *role).for_each(|user| name_user(user, &mut mentions));
                Mark::MentionRole { role: *role }
            }
            Named::User(_) | Named::All | Named::Role(_) => continue,
        };
        entities.push(Entity { mark, from: *from, to: *to });
    }
    Found { entities, mentions, rows: Vec::new() }
}

fn leaders_of(stage: &Stage, role: Role) -> impl Iterator<Item = &UserId> {
    let owners = stage.room.owners.iter();
    let moderators = stage.room.moderators.iter().filter(move |_| role == Role::Moderator);
    owners.chain(moderators)
}

fn user_of(named: &Named) -> Option<&UserId> {
    match named {
        Named::User(user) => Some(user),
        Named::All | Named::Role(_) => None,
    }
}

fn role_of(named: &Named) -> Option<Role> {
    match named {
        Named::Role(role) => Some(*role),
        Named::All | Named::User(_) => None,
    }
}

fn too_many() -> Stop {
    refused(ErrorCode::LimitReached, format!("a message names at most {MENTIONS} people"))
}
