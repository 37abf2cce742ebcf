// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chaos: several users, interfaces and queues with traffic, where everything that can die dies at
//! random. After each round the promises of a lease's life are checked against the kernel: netlink,
//! /proc, and what a socket does.
//!
//! `ROUNDS`, `SEED`, `LABS` (how many hosts at once) and `FIRST` (the first round's number) are
//! read from the environment; each round depends on the seed and its number alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod actor;
mod check;
mod deeds;
mod dice;
mod failpoints;
mod mount;
mod unwatched;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use xsk_tests::lab::{self, Lab};

use world::{Tally, World};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn named(host: u64) -> std::thread::Builder {
    std::thread::Builder::new().name(format!("host {host}"))
}

#[test]
fn whatever_dies_nothing_is_stranded() {
    if let Err(why) = Lab::new().map(drop) {
        xsk_tests::skip!("{why}");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (rounds, seed) = (number("ROUNDS", 40), number("SEED", now.as_secs() & 0xffff_ffff));
    let (labs, first) = (number("LABS", 4).min(rounds), number("FIRST", 0));
    lab::say_figure(&format!("chaos: ROUNDS={rounds} SEED={seed} LABS={labs}"));
    let (next, begin) = (AtomicU64::new(first), Instant::now());
    let tally = std::thread::scope(|scope| {
        let lab = || {
            let mut world = World::new(seed);
            loop {
                let round = next.fetch_add(1, Ordering::Relaxed);
                if round >= first + rounds {
                    return world.end();
                }
                world.round(round);
            }
        };
        let hosts: Vec<_> = (0..labs).map(|n| named(n).spawn_scoped(scope, lab).unwrap()).collect();
        let ended: Vec<_> = hosts.into_iter().map(|host| host.join()).collect();
        ended.into_iter().map(|end| end.expect("a round failed")).fold(Tally::default(), Tally::and)
    });
    lab::say_figure(&format!(
        "chaos: {rounds} rounds survived in {:.0?}; {tally}",
        begin.elapsed()
    ));
}

#[test]
fn a_build_for_use_has_no_place_at_which_it_stops() {
    let has = |path: &std::path::Path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(10).any(|part| part == b"/failpoint")
    };
    match lab::built_stopping_helper() {
        Ok(stopping) => {
            assert!(has(&stopping), "the name to look for is not in the build that has it")
        }
        Err(why) => xsk_tests::skip!("{why}"),
    }
    assert!(!has(&lab::built_helper()), "the helper was built with the feature failpoints");
}
