//! The frequency limit: so many calls of one action a second for one account, judged by arrival
//! (PROTOCOL §d.2).
//!
//! Which kind of second the service counts in is not documented, so there are three to try a
//! client against. Pure: the moment of arrival is an argument, counted from any fixed point;
//! [`Window::FixedSecond`] begins a window wherever that count passes a whole second.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// One call in the units of [`Counter::Bucket`]: with nanoseconds as the clock, a limit of N a
/// second then earns exactly N units a nanosecond, and nothing is ever rounded.
const ONE_CALL: u128 = 1_000_000_000;

/// What kind of second is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Window {
    /// Calendar seconds: the count starts anew at each whole second. The likeliest one.
    #[default]
    FixedSecond,
    /// The second that ends with this call. The strictest.
    SlidingSecond,
    /// A bucket that holds one second's worth and refills evenly.
    TokenBucket,
}

/// What the limit says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It passes.
    Admitted,
    /// It is one too many.
    Refused {
        /// How many calls this one makes, as the refusal's message tells it.
        count: u64,
    },
}

/// One counter: of one account and one action.
#[derive(Debug)]
pub struct Quota {
    limit: NonZeroU32,
    refused_count: bool,
    counter: Counter,
}

#[derive(Debug)]
enum Counter {
    Fixed {
        second: u64,
        calls: u64,
    },
    Sliding {
        arrivals: VecDeque<Duration>,
    },
    Bucket {
        credit: u128,
        at: Duration,
        refused: u64,
    },
}

impl Quota {
    /// Admits `limit` calls a second. With `refused_count`, refused calls use up quota too, so
    /// that hammering at the limit keeps it closed.
    pub fn new(window: Window, limit: NonZeroU32, refused_count: bool) -> Self {
        let counter = match window {
            Window::FixedSecond => Counter::Fixed {
                second: 0,
                calls: 0,
            },
            Window::SlidingSecond => Counter::Sliding {
                arrivals: VecDeque::new(),
            },
            Window::TokenBucket => Counter::Bucket {
                credit: full(limit),
                at: Duration::ZERO,
                refused: 0,
            },
        };
        Self {
            limit,
            refused_count,
            counter,
        }
    }

    /// Judges a call that arrives at `now`. A `now` earlier than the last one counts as the last.
    pub fn arrive(&mut self, now: Duration) -> Admission {
        let limit = u64::from(self.limit.get());
        match &mut self.counter {
            Counter::Fixed { second, calls } => {
                if now.as_secs() > *second {
                    (*second, *calls) = (now.as_secs(), 0);
                }
                judge(calls, limit, self.refused_count)
            }
            Counter::Sliding { arrivals } => {
                let now = arrivals.back().map_or(now, |last| now.max(*last));
                while arrivals.front().is_some_and(|first| *first + SECOND <= now) {
                    arrivals.pop_front();
                }
                let mut calls = arrivals.len() as u64;
                let admission = judge(&mut calls, limit, self.refused_count);
                if calls > arrivals.len() as u64 {
                    arrivals.push_back(now);
                }
                admission
            }
            Counter::Bucket {
                credit,
                at,
                refused,
            } => {
                let earned = now.saturating_sub(*at).as_nanos() * u128::from(limit);
                *credit = full(self.limit).min(*credit + earned);
                *at = now.max(*at);
                if *credit >= ONE_CALL {
                    *credit -= ONE_CALL;
                    *refused = 0;
                    return Admission::Admitted;
                }
                *refused += 1;
                if self.refused_count {
                    *credit = 0;
                }
                // A bucket knows no count of its own; told is what was refused since it ran dry.
                Admission::Refused {
                    count: limit + *refused,
                }
            }
        }
    }
}

fn full(limit: NonZeroU32) -> u128 {
    u128::from(limit.get()) * ONE_CALL
}

