//! The internal API over real HTTP, against the real binary in a folder of its own. One behaviour for each file.

mod harness;

mod a_publish_answers_with_its_place;

mod a_batch_answers_for_each_message;

mod a_broadcast_reaches_every_channel;

mod a_notification_reaches_one_user;

mod moderators_end_reports;
mod the_platform_is_asked_and_told;

mod channels_are_listed_in_pages;

mod history_reads_both_ways;

mod an_erased_message_is_gone;

mod presence_tells_who_is_there;

mod a_disconnect_closes_the_sockets_of_a_user;

mod a_revocation_closes_and_refuses;

mod the_node_and_its_connections_are_shown;

mod a_scope_opens_its_routes_alone;

mod tenants_do_not_meet;

mod every_failure_is_a_problem;

mod requests_are_bounded;

mod the_description_is_the_router;

mod readiness_ends_with_draining;

mod metrics_are_what_is_documented;
