//! The suite that every backend of [`Store`] passes: one function for each obligation.
//!
//! A backend says how to open a database ([`Database`]) and runs [`conformance_tests!`](crate::conformance_tests) in a
//! test of its own. Nothing here knows which backend it is, nor sleeps to wait.
//!
//! Read in this order: order, keys, pages, ends (heads, lists, single messages), retention, continuity, overload, life
//! (closing and opening again), revocations; and [`records`], which have a suite of their own.

// A test says by a panic that an obligation is broken.
#![expect(missing_docs, reason = "the name of a test function is its sentence")]

pub mod continuity;
pub mod ends;
pub mod keys;
pub mod life;
pub mod order;
pub mod overload;
pub mod pages;
pub mod records;
pub mod retention;
pub mod revocations;
mod sample;

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Bounds, Store};

/// One database of a backend, empty when the test begins.
#[async_trait]
pub trait Database: Send + Sync {
    /// Opens it. After a store was closed, the next one finds what it left.
    async fn open(&self, bounds: Bounds) -> Arc<dyn Store>;
}

/// Makes one test of each obligation. The argument is the path of an async function that makes a
/// [`Database`](crate::conformance::Database).
#[macro_export]
macro_rules! conformance_tests {
    ($make:path) => {
        $crate::conformance_tests! {
            $make;
            order::fifty_publishers_get_offsets_without_holes,
            order::appends_keep_the_order_of_enqueuing,
            order::channels_count_for_themselves,
            order::tenants_do_not_see_each_other,
            order::dropping_the_future_does_not_take_the_append_back,
            order::a_bad_append_fails_alone,
            keys::a_repeated_key_answers_the_first_position,
            keys::other_data_or_conflate_key_is_a_conflict,
            keys::keys_belong_to_a_publisher_and_a_channel,
            keys::keys_count_within_one_batch,
            keys::keys_count_for_two_days,
            keys::keys_outlive_their_messages,
            keys::a_retry_does_not_bring_an_erased_message_back,
            pages::messages_come_back_as_they_went,
            pages::pages_ascend_and_descend,
            pages::pages_end_where_their_bytes_end,
            pages::reading_beyond_the_ends_finds_nothing,
            ends::an_untouched_channel_has_the_present_epoch,
            ends::heads_come_in_the_order_asked_for,
            ends::messages_are_found_by_their_id,
            ends::channels_are_listed_by_name,
            ends::tenants_are_listed,
            ends::a_forgotten_channel_leaves_nothing,
            retention::an_erased_message_leaves_a_tombstone,
            retention::messages_expire_by_count,
            retention::messages_expire_by_age,
            retention::the_tighter_bound_counts,
            retention::a_long_expiry_goes_in_bounded_steps,
            retention::tombstones_expire_like_messages,
            continuity::positions_up_to_the_head_continue,
            continuity::positions_beyond_the_head_are_broken,
            continuity::positions_of_an_unknown_epoch_are_broken,
            continuity::positions_survive_closing_and_opening,
            overload::too_many_waiting_appends_are_refused,
            overload::too_many_waiting_bytes_are_refused,
            life::closing_and_opening_keeps_everything,
            life::closing_commits_what_waits,
            life::a_closed_store_is_unavailable,
            life::an_open_store_is_checked,
            life::dropping_the_store_loses_nothing,
            life::calls_that_are_dropped_half_way_harm_nothing,
            revocations::revocations_count_until_they_end,
            revocations::the_same_revocation_only_moves_later,
        }
    };
    ($make:path; $($module:ident::$name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let database = $make().await;
                $crate::conformance::$module::$name(&database).await;
            }
        )*
    };
}
