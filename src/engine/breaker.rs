//! An outage costs no rows (rules P5, P7): when the service fails for everybody, one probe at a
//! time goes out, with growing waits, and the tries that were used up while it was closing in are
//! given back when it answers again.
//!
//! A run begins in the same state, probing: its first call goes alone, and nothing else leaves
//! until the service has shown that it is the service.

use std::collections::BTreeSet;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::retry;

/// This many failures in a row that are not a row's own open the breaker...
pub const FAILURES_TO_OPEN: u32 = 10;
/// ...if they hit at least this many users: fewer may be poisonous rows.
pub const USERS_TO_OPEN: usize = 5;

/// Whether calls may leave side by side, one by one, or not now.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    failures: u32,
    users: BTreeSet<u64>,
    streak: u64,
}

#[derive(Debug)]
enum State {
    Closed,
    /// One call at a time, not before `next`. `since` is when it opened; `failed` counts the
    /// probes that failed.
    Probing {
        since: Duration,
        next: Duration,
        failed: u32,
    },
}

/// What a failure did to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It counts as a try of its change.
    Counts,
    /// The breaker opened just now.
    Opened,
    /// It was open.
    WasOpen,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Breaker {
    /// The breaker of a run that has not sent anything: it probes.
    pub fn new() -> Self {
        Self {
            state: State::Probing {
                since: Duration::ZERO,
                next: Duration::ZERO,
                failed: 0,
            },
            failures: 0,
            users: BTreeSet::new(),
            streak: 0,
        }
    }

    /// The number of the streak of failures that is being counted: tries used up within it are
    /// forgiven when it was an outage.
    pub fn streak(&self) -> u64 {
        self.streak
    }

    /// When the next probe may leave; `None` when calls leave freely.
    pub fn next_probe(&self) -> Option<Duration> {
        match self.state {
            State::Closed => None,
            State::Probing { next, .. } => Some(next),
        }
    }

    /// The service answered, even if only to refuse. Returns how long the outage lasted if this
    /// ended one, and whether tries of the streak are to be forgiven.
    pub fn answered(&mut self, now: Duration) -> Option<Ended> {
        let ended = match self.state {
            State::Closed => None,
            State::Probing { since, failed, .. } => Some(Ended {
                streak: self.streak,
                outage: (failed > 0).then(|| now.saturating_sub(since)),
            }),
        };
        self.state = State::Closed;
        self.failures = 0;
        self.users.clear();
        self.streak += 1;
        ended
    }

    /// A call of `user`, which had left at `sent`, failed in a way that is not the row's own.
    pub fn failed(
        &mut self,
        now: Duration,
        sent: Duration,
        user: u64,
        random: &mut ChaCha8Rng,
    ) -> Failed {
        self.failures += 1;
        if self.users.len() < USERS_TO_OPEN {
            self.users.insert(user);
        }
        let reached = self.failures >= FAILURES_TO_OPEN && self.users.len() >= USERS_TO_OPEN;
        match &mut self.state {
            State::Closed if reached => {
                self.state = State::Probing {
                    since: now,
                    next: now + retry::probe_wait(1, random),
                    failed: 1,
                };
                Failed::Opened
            }
            State::Closed => Failed::Counts,
            // It left before the breaker opened, so it was no probe.
            State::Probing { since, .. } if sent < *since => Failed::WasOpen,
            State::Probing { next, failed, .. } => {
                *failed += 1;
                *next = now + retry::probe_wait(*failed, random);
                if *failed == 1 {
                    Failed::Opened
                } else {
                    Failed::WasOpen
                }
            }
        }
    }
}

/// The end of a time of probing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The streak whose tries are forgiven.
    pub streak: u64,
    /// How long the outage lasted; `None` for the first call of a run that simply went well.
    pub outage: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn random() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(7)
    }

    fn closed() -> Breaker {
        let mut breaker = Breaker::new();
        breaker.answered(Duration::ZERO);
        breaker
    }

    #[test]
    fn p7_ten_failures_of_five_users_open_it() {
        let mut breaker = closed();
        for n in 0..9 {
            let did = breaker.failed(Duration::ZERO, Duration::ZERO, n % 5, &mut random());
            assert_eq!(did, Failed::Counts);
        }
        let did = breaker.failed(Duration::ZERO, Duration::ZERO, 0, &mut random());
        assert_eq!(did, Failed::Opened);
        assert!(breaker.next_probe().unwrap() > Duration::ZERO);
    }

    #[test]
    fn p7_calls_that_were_under_way_when_it_opened_are_no_probes() {
        let mut breaker = closed();
        let opened = Duration::from_secs(10);
        for n in 0..10 {
            breaker.failed(opened, Duration::from_secs(9), n, &mut random());
        }
        let next = breaker.next_probe();
        for n in 10..64 {
            let did = breaker.failed(opened, Duration::from_secs(9), n, &mut random());
            assert_eq!(did, Failed::WasOpen);
        }
        assert_eq!(breaker.next_probe(), next);
    }

    #[test]
    fn p7_four_users_never_open_it() {
        let mut breaker = closed();
        for n in 0..1000 {
            let did = breaker.failed(Duration::ZERO, Duration::ZERO, n % 4, &mut random());
            assert_eq!(did, Failed::Counts);
        }
    }

    #[test]
    fn p7_any_answer_between_breaks_the_row() {
        let mut breaker = closed();
        for n in 0..1000 {
            if n % 9 == 8 {
                breaker.answered(Duration::ZERO);
            }
            let did = breaker.failed(Duration::ZERO, Duration::ZERO, n, &mut random());
            assert_eq!(did, Failed::Counts, "failure {n}");
        }
    }

    #[test]
    fn p5_a_run_begins_probing_and_its_first_answer_ends_that_quietly() {
        let mut breaker = Breaker::new();
        assert_eq!(breaker.next_probe(), Some(Duration::ZERO));
        let ended = breaker.answered(Duration::from_millis(30)).unwrap();
        assert_eq!(ended.outage, None);
        assert_eq!(breaker.next_probe(), None);
    }
}
