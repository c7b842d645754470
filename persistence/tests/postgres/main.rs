//! What only Postgres can show: walls between tenants, many nodes, servers that die, move and come back as they were
//! before, partitions that take turns. The obligations that it shares with other stores are in `postgres_conformance`.

mod away;
mod epochs;
mod fixture;
mod kill;
mod migrations;
mod nodes;
mod plans;
mod records;
mod slots;
mod walls;
