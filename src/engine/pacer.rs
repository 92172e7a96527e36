//! The pace: never more than N sends in any window of one second, from the first to the last,
//! after idle gaps and pauses too, and never "catching up" (rules P1, P2).
//!
//! governor holds the cap. It is told the time rather than asking for it: a send that wakes
//! within [`GRACE`] of its permit is entered at the permit's instant, so that timers that wake a
//! little late cost no throughput; one that wakes later is entered at the real instant, so that
//! nothing is caught up. To make up for the jitter that the first case lets through, the spacing
//! is a grace longer than a second over N would be: N + 1 sends always span more than a second.
//!
//! The limiter is never rebuilt (a new one gives one send away free); whatever else slows the
//! pace only ever picks later instants. What does is the law in `law` (rule P3): it learns from
//! refusals how much of N the service admits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::law::Pace;
use crate::event::Event;

/// How late a send may be and still count as sent at its permit's instant. Timers of the runtime
/// are good to a millisecond; measured on a busy machine two are enough.
pub const GRACE: Duration = Duration::from_millis(2);

/// Calls per second that we allow ourselves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(f64);

impl Rate {
    /// The slowest pace that makes sense: a call in ten seconds.
    pub const MIN: f64 = 0.1;
    /// The fastest: spacing is counted in nanoseconds, beyond this it would be too coarse.
    pub const MAX: f64 = 1_000_000.0;

    /// `per_second` calls per second; `None` outside of [`Self::MIN`] to [`Self::MAX`].
    pub fn per_second(per_second: f64) -> Option<Self> {
        (Self::MIN..=Self::MAX)
            .contains(&per_second)
            .then_some(Self(per_second))
    }

    /// Calls per second.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The time from one permit to the next: a second and the grace, over N, rounded up.
    pub fn spacing(self) -> Duration {
        spacing(self.0)
    }
}

pub(super) fn spacing(per_second: f64) -> Duration {
    let second = Duration::from_secs(1) + GRACE;
    Duration::from_nanos((second.as_nanos() as f64 / per_second).ceil() as u64)
}

/// Hands out permits to send.
#[derive(Debug)]
pub struct Pacer {
    limiter: RateLimiter<NotKeyed, InMemoryState, FedClock, NoOpMiddleware<Nanos>>,
    clock: FedClock,
    pace: Pace,
    /// What governor was last told, which is the youngest permit; `None` before the first.
    fed: Option<Duration>,
    /// When the call of the youngest permit left, where that was late.
    left_late: Option<Duration>,
    /// So many slots behind it stay empty.
    empty_slots: u32,
    /// No permit before this, whatever governor says.
    not_before: Duration,
}

impl Pacer {
    /// A pacer that has not handed out a permit yet.
    pub fn new(rate: Rate) -> Self {
        let clock = FedClock::default();
        let quota = Quota::with_period(rate.spacing()).expect("a spacing is longer than nothing");
        Self {
            limiter: RateLimiter::direct_with_clock(quota, clock.clone()),
            clock,
            pace: Pace::new(rate),
            fed: None,
            left_late: None,
            empty_slots: 0,
            not_before: Duration::ZERO,
        }
    }

    /// When the next permit is due; may be past.
    pub fn due(&self) -> Duration {
        let Some(fed) = self.fed else {
            return self.not_before;
        };
        self.clock.feed(fed);
        // At the instant of the last permit the next is always refused, which costs nothing and
        // tells when it is due.
        let due = match self.limiter.check() {
            Err(not_until) => Duration::from_nanos(not_until.earliest_possible().as_u64()),
            Ok(()) => unreachable!("two permits at one instant"),
        };
        let due = due.max(self.pace.next_after(fed)).max(self.not_before);
        let left = self.left_late.unwrap_or(fed);
        let spacing = spacing(self.pace.per_second());
        match (self.left_late, self.empty_slots) {
            (None, 0) => due,
            (Some(_), 0) => due.max(left + spacing.saturating_sub(GRACE)),
            (_, n_slots) => due.max(left + spacing * (n_slots + 1)),
        }
    }

