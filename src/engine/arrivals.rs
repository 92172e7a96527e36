//! When calls arrived, as far as their answers tell, and when there will be room for the next
//! (rule P3).
//!
//! A service that counts in a sliding second judges by arrival, and calls don't arrive as evenly as
//! they leave. At a steady pace a call that was held up and the twentieth after it, which was not,
//! come too close together. But that one is sent a second later: by then the answer to the first
//! has told how late it was, and the other can wait for as long. So the n-th call leaves when, on the
//! quickest way seen lately, it arrives n spacings after the n-th before it. Answers that are held up
//! on their way back only make it wait longer.
//!
//! Waiting like that costs a little throughput, and a service that counts in fixed seconds or by a
//! bucket does not ask for it. So it is done only if refusals are about as frequent as calls that
//! a sliding second would refuse.

use std::collections::VecDeque;
use std::time::Duration;

use super::pacer::GRACE;

const SECOND: Duration = Duration::from_secs(1);
/// With more calls a second than this, single calls say nothing, and it would cost time to ask.
const MOST: f64 = 200.0;
/// So many calls may be under way beside those of the last second.
const UNDER_WAY: usize = 64;
/// So many answers are looked at for the quickest way.
const LATELY: usize = 128;
/// So many refusals for each admitted call that a sliding second would have refused show that it is
/// one. Simulated, services that count so have from 0.3 (the way back jitters like the way there) up
/// to infinitely many (it doesn't); fixed seconds have at most 0.02, a bucket has none.
const TELLING: f64 = 0.3;

#[derive(Debug)]
struct Call {
    sent: Duration,
    /// When it left, which is later than it was sent where the machine was busy.
    left: Duration,
    answered: Option<Duration>,
}

impl Call {
    fn is_long_ago(&self, now: Duration) -> bool {
        self.answered.is_some_and(|at| at + SECOND * 2 < now)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// The last calls, the oldest first.
    calls: VecDeque<Call>,
    /// From sending to answer, of the last that were answered.
    latencies: VecDeque<Duration>,
    /// The answers of a second that say that a call was admitted.
    admitted: VecDeque<Duration>,
    /// Calls admitted that a sliding second would have refused.
    crowded: u64,
    /// Calls refused, but for those that were sent before a limit was known.
    refused: u64,
}

impl Arrivals {
    /// A call is sent, at this pace.
    pub(super) fn sent(&mut self, now: Duration, per_second: f64) {
        let Some(n_calls) = of_a_second(per_second) else {
            return self.calls.clear();
        };
        let answered = None;
        self.calls.push_back(Call {
            sent: now,
            left: now,
            answered,
        });
        while self.calls.len() > n_calls + UNDER_WAY
            || self.calls.len() > n_calls && self.calls[0].is_long_ago(now)
        {
            self.calls.pop_front();
        }
    }

    /// The call whose permit was for `permit` left only at `at`.
    pub(super) fn left_late(&mut self, permit: Duration, at: Duration) {
        let which = self.calls.partition_point(|call| call.sent < permit);
        let call = self.calls.get_mut(which);
        if let Some(call) = call.filter(|call| call.sent <= permit + GRACE) {
            call.left = at;
        }
    }

    /// The call sent at `sent` was judged, and that is known now.
    pub(super) fn answered(&mut self, now: Duration, sent: Duration) {
        let Ok(at) = self.calls.binary_search_by_key(&sent, |call| call.sent) else {
            return;
        };
        let call = &mut self.calls[at];
        call.answered = Some(now);
        self.latencies.push_back(now.saturating_sub(call.left));
        if self.latencies.len() > LATELY {
            self.latencies.pop_front();
        }
    }

