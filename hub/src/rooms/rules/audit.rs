//! The audit log: every act of moderation and administration leaves a record that nothing changes.

use hubbub_persistence::records::Kind;
use hubbub_protocol::MessageId;
use hubbub_protocol::channel::UserId;
use serde_json::{Value, json};

use crate::rooms::act::Scene;
use crate::rooms::rows::{key, plain};

/// Writes down what was done: upon whom or what, what it was before and is after, and why.
pub(super) fn note(
    scene: &mut Scene<'_, '_>,
    user: Option<&UserId>,
    message: Option<MessageId>,
    before: &Value,
    after: &Value,
    reason: Option<&str>,
) {
    let act = scene.act;
    let id = act.id_of(0);
    // One act may leave several notes.
    let name =
        format!("{id}/{}", user.map_or_else(|| message.map_or_else(String::new, |m| m.to_string()), |u| u.to_string()));
    let actor = &act.actor;
    let row = json!({
        "id": id, "time": act.time, "actor": actor.user, "service": actor.service.as_deref(),
        "address": actor.address.as_deref(), "agent": actor.agent.as_deref(), "op": act.request.op.name(),
        "channel": act.home().channel, "user": user, "message": message, "before": before, "after": after, "reason": reason,
    });
    let record = plain(key(act.home(), Kind::Audit, name), "", act.time, actor.user.as_ref(), &row);
    scene.view.put(record);
}
