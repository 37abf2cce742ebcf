// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which connections wait at the gate and which is next: users take turns in the order of their
//! arrival, with a few processes of each at a time.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

/// How many processes are started for one user at a time.
const AT_A_TIME: usize = 4;
/// How many connections of one user wait; it is the default of the policy's own limit.
pub(super) const OF_A_USER: usize = 128;
/// How many connections wait in all. The unit's LimitNOFILE= has room for them.
pub(super) const OF_ALL: usize = 3072;

/// Which of the two is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    User,
    All,
}

/// A user who has something waiting, or something being started.
#[derive(Debug)]
struct User<T> {
    uid: u32,
    waiting: VecDeque<T>,
    started: usize,
}

/// Everything that waits. The user whose turn it is stands first.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    users: VecDeque<User<T>>,
}

impl<T> FairQueue<T> {
    pub(super) const fn new() -> Self {
        Self { users: VecDeque::new() }
    }

    /// Adds one, unless there are too many. `gone` tells whether the client of a waiting one has
    /// hung up.
    pub(super) fn add(
        &mut self,
        uid: u32,
        one: T,
        gone: impl Fn(&T) -> bool,
    ) -> Result<(), (T, Full)> {
        let all: usize = self.users.iter().map(|user| user.waiting.len()).sum();
        let user = self.user(uid);
        if user.waiting.len() >= OF_A_USER {
            user.waiting.retain(|one| !gone(one));
        }
        if user.waiting.len() >= OF_A_USER {
            return Err((one, Full::User));
        }
        if all >= OF_ALL {
            return Err((one, Full::All));
        }
        user.waiting.push_back(one);
        Ok(())
    }

    fn user(&mut self, uid: u32) -> &mut User<T> {
        let index = self.users.iter().position(|user| user.uid == uid).unwrap_or_else(|| {
            self.users.push_back(User { uid, waiting: VecDeque::new(), started: 0 });
            self.users.len() - 1
        });
        &mut self.users[index]
    }

    /// Returns the next one, which counts as being started from now on, and puts its user last.
    pub(super) fn next(&mut self) -> Option<(u32, T)> {
        let index = self
            .users
            .iter()
            .position(|user| user.started < AT_A_TIME && !user.waiting.is_empty())?;
        let mut user = self.users.remove(index)?;
        let one = user.waiting.pop_front();
        user.started += 1;
        let uid = user.uid;
        self.users.push_back(user);
        one.map(|one| (uid, one))
    }

    /// Counts one of that user's as started, or as not to be started after all.
    pub(super) fn done(&mut self, uid: u32) {
        let user = self.user(uid);
        user.started = user.started.saturating_sub(1);
        self.users.retain(|user| user.started > 0 || !user.waiting.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOD: u32 = 1001;
    const ALICE: u32 = 1000;

    fn flooded() -> FairQueue<u32> {
        let mut queue = FairQueue::new();
        for one in 0..1000 {
            let _ = queue.add(FLOOD, one, |_| false);
        }
        queue
    }

    #[test]
    fn a_user_waits_for_few_of_another() {
        let mut queue = flooded();
        let started: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(started.len(), AT_A_TIME);
        queue.add(ALICE, 1, |_| false).unwrap();
        assert_eq!(queue.next(), Some((ALICE, 1)));
        assert_eq!(queue.next(), None);
        queue.done(FLOOD);
        assert_eq!(queue.next(), Some((FLOOD, AT_A_TIME as u32)));
    }

    #[test]
    fn users_take_turns() {
        let mut queue = flooded();
        queue.add(ALICE, 1, |_| false).unwrap();
        queue.add(ALICE, 2, |_| false).unwrap();
        let order: Vec<u32> =
            std::iter::from_fn(|| queue.next()).map(|(uid, _)| uid).take(4).collect();
        assert_eq!(order, [FLOOD, ALICE, FLOOD, ALICE]);
    }

    #[test]
    fn what_is_being_started_counts_while_nothing_waits() {
        let mut queue = FairQueue::new();
        for one in 0..AT_A_TIME {
            queue.add(ALICE, one, |_| false).unwrap();
            queue.next().unwrap();
        }
        queue.add(FLOOD, 0, |_| false).unwrap();
        queue.next().unwrap();
        queue.done(FLOOD);
        queue.add(ALICE, 9, |_| false).unwrap();
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn what_nobody_wants_any_more_makes_room() {
        let mut queue = flooded();
        assert_eq!(queue.add(FLOOD, 5000, |_| false), Err((5000, Full::User)));
        assert_eq!(queue.add(FLOOD, 5000, |one| *one < 100), Ok(()));
        assert_eq!(queue.next(), Some((FLOOD, 100)));
    }

    #[test]
    fn nothing_is_kept_of_a_user_who_is_gone() {
        let mut queue = FairQueue::new();
        for uid in 0..100 {
            queue.add(uid, (), |()| false).unwrap();
            let (next, ()) = queue.next().unwrap();
            queue.done(next);
        }
        assert!(queue.users.is_empty());
    }
}