    /// Takes a permit to send now. Returns the instant at which the send is entered; to leave
    /// later than a [`GRACE`] after that is to be [`Self::left_late`].
    ///
    /// # Errors
    /// When it is too early: the instant to come back at.
    pub fn take(&mut self, now: Duration) -> Result<Duration, Duration> {
        let due = self.due();
        if now < due {
            return Err(due);
        }
        let feed = if now - due <= GRACE && self.fed.is_some() {
            due
        } else {
            now
        };
        self.clock.feed(feed);
        self.limiter
            .check()
            .expect("governor agrees with its own due instant");
        self.fed = Some(feed);
        self.left_late = None;
        self.empty_slots = 0;
        self.pace.sent(now);
        Ok(feed)
    }

    /// A call left at `at`, later than its `permit` by more than the grace (the machine was busy):
    /// what follows is moved back, so that the calls after it don't crowd into its second. Where
    /// younger permits were handed out meanwhile it is one call too many among theirs, so a slot
    /// behind them stays empty: enough for calls less than a second late.
    pub fn left_late(&mut self, permit: Duration, at: Duration) {
        self.pace.left_late(permit, at);
        if self.fed.is_some_and(|youngest| youngest > permit) {
            let spacing = spacing(self.pace.per_second());
            self.pause_until(at + spacing.saturating_sub(GRACE));
            self.empty_slots += 1;
        } else {
            self.left_late = Some(at);
        }
    }

    /// No permit before `at`.
    pub fn pause_until(&mut self, at: Duration) {
        self.not_before = self.not_before.max(at);
    }

    /// An earlier run was told that the service allows this many calls a second.
    pub fn know_limit(&mut self, per_second: f64) {
        self.pace.know_limit(per_second);
    }

    /// A call that was sent at `sent` came back from the service, and was not one too many.
    pub fn admitted(&mut self, now: Duration, sent: Duration) {
        self.pace.admitted(now, sent);
    }

    /// A call that was sent at `sent` came back refused for being one too many; `limit` is what
    /// the service says that it allows, if it does.
    pub fn refused(&mut self, now: Duration, sent: Duration, limit: Option<f64>) {
        self.pace.refused(now, sent, limit);
    }

    /// What changed about the pace and was not told yet; to be asked until there is nothing.
    pub fn news(&mut self) -> Option<Event> {
        self.pace.news()
    }
}

/// A clock that says what it was last told.
#[derive(Debug, Clone, Default)]
struct FedClock(Arc<AtomicU64>);

