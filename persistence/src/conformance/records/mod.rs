//! The suite that every backend of [`Records`] passes: one function for each obligation.
//!
//! Read in this order: order, atomicity, rounds of questions, keys, erasure, looks, lists, search, jobs, tenants, life
//! (closing, bounds), and the model: random acts, compared with records in memory.

pub mod atomicity;
pub mod erasure;
pub mod jobs;
pub mod keys;
pub mod life;
pub mod lists;
pub mod looks;
pub mod model;
pub mod order;
pub mod rounds;
mod sample;
pub mod search;
pub mod tenants;

use std::sync::Arc;

use async_trait::async_trait;

use super::Database;
use crate::records::Records;
use crate::{Bounds, Store};

/// Both traits of one store.
pub trait Whole: Store + Records {}

impl<T: Store + Records> Whole for T {}

/// A database that holds records too.
#[async_trait]
pub trait RecordsDatabase: Database {
    /// Opens it, as [`Database::open`] does.
    async fn open_whole(&self, bounds: Bounds) -> Arc<dyn Whole>;
}

/// Makes one test of each obligation. The argument is the path of an async function that makes a
/// [`RecordsDatabase`](crate::conformance::records::RecordsDatabase).
#[macro_export]
macro_rules! records_conformance_tests {
    ($make:path) => {
        $crate::records_conformance_tests! {
            $make;
            order::appends_and_acts_keep_the_order_of_enqueuing,
            order::acts_of_one_batch_see_each_other,
            order::many_counters_lose_no_update,
            order::dropping_the_future_does_not_take_the_act_back,
            atomicity::an_act_is_stored_whole,
            atomicity::a_refusal_changes_nothing_and_fails_nobody,
            atomicity::an_act_that_can_not_be_stored_fails_alone,
            atomicity::records_are_put_and_removed,
            rounds::questions_may_follow_from_answers,
            rounds::every_form_of_question_is_answered,
            rounds::an_act_that_asks_without_end_fails_alone,
            keys::a_repeated_key_answers_the_first_event,
            keys::another_digest_is_a_conflict,
            keys::keys_of_acts_and_appends_are_the_same,
            erasure::an_erased_event_leaves_a_tombstone,
            erasure::a_retry_does_not_bring_an_erased_event_back,
            looks::everything_comes_in_the_order_asked_for,
            looks::a_look_is_one_snapshot,
            lists::groups_are_listed_by_place_in_both_directions,
            lists::kinds_are_listed_by_key,
            lists::what_is_about_a_user_is_listed,
            lists::many_homes_of_a_user_are_listed,
            lists::a_group_is_listed_over_all_channels,
            lists::lists_of_another_tenant_are_empty,
            search::all_words_must_occur_and_the_last_may_be_a_beginning,
            search::only_messages_that_may_be_seen_are_found,
            search::the_author_narrows_a_search,
            search::hits_come_best_first_and_page_by_page,
            search::of_very_many_hits_the_newest_are_ranked,
            search::highlights_say_where_it_fits,
            search::what_was_changed_or_erased_is_not_found_by_its_old_words,
            search::nothing_that_people_type_breaks_a_search,
            search::a_long_text_is_found_by_any_of_its_words,
            jobs::tasks_of_all_tenants_are_due_by_their_time,
            jobs::messages_that_name_a_user_are_found,
            jobs::a_long_log_is_looked_through_in_steps,
            tenants::tenants_do_not_see_each_others_records,
            life::closing_commits_the_acts_that_wait,
            life::a_closed_store_does_not_act,
            life::too_many_waiting_acts_are_refused,
            model::random_acts_do_what_they_do_in_memory,
        }
    };
    ($make:path; $($module:ident::$name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let database = $make().await;
                $crate::conformance::records::$module::$name(&database).await;
            }
        )*
    };
}
