//! How far this machine's clock is from the service's (PROTOCOL §a.5).
//!
//! The service refuses a timestamp that is more than five minutes off, for every row alike. Its
//! answer carries its own time in `Date`, so the offset can be learned and the call be made again.
//! Three times at most in a run: a clock that needs more is not merely wrong, and a service that
//! refuses a corrected timestamp means something else.
//!
//! Calls are under way while one of them corrects the clock. They are refused as well, for the
//! old offset; whoever signed with an offset that is not the current one may simply try again.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::client::WallClock;
use crate::tencent::answer::ClockNote;

/// Corrections in the life of a client. Chosen.
const CORRECTIONS: u8 = 3;

/// An offset that differs less than this from the current one is no reason for a refusal: the
/// service allows five minutes, and `Date` is older by the answer's way. Chosen.
const WORTH_CORRECTING: TimeDelta = TimeDelta::seconds(30);

/// The clock of this machine, and what is to be added to it.
pub struct Skew {
    wall_clock: WallClock,
    offset: Mutex<Offset>,
}

#[derive(Clone, Copy)]
struct Offset {
    to_wall: TimeDelta,
    /// How many corrections led to it; tells offsets apart, too.
    corrections: u8,
}

/// A moment by the service's clock, as far as we know it.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The moment.
    pub at: DateTime<Utc>,
    /// The offset it was reckoned with.
    corrections: u8,
}

impl Skew {
    /// Trusts this clock until the service says otherwise.
    pub fn new(wall_clock: WallClock) -> Self {
        Self {
            wall_clock,
            offset: Mutex::new(Offset {
                to_wall: TimeDelta::zero(),
                corrections: 0,
            }),
        }
    }

    /// Now.
    pub fn now(&self) -> Moment {
        let offset = *self.lock();
        let wall = (self.wall_clock)();
        Moment {
            // An absurd date may not be added; then the service will refuse again.
            at: wall.checked_add_signed(offset.to_wall).unwrap_or(wall),
            corrections: offset.corrections,
        }
    }

    /// The service found `used` too far from its time, which it gives as `date`.
    pub fn doubted(&self, used: Moment, date: Option<DateTime<Utc>>) -> ClockNote {
        let mut offset = self.lock();
        if used.corrections != offset.corrections {
            return ClockNote::CorrectedBefore;
        }
        let Some(date) = date else {
            return ClockNote::Untouched;
        };
        let to_wall = date - (self.wall_clock)();
        let is_worth = (to_wall - offset.to_wall).abs() > WORTH_CORRECTING;
        if !is_worth || offset.corrections >= CORRECTIONS {
            return ClockNote::Untouched;
        }
        *offset = Offset {
            to_wall,
            corrections: offset.corrections + 1,
        };
        ClockNote::Corrected(to_wall)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Offset> {
        // An offset is replaced as a whole, so a panic elsewhere leaves a good one.
        self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = *self.lock();
        write!(f, "Skew({} s)", offset.to_wall.num_seconds())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn a_wrong_clock_is_corrected_by_the_date_of_the_answer() {
        let (skew, _) = at(1_000_000);
        let used = skew.now();
        assert_eq!(used.at, moment(1_000_000));
        let note = skew.doubted(used, Some(moment(1_003_600)));
        assert_eq!(note, ClockNote::Corrected(TimeDelta::seconds(3_600)));
        assert_eq!(skew.now().at, moment(1_003_600));
    }

    #[test]
    fn calls_under_way_meanwhile_are_mended_without_a_second_correction() {
        let (skew, _) = at(1_000_000);
        let (one, other, undated) = (skew.now(), skew.now(), skew.now());
        skew.doubted(one, Some(moment(1_003_600)));
        let note = skew.doubted(other, Some(moment(1_003_601)));
        assert_eq!(note, ClockNote::CorrectedBefore);
        assert_eq!(skew.doubted(undated, None), ClockNote::CorrectedBefore);
        assert_eq!(skew.now().at, moment(1_003_600));
    }

    #[test]
    fn a_refusal_that_the_date_does_not_explain_corrects_nothing() {
        let (skew, _) = at(1_000_000);
        for seconds in [-30, 0, 30] {
            let note = skew.doubted(skew.now(), Some(moment(1_000_000 + seconds)));
            assert_eq!(note, ClockNote::Untouched, "{seconds}");
        }
        assert_eq!(skew.doubted(skew.now(), None), ClockNote::Untouched);
        let note = skew.doubted(skew.now(), Some(moment(1_000_031)));
        assert_eq!(note, ClockNote::Corrected(TimeDelta::seconds(31)));
    }

    #[test]
    fn the_fourth_correction_is_not_made() {
        let (skew, wall) = at(1_000_000);
        for _ in 0..3 {
            wall.fetch_add(1_000, Ordering::Relaxed);
            let note = skew.doubted(skew.now(), Some(moment(500_000)));
            assert!(matches!(note, ClockNote::Corrected(_)), "{note:?}");
        }
        wall.fetch_add(1_000, Ordering::Relaxed);
        let note = skew.doubted(skew.now(), Some(moment(500_000)));
        assert_eq!(note, ClockNote::Untouched);
    }

    #[test]
    fn absurd_dates_do_no_harm() {
        let (skew, wall) = at(1_000_000);
        skew.doubted(skew.now(), Some(DateTime::<Utc>::MAX_UTC));
        wall.store(2_000_000_000, Ordering::Relaxed);
        assert_eq!(skew.now().at, moment(2_000_000_000));
    }

    fn at(seconds: i64) -> (Skew, Arc<AtomicI64>) {
        let wall = Arc::new(AtomicI64::new(seconds));
        let read = Arc::clone(&wall);
        let skew = Skew::new(Arc::new(move || moment(read.load(Ordering::Relaxed))));
        (skew, wall)
    }

    fn moment(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }
}
