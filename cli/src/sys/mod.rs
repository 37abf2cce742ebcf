// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every system call of this crate, and all of its `unsafe`: what the modules above say in words is
//! done here.
#![allow(unsafe_code)]

pub(crate) mod descriptors;
pub(crate) mod ethtool;
pub(crate) mod limits;
pub(crate) mod netlink;
pub(crate) mod packet;
pub(crate) mod process;
pub(crate) mod users;
