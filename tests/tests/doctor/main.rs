// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client doctor` on a machine where things are missing, one at a time: each has its exact
//! line, the command below it is executed if possible, and the line turns ok. Each time, the text
//! is compared with the JSON and with the exit status.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod card;
mod helper;
mod host;
mod link;
mod said;