    /// The call whose answer came now was admitted by a service that allows `limit` a second.
    pub(super) fn admitted(&mut self, now: Duration, limit: f64) {
        let Some(n_calls) = of_a_second(limit) else {
            return;
        };
        while self.admitted.front().is_some_and(|at| *at + SECOND <= now) {
            self.admitted.pop_front();
        }
        self.crowded += u64::from(self.admitted.len() >= n_calls);
        self.admitted.push_back(now);
    }

    /// The service allows more than the limit that [`Self::admitted`] went by: calls that seemed one
    /// too many were none.
    pub(super) fn limit_was_wrong(&mut self) {
        self.crowded = 0;
    }

    /// A call was refused that was not sent before a limit was known.
    pub(super) fn refused(&mut self) {
        self.refused += 1;
    }

    /// How much longer than the quickest the last calls were under way in the mean.
    pub(super) fn jitter(&self) -> Duration {
        let Some(quickest) = self.latencies.iter().min() else {
            return Duration::ZERO;
        };
        let n_calls = u32::try_from(self.latencies.len()).expect("they are few");
        self.latencies.iter().sum::<Duration>() / n_calls - *quickest
    }

    /// When the next call may leave at this pace; `None` if the pace alone decides.
    pub(super) fn room_at(&self, per_second: f64) -> Option<Duration> {
        let is_sliding = self.refused > 0 && self.refused as f64 >= TELLING * self.crowded as f64;
        let n_calls = of_a_second(per_second).filter(|_| is_sliding)?;
        let quickest = *self.latencies.iter().min()?;
        if self.calls.len() < n_calls {
            return None;
        }
        // None arrives sooner than the quickest, what has not been answered yet neither.
        let arrived = |call: &Call| call.answered.unwrap_or_default().max(call.left + quickest);
        let mut arrivals: Vec<Duration> = self.calls.iter().map(arrived).collect();
        let (_, nth, _) = arrivals.select_nth_unstable_by(n_calls - 1, |a, b| b.cmp(a));
        let span = Duration::from_secs_f64(n_calls as f64 / per_second);
        Some((*nth + span).saturating_sub(quickest))
    }
}

/// How many calls make a second, if they are few enough to look at each.
fn of_a_second(per_second: f64) -> Option<usize> {
    (per_second <= MOST).then(|| per_second.round().max(1.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Ten calls a second, the second of them held up for 300 ms, the others under way for 20.
    fn one_held_up(refused: u64, crowded: u64) -> Arrivals {
        let mut arrivals = Arrivals {
            refused,
            crowded,
            ..Arrivals::default()
        };
        for call in 0..11 {
            arrivals.sent(call * 100 * MS, 10.0);
        }
        for call in (0..11).filter(|call| *call != 1) {
            arrivals.answered((call * 100 + 20) * MS, call * 100 * MS);
        }
        arrivals.answered(420 * MS, 100 * MS);
        arrivals
    }

    #[test]
    fn p3_the_nth_call_waits_for_the_one_that_was_held_up() {
        let arrivals = one_held_up(1, 0);
        // In the order of their arrival: 20, 220, 320, 420, 420, … So the tenth last came at 220.
        assert_eq!(arrivals.room_at(10.0), Some(1200 * MS));
        // At another pace, another call and another span.
        assert_eq!(arrivals.room_at(5.0), Some((620 + 980) * MS));
        assert_eq!(arrivals.room_at(8.0), Some((420 + 980) * MS));
        let eight_come_a_bit_sooner = arrivals.room_at(8.4).unwrap();
        assert_eq!(eight_come_a_bit_sooner.as_millis(), 420 - 20 + 952);
    }

    #[test]
    fn p3_what_is_not_answered_counts_as_quick() {
        let mut arrivals = one_held_up(1, 0);
        arrivals.sent(1200 * MS, 10.0);
        // 320 is the tenth last now, and 1220 the last.
        assert_eq!(arrivals.room_at(10.0), Some(1300 * MS));
        assert_eq!(arrivals.room_at(1.0), Some(2200 * MS));
        arrivals.answered(1500 * MS, 1200 * MS);
        assert_eq!(arrivals.room_at(1.0), Some(2480 * MS));
    }

    #[test]
    fn p2_a_call_that_left_late_arrives_late_whether_it_is_answered_or_not() {
        let mut arrivals = one_held_up(1, 0);
        arrivals.sent(1201 * MS, 10.0);
        // By its permit, which was a little before.
        arrivals.left_late(1200 * MS, 1700 * MS);
        assert_eq!(arrivals.room_at(1.0), Some(2700 * MS));
        assert_eq!(arrivals.room_at(10.0), Some(1300 * MS));
        arrivals.answered(1730 * MS, 1201 * MS);
        assert_eq!(arrivals.room_at(1.0), Some(2710 * MS));
        // The line is no slower for it: eleven under way for 20 ms or a bit more, one for 320.
        assert_eq!(arrivals.jitter().as_millis(), (300 + 10) / 12);
        // Of a call that is no longer known nothing is said.
        for permit in [1300, 1150] {
            arrivals.left_late(permit * MS, 9000 * MS);
            assert_eq!(arrivals.room_at(1.0), Some(2710 * MS));
        }
    }

    #[test]
    fn p3_jitter_is_what_the_mean_takes_longer_than_the_quickest() {
        assert_eq!(Arrivals::default().jitter(), Duration::ZERO);
        // Ten under way for 20 ms, one for 320.
        assert_eq!(one_held_up(1, 0).jitter(), 300 * MS / 11);
    }

    #[test]
    fn p3_where_the_line_got_slower_calls_of_before_leave_no_room_too_soon() {
        let mut arrivals = Arrivals {
            refused: 1,
            ..Arrivals::default()
        };
        for call in 0..=100 {
            arrivals.sent(call * 10 * MS, 100.0);
        }
        for call in 0..=100 {
            let under_way = if call < 30 { 5 } else { 50 };
            arrivals.answered((call * 10 + under_way) * MS, call * 10 * MS);
        }
        assert_eq!(arrivals.room_at(100.0), Some(1010 * MS));
    }

    #[test]
    fn p3_calls_wait_only_if_refusals_look_like_a_sliding_second() {
        assert_eq!(one_held_up(0, 0).room_at(10.0), None);
        assert!(one_held_up(3, 10).room_at(10.0).is_some());
        assert_eq!(one_held_up(3, 11).room_at(10.0), None);
        assert_eq!(one_held_up(3, 10).room_at(201.0), None);
    }

    #[test]
    fn p3_a_call_is_crowded_if_a_limits_worth_came_within_a_second_before_it() {
        let mut arrivals = Arrivals::default();
        for at in [0, 400, 800, 1000, 1399, 1400, 5000] {
            arrivals.admitted(at * MS, 3.0);
        }
        // 1399: 400, 800, 1000 came within a second. 1400: 800, 1000, 1399.
        assert_eq!(arrivals.crowded, 2);
        arrivals.limit_was_wrong();
        assert_eq!(arrivals.crowded, 0);
    }

    #[test]
    fn no_more_is_kept_than_is_looked_at() {
        let mut arrivals = Arrivals::default();
        for call in 0..1000 {
            arrivals.sent(call * 50 * MS, 20.0);
            arrivals.answered((call * 50 + 20) * MS, call * 50 * MS);
            arrivals.admitted((call * 50 + 20) * MS, 20.0);
        }
        assert_eq!(arrivals.calls.len(), 41);
        assert_eq!(arrivals.latencies.len(), LATELY);
        assert_eq!(arrivals.admitted.len(), 20);
        for call in 1000..1200 {
            arrivals.sent(call * 50 * MS, 20.0);
        }
        assert_eq!(arrivals.calls.len(), 20 + UNDER_WAY);
        arrivals.sent(60_000 * MS, 1000.0);
        assert!(arrivals.calls.is_empty());
    }
}
