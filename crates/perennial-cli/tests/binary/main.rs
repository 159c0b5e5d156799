//! The binary as a user runs it: what it says, what it returns, and what is there afterwards.
//!
//! These tests link no engine: they need nothing but the binary, which cargo builds for them.

#![cfg(test)]

mod configuration;
mod environment;
mod first_steps;
mod help;
mod input;
mod interrupted;
mod listening;
mod memory;
mod readers;
mod secrets;
mod support;
mod writers;
