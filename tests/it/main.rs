//! Real clients against a real server on port 0.

#![cfg(test)]

mod blocked;
mod bombs;
mod broken;
mod catalog;
mod cdnow;
mod changes;
mod check;
mod copy;
mod customer_360;
mod demo;
mod documents;
mod errors;
mod identity;
mod incremental;
mod jdbc;
mod keys;
mod kill;
mod landing;
mod layout;
mod left_out;
mod lifecycle;
mod login;
mod lookups;
mod matrix;
mod money;
mod parameters;
mod pieces;
mod programs;
mod proposed;
mod queries;
mod rates;
mod releases;
mod retention;
mod runs;
mod session;
mod snapshots;
mod stopping;
mod stores;
mod support;
mod time;
mod tls;
mod wires;
mod words;
mod worlds;
