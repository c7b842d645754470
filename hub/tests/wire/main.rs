//! The hub as its clients see it: the real program, real sockets, one behaviour in each file.
//!
//! Read the harness first (`harness`: the program; `peer`: a WebSocket; `http` and `stream`: plain HTTP and server-sent
//! events), then any file: its name is the sentence that it proves.

mod harness;
mod hot_channels_are_flushed_together;
mod http;
mod peer;
mod stream;

mod a_publish_is_answered_with_its_place;
mod a_reload_is_whole_or_nothing;
mod a_session_begins_with_connect;
mod a_subscription_has_one_outcome;
mod attaching_leaves_no_hole;
mod draining_loses_nothing;
mod early_frames_wait_for_the_handshake;
mod echo_gives_back_what_came;
mod history_is_read_in_both_directions;
mod hostile_bytes_are_refused;
mod limits_are_kept;
mod presence_tells_who_is_there;
mod production_offers_nothing_of_development;
mod rooms_are_followed;
mod silent_peers_are_found;
mod slow_readers_pay_alone;
mod streams_have_a_rate;
mod streams_leave_http_behind;
mod streams_resume_by_their_id;
mod tenants_have_rates;
mod threads_are_as_many_as_told;
mod tickets_open_streams;
mod tokens_expire_and_are_refreshed;