impl FedClock {
    fn feed(&self, at: Duration) {
        let nanos = u64::try_from(at.as_nanos()).expect("a run is shorter than 584 years");
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl Clock for FedClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The largest number of instants in any window `[t, t + 1 s)`.
    fn most_in_a_second(sent: &[Duration]) -> usize {
        let mut from = 0;
        let mut most = 0;
        for (to, at) in sent.iter().enumerate() {
            while sent[from] + Duration::from_secs(1) <= *at {
                from += 1;
            }
            most = most.max(to + 1 - from);
        }
        most
    }

    /// Takes permits until `end`, waking `late(n)` after each due instant.
    fn sends(
        pacer: &mut Pacer,
        end: Duration,
        mut late: impl FnMut(usize) -> Duration,
    ) -> Vec<Duration> {
        let mut now = Duration::ZERO;
        let mut sent = Vec::new();
        while now < end {
            match pacer.take(now) {
                Ok(_) => sent.push(now),
                Err(due) => now = due + late(sent.len()),
            }
        }
        sent
    }

    fn rate(per_second: f64) -> Rate {
        Rate::per_second(per_second).unwrap()
    }

    #[test]
    fn p2_twenty_a_second_is_reached_and_twenty_one_never() {
        let end = Duration::from_secs(60);
        let sent = sends(&mut Pacer::new(rate(20.0)), end, |n| {
            Duration::from_micros(137 * (n as u64 % 9))
        });
        assert_eq!(most_in_a_second(&sent), 20);
        let mean = sent.len() as f64 / 60.0;
        assert!(mean >= 19.9, "{mean}/s");
    }

    #[test]
    fn p2_the_first_second_holds_no_burst() {
        for per_second in [1.0, 3.0, 7.0, 20.0, 30.0, 999.0] {
            let end = Duration::from_millis(1000);
            let sent = sends(&mut Pacer::new(rate(per_second)), end, |_| Duration::ZERO);
            let most = per_second as usize;
            let fits = most - most / 500..=most;
            assert!(
                fits.contains(&sent.len()),
                "{} at {per_second}/s",
                sent.len()
            );
        }
    }

    #[test]
    fn p2_a_long_pause_is_not_caught_up() {
        let mut pacer = Pacer::new(rate(20.0));
        let mut sent = sends(&mut pacer, Duration::from_secs(2), |_| Duration::ZERO);
        let mut now = Duration::from_secs(600);
        while now < Duration::from_secs(603) {
            match pacer.take(now) {
                Ok(_) => sent.push(now),
                Err(due) => now = due,
            }
        }
        assert_eq!(most_in_a_second(&sent), 20);
    }

    #[test]
    fn p2_a_call_that_left_late_moves_the_rest_back() {
        let permit = Duration::ZERO;
        for late in (3..=990).map(Duration::from_millis) {
            let mut pacer = Pacer::new(rate(20.0));
            pacer.take(permit).unwrap();
            let mut left = Some(late);
            let mut sent = Vec::new();
            let mut now = Duration::ZERO;
            while now < Duration::from_secs(4) {
                if let Some(at) = left.take_if(|at| *at <= now) {
                    sent.push(at);
                    pacer.left_late(permit, at);
                }
                match pacer.take(now) {
                    Ok(_) => sent.push(now),
                    Err(due) => now = left.map_or(due, |at| at.min(due)),
                }
            }
            sent.sort_unstable();
            assert_eq!(most_in_a_second(&sent), 20, "{late:?} late");
            assert!(sent.len() >= 77, "{} with {late:?} late", sent.len());
        }
    }

    /// Two in a row, of which the younger one leaves late as well.
    #[test]
    fn p2_calls_that_left_late_together_move_the_rest_back() {
        let mut pacer = Pacer::new(rate(3.0));
        let first = pacer.take(Duration::ZERO).unwrap();
        let second = pacer.take(pacer.due()).unwrap();
        let at = second + Duration::from_millis(3);
        for order in [[first, second], [second, first]] {
            let mut pacer = Pacer::new(rate(3.0));
            pacer.take(first).unwrap();
            pacer.take(second).unwrap();
            for permit in order {
                pacer.left_late(permit, at);
            }
            let mut sent = vec![at, at];
            for _ in 0..6 {
                sent.push(pacer.take(pacer.due()).unwrap());
            }
            assert_eq!(most_in_a_second(&sent), 3, "{sent:?}");
        }
    }

    /// Below the cap too, where room is left and what waited may follow closer.
    #[test]
    fn p2_a_call_that_left_late_at_an_adapted_pace_moves_the_rest_back() {
        for late in (3..=990).map(Duration::from_millis) {
            let mut pacer = Pacer::new(rate(20.0));
            pacer.know_limit(10.0);
            let quick = Duration::from_millis(20);
            let mut sent = Vec::new();
            let mut left: Option<(Duration, Duration)> = None;
            let mut now = Duration::ZERO;
            while now < Duration::from_secs(8) {
                if let Some((permit, at)) = left.take_if(|(_, at)| *at <= now) {
                    sent.push(at);
                    pacer.left_late(permit, at);
                }
                match pacer.take(now) {
                    Ok(permit) if permit > Duration::from_secs(3) && sent.len() == 30 => {
                        left = Some((permit, permit + late));
                    }
                    Ok(permit) => {
                        sent.push(now);
                        // Every third is held up, and the late one never answered.
                        let held_up = quick * 3 * u32::from(sent.len() % 3 == 0);
                        pacer.admitted(now + quick + held_up, permit);
                        pacer.pace.leave_room();
                    }
                    Err(due) => now = left.map_or(due, |(_, at)| at.min(due)),
                }
            }
            sent.sort_unstable();
            assert_eq!(most_in_a_second(&sent), 10, "{late:?} late");
        }
    }

    #[test]
    fn p3_the_adapted_pace_a_pause_and_the_room_delay_beyond_the_cap() {
        let mut pacer = Pacer::new(rate(20.0));
        pacer.know_limit(10.0);
        let sent = sends(&mut pacer, Duration::from_secs(3), |_| Duration::ZERO);
        assert_eq!(most_in_a_second(&sent), 10);
        pacer.pause_until(Duration::from_secs(10));
        pacer.pause_until(Duration::from_secs(5));
        assert_eq!(pacer.due(), Duration::from_secs(10));

        let mut pacer = Pacer::new(rate(20.0));
        let quick = Duration::from_millis(10);
        let sent = sends(&mut pacer, Duration::from_secs(1), |_| Duration::ZERO);
        assert_eq!(sent.len(), 20);
        for sent in &sent[1..] {
            pacer.admitted(*sent + quick, *sent);
        }
        pacer.admitted(sent[0] + quick * 20, sent[0]);
        pacer.refused(sent[19] + quick * 2, sent[19], None);
        // The first was held up, so the second is the twentieth before the next.
        let per_second = pacer.pace.per_second();
        let room = sent[1] + Duration::from_secs_f64(20.0 / per_second);
        assert!(room > sent[19] + spacing(per_second));
        assert_eq!(pacer.due(), room);
    }

    #[test]
    fn rates_out_of_range_are_none() {
        for wrong in [0.0, 0.09, -1.0, 1_000_000.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Rate::per_second(wrong), None, "{wrong}");
        }
    }

