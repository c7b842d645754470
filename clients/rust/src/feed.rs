//! Everything that a connection is told of channels, in one stream: for whoever follows many rooms at once.

use hubbub_protocol::{ChannelName, ErrorCode, Message};

use crate::error::ClientError;

/// One thing that happened, in the order in which it happened in its channel.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum FeedEvent {
    /// A message, of a followed room or of a subscription.
    Message(Message),
    /// Something of the channel will never come.
    Gap(ChannelName),
    /// The hub tells nothing of the channel any more.
    Ended(ChannelName, Option<ErrorCode>),
    /// The connection was lost, and whatever was followed on it: ask again.
    Lost,
    /// The last one: the client has ended.
    Over(ClientError),
}
