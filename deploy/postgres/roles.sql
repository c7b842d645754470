-- The database of a fleet and its two roles. As a superuser, once, with psql 15 or newer:
--   HUBBUB_OWNER_PASSWORD=… HUBBUB_PASSWORD=… psql -f roles.sql postgres://postgres@host/postgres
\set ON_ERROR_STOP on
\getenv owner_password HUBBUB_OWNER_PASSWORD
\getenv password HUBBUB_PASSWORD

-- Owns database and tables: `store.postgres_migrate_url`, for `hubbub migrate` alone.
CREATE ROLE hubbub_owner LOGIN PASSWORD :'owner_password';
-- Owns nothing, and row-level security holds for it: `store.postgres_url`, for the nodes.
CREATE ROLE hubbub LOGIN PASSWORD :'password';
CREATE DATABASE hubbub OWNER hubbub_owner;
