// SPDX-License-Identifier: MIT OR Apache-2.0
//! The unprivileged side: asks `xsk-helper` for AF_XDP sockets and hands them to QEMU or any other program.

pub mod netdev;