    proptest! {
        /// However late answers come, if at all: what catches up stays within the pace.
        #[test]
        fn p3_at_an_adapted_pace_never_more_than_it_makes_in_a_second(
            pace in 1.0..20.0_f64,
            late in prop::collection::vec(0_u64..8_000, 1..50),
            under_way in prop::collection::vec(prop::option::weighted(0.9, 1_u64..400), 1..50),
            pauses in prop::collection::vec(prop::option::weighted(0.03, 500_u64..5_000), 1..50),
        ) {
            let mut pacer = Pacer::new(rate(100.0));
            pacer.know_limit(pace);
            let of = |which: usize, from: &[Option<u64>]| {
                from[which % from.len()].map(Duration::from_millis)
            };
            let mut on_their_way = std::collections::BTreeSet::new();
            let mut sent = Vec::new();
            let mut now = Duration::ZERO;
            while now < Duration::from_secs(30) {
                while let Some((back, left)) = on_their_way.first().copied()
                    && back <= now
                {
                    on_their_way.pop_first();
                    pacer.admitted(back, left);
                    pacer.pace.leave_room();
                }
                let n = sent.len();
                match pacer.take(now) {
                    Ok(_) => {
                        sent.push(now);
                        if let Some(under_way) = of(n, &under_way) {
                            on_their_way.insert((now + under_way, now));
                        }
                        now += of(n, &pauses).unwrap_or_default();
                    }
                    Err(due) => now = due + Duration::from_micros(late[n % late.len()]),
                }
            }
            let most = pacer.pace.per_second().ceil() as usize;
            prop_assert!(most_in_a_second(&sent) <= most, "{most}");
        }

        #[test]
        fn p2_never_more_than_n_in_any_second(
            per_second in 1_u32..400,
            late in prop::collection::vec(0_u64..8_000, 1..50),
        ) {
            let mut pacer = Pacer::new(rate(f64::from(per_second)));
            let sent = sends(&mut pacer, Duration::from_secs(4), |n| {
                Duration::from_micros(late[n % late.len()])
            });
            prop_assert!(most_in_a_second(&sent) <= per_second as usize);
        }
    }
}
