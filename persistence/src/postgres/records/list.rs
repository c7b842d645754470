//! Parts of lists: a statement for each. It steps through one index and reads no further than it answers, but for those that
//! say so.

use hubbub_protocol::channel::{ChannelKey, TenantId, UserId};

use super::super::columns;
use super::super::rows::to_sql;
use super::super::script::{channel, tenant as literal, text};
use super::row::RECORD;
use crate::log::ReadFrom;
use crate::page::PAGE_MAX;
use crate::records::{Kind, List, RecordKey};

/// The statement of a list; `None` when it is another tenant's.
pub(super) fn list_statement(tenant: &TenantId, list: &List) -> Option<String> {
    match list {
        List::Group { home, kind, group, from, limit } => {
            of_tenant(tenant, home).then(|| group_statement(home, *kind, group, *from, *limit))
        }
        List::Keys { home, kind, group, after, limit } => {
            of_tenant(tenant, home).then(|| keys_statement(home, *kind, group.as_deref(), after, *limit))
        }
        List::User { who, kind, homes, after, limit } => {
            let ours: Vec<&ChannelKey> = homes.iter().filter(|home| of_tenant(tenant, home)).collect();
            let none = ours.is_empty() && !homes.is_empty();
            (!none).then(|| user_statement(tenant, who, *kind, &ours, after.as_ref(), *limit))
        }
        List::Everywhere { kind, group, after, limit } => {
            Some(everywhere_statement(tenant, *kind, group, after.as_ref(), *limit))
        }
        List::Placed { kind, group, from, limit } => Some(placed_statement(tenant, *kind, group, *from, *limit)),
    }
}

fn of_tenant(tenant: &TenantId, home: &ChannelKey) -> bool {
    home.tenant == *tenant
}

fn group_statement(home: &ChannelKey, kind: Kind, group: &str, from: ReadFrom, limit: u32) -> String {
    let condition = match from {
        ReadFrom::After(at) => format!("at > {} ORDER BY at, key", to_sql(at)),
        ReadFrom::Before(at) => format!("at < {} ORDER BY at DESC, key DESC", to_sql(at)),
    };
    format!(
        "SELECT {RECORD} FROM hubbub.records WHERE {} AND grp = {} AND {condition} LIMIT {}",
        of_home(home, kind),
        text(group),
        limit.min(PAGE_MAX)
    )
}

/// Kinds that have no index for it sort all of the tenant's: see the migration.
fn placed_statement(tenant: &TenantId, kind: Kind, group: &str, from: ReadFrom, limit: u32) -> String {
    let condition = match from {
        ReadFrom::After(at) => format!("at > {} ORDER BY at, home, key", to_sql(at)),
        ReadFrom::Before(at) => format!("at < {} ORDER BY at DESC, home DESC, key DESC", to_sql(at)),
    };
    format!(
        "SELECT {RECORD} FROM hubbub.records WHERE tenant = {} AND kind = {} AND grp = {} AND {condition} LIMIT {}",
        literal(tenant),
        kind.number(),
        text(group),
        limit.min(PAGE_MAX)
    )
}

/// Of one group it steps through the keys of all, or sorts the group: statistics say which is less.
fn keys_statement(home: &ChannelKey, kind: Kind, group: Option<&str>, after: &str, limit: u32) -> String {
    let group = group.map(|group| format!("AND grp = {}", text(group))).unwrap_or_default();
    format!(
        "SELECT {RECORD} FROM hubbub.records WHERE {} AND key > {} {group} ORDER BY key LIMIT {}",
        of_home(home, kind),
        text(after),
        limit.min(PAGE_MAX)
    )
}

fn of_home(home: &ChannelKey, kind: Kind) -> String {
    format!("tenant = {} AND home = {} AND kind = {}", literal(&home.tenant), channel(&home.channel), kind.number())
}

fn user_statement(
    tenant: &TenantId,
    who: &UserId,
    kind: Option<Kind>,
    homes: &[&ChannelKey],
    after: Option<&RecordKey>,
    limit: u32,
) -> String {
    let kinds = Kind::ALL.iter().filter(|each| kind.is_none_or(|kind| kind == **each));
    let (after_kind, after_home, after_key) = match after {
        Some(after) => (after.kind.number(), channel(&after.home.channel), text(&after.key)),
        None => (0, "''".to_owned(), "''".to_owned()),
    };
    format!(
        "SELECT {RECORD} FROM hubbub.records_of({}, '{who}', {}, {}, {after_kind}::smallint, {after_home}, {after_key}, {})",
        literal(tenant),
        columns::small(kinds.map(|kind| kind.number())),
        columns::names(homes.iter().map(|home| Some(home.channel.as_str()))),
        limit.min(PAGE_MAX)
    )
}

/// Kinds that have no index for it read all of the tenant's: see the migration.
fn everywhere_statement(tenant: &TenantId, kind: Kind, group: &str, after: Option<&ChannelKey>, limit: u32) -> String {
    format!(
        "SELECT {RECORD} FROM hubbub.records WHERE tenant = {} AND kind = {} AND grp = {} AND home > {} \
         ORDER BY home, key LIMIT {}",
        literal(tenant),
        kind.number(),
        text(group),
        after.map_or_else(|| "''".to_owned(), |after| channel(&after.channel)),
        limit.min(PAGE_MAX)
    )
}
