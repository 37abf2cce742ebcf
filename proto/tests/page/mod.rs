// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the tables and vectors of `PROTOCOL.md`, so that the page and the crate cannot drift
//! apart.
#![allow(dead_code, clippy::unwrap_used)]

/// The specification as it was when the tests were built.
pub(crate) const PAGE: &str = include_str!("../../PROTOCOL.md");

/// A golden vector: its direction (`request` or `reply`), its name, its bytes.
pub(crate) struct Vector {
    pub(crate) direction: &'static str,
    pub(crate) name: &'static str,
    pub(crate) packet: Vec<u8>,
}

/// Every golden vector of the page.
pub(crate) fn vectors() -> Vec<Vector> {
    PAGE.split("```golden ").skip(1).map(vector).collect()
}

fn vector(block: &'static str) -> Vector {
    let (head, body) = block.split_once('\n').unwrap();
    let (direction, name) = head.split_once(' ').unwrap();
    let body = body.split_once("```").unwrap().0;
    let digits = body.lines().flat_map(|line| line.split(';').next().unwrap().split_whitespace());
    let packet = digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    Vector { direction, name, packet }
}

/// The numbers and names of the page's table for `name`.
pub(crate) fn table(name: &str) -> Vec<(u32, &'static str)> {
    let heading = format!("### enum `{name}`\n");
    let rest = PAGE.split_once(&heading).unwrap_or_else(|| panic!("the page has no {name}")).1;
    let rows = rest.lines().skip_while(|l| !l.starts_with('|')).take_while(|l| l.starts_with('|'));
    rows.skip(2).map(row).collect()
}

fn row(line: &'static str) -> (u32, &'static str) {
    let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
    (cells.next().unwrap().parse().unwrap(), cells.next().unwrap())
}
