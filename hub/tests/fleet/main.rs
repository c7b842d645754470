//! Behaviour of a fleet: two and more nodes over real Redis and Postgres, in processes of their own.

mod harness;

mod batches_go_on_without_their_caller;
mod messages_reach_every_node;
mod orders_reach_every_node;
mod postgres_may_go_away;
mod presence_is_of_all_nodes;
mod rates_are_of_all_nodes;
mod redis_may_go_away;
