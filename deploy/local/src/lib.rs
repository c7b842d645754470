//! A whole fleet on one machine, without containers: private Redis, Postgres, PgBouncer, nginx and hub processes on free
//! ports, which can be killed and restarted. For tests and for `make cluster`. Knows nothing of the hub's code.
