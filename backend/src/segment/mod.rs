// SPDX-License-Identifier: MIT OR Apache-2.0
//! Segmentation in software: a guest's TCP frame of up to 64 KiB is cut into segments that the
//! interface takes ([`cut`]), and segments for it are put together ([`merge`]).
#![forbid(unsafe_code)]

pub(crate) mod cut;
pub(crate) mod layout;
pub(crate) mod merge;
#[cfg(test)]
mod samples;