/// One more call on top of `calls`, which grows if this one counts.
fn judge(calls: &mut u64, limit: u64, refused_count: bool) -> Admission {
    let count = *calls + 1;
    if count <= limit {
        *calls = count;
        Admission::Admitted
    } else {
        if refused_count {
            *calls = count;
        }
        Admission::Refused { count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What calls at these milliseconds hear: 0 for admitted, else the count they are told.
    fn told(window: Window, limit: u32, refused_count: bool, arrivals: &[u64]) -> Vec<u64> {
        let limit = NonZeroU32::new(limit).unwrap();
        let mut quota = Quota::new(window, limit, refused_count);
        arrivals
            .iter()
            .map(|ms| match quota.arrive(Duration::from_millis(*ms)) {
                Admission::Admitted => 0,
                Admission::Refused { count } => count,
            })
            .collect()
    }

    #[test]
    fn a_fixed_second_admits_the_first_n_of_each_whole_second() {
        let arrivals = [900, 950, 999, 1000, 1001, 1002, 1999, 2000];
        for (refused_count, second_refusal) in [(true, 4), (false, 3)] {
            assert_eq!(
                told(Window::FixedSecond, 2, refused_count, &arrivals),
                [0, 0, 3, 0, 0, 3, second_refusal, 0]
            );
        }
    }

    #[test]
    fn a_fixed_second_tells_a_growing_count_only_if_refused_calls_count() {
        let arrivals = [5000; 5];
        assert_eq!(
            told(Window::FixedSecond, 2, true, &arrivals),
            [0, 0, 3, 4, 5]
        );
        assert_eq!(
            told(Window::FixedSecond, 2, false, &arrivals),
            [0, 0, 3, 3, 3]
        );
    }

    #[test]
    fn a_sliding_second_frees_a_place_exactly_one_second_after_it_was_taken() {
        assert_eq!(
            told(
                Window::SlidingSecond,
                2,
                false,
                &[900, 950, 1000, 1899, 1900, 1949, 1950]
            ),
            [0, 0, 3, 3, 0, 3, 0]
        );
    }

    #[test]
    fn hammering_a_sliding_second_keeps_it_closed_if_refused_calls_count() {
        let every_400_ms: Vec<u64> = (0..8).map(|n| n * 400).collect();
        assert_eq!(
            told(Window::SlidingSecond, 1, true, &every_400_ms),
            [0, 2, 3, 3, 3, 3, 3, 3]
        );
        assert_eq!(
            told(Window::SlidingSecond, 1, false, &every_400_ms),
            [0, 2, 2, 0, 2, 2, 0, 2]
        );
    }

    #[test]
    fn a_bucket_holds_one_second_and_refills_evenly() {
        assert_eq!(
            told(
                Window::TokenBucket,
                2,
                false,
                &[0, 0, 0, 499, 500, 501, 1000, 9000, 9000, 9000]
            ),
            [0, 0, 3, 4, 0, 3, 0, 0, 0, 3]
        );
    }

    #[test]
    fn a_refused_call_takes_what_the_bucket_had_earned_if_refused_calls_count() {
        let arrivals = [0, 0, 400, 600, 1100];
        assert_eq!(
            told(Window::TokenBucket, 2, false, &arrivals),
            [0, 0, 3, 0, 0]
        );
        assert_eq!(
            told(Window::TokenBucket, 2, true, &arrivals),
            [0, 0, 3, 4, 0]
        );
    }

    #[test]
    fn an_even_pace_at_the_limit_is_never_refused_by_any_window() {
        let even: Vec<u64> = (0..200).map(|n| 7 + n * 50).collect();
        for window in [
            Window::FixedSecond,
            Window::SlidingSecond,
            Window::TokenBucket,
        ] {
            assert_eq!(told(window, 20, true, &even), vec![0; 200], "{window:?}");
        }
    }

    #[test]
    fn a_clock_that_steps_back_opens_no_window() {
        for window in [
            Window::FixedSecond,
            Window::SlidingSecond,
            Window::TokenBucket,
        ] {
            assert_eq!(
                told(window, 1, false, &[5000, 4000, 4999, 5500]),
                [
                    0,
                    2,
                    if window == Window::TokenBucket { 3 } else { 2 },
                    if window == Window::TokenBucket { 4 } else { 2 }
                ],
                "{window:?}"
            );
        }
    }
}
