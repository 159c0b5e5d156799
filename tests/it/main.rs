//! Real clients against a real server on port 0.

#![cfg(test)]

mod catalog;
mod cdnow;
mod check;
mod copy;
mod demo;
mod errors;
mod identity;
mod incremental;
mod jdbc;
mod landing;
mod login;
mod money;
mod parameters;
mod programs;
mod queries;
mod releases;
mod runs;
mod session;
mod stopping;
mod support;
