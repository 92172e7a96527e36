//! The time of a run: a monotonic clock that counts from its start, which the engine lives by and
//! tests can pause, and the wall clock, which people read and by which they say when to stop.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use chrono::offset::LocalResult;
use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use tokio::time::Instant;

/// Reads the wall clock.
pub type Wall = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// See the module.
#[derive(Clone)]
pub struct Clock {
    began: Instant,
    wall: Wall,
}

impl Clock {
    /// A run that begins now, by the system's clocks.
    pub fn start() -> Self {
        Self::start_with(Arc::new(Utc::now))
    }

    /// A run that begins now, by another wall clock.
    pub fn start_with(wall: Wall) -> Self {
        Self {
            began: Instant::now(),
            wall,
        }
    }

    /// The time since the start.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// An instant of the run, to sleep until.
    pub fn instant(&self, at: Duration) -> Instant {
        self.began + at
    }

    /// What the wall clock says now.
    pub fn wall_now(&self) -> DateTime<Utc> {
        (self.wall)()
    }

    /// What both clocks say now.
    pub fn read(&self) -> Reading {
        Reading {
            run: self.now(),
            wall: self.wall_now(),
        }
    }
}

/// What both clocks said at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Since the start of the run.
    pub run: Duration,
    /// By the wall clock.
    pub wall: DateTime<Utc>,
}

impl Reading {
    /// What the wall clock said at an earlier instant of the run: counted back from here, because
    /// a suspended machine's monotonic clock stands still.
    pub fn wall_at(&self, at: Duration) -> DateTime<Utc> {
        let ago = TimeDelta::from_std(self.run.saturating_sub(at)).unwrap_or_default();
        self.wall - ago
    }
}

/// A time of day that is further away than this has passed: a night's job that begins late must
/// not run through the day until the next one. Chosen: half a day.
const LONGEST_WINDOW: TimeDelta = TimeDelta::hours(12);

/// The instant of the wall clock after which no new call begins, and how a person is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    /// When.
    pub at: DateTime<Utc>,
    /// In the time zone of the person, which it names: `06:00 +08:00`.
    pub shown: String,
}

impl Deadline {
    /// `at`, as it is told to a person at `now`.
    pub fn new<Z: TimeZone<Offset: Display>>(at: DateTime<Utc>, now: &DateTime<Z>) -> Self {
        let local = at.with_timezone(&now.timezone());
        let is_near = local.clone() - now < TimeDelta::days(1);
        let shown = match (is_near, local.second()) {
            (true, 0) => local.format("%H:%M %:z"),
            (true, _) => local.format("%H:%M:%S %:z"),
            (false, _) => local.format("%Y-%m-%d %H:%M %:z"),
        };
        Self {
            at,
            shown: shown.to_string(),
        }
    }

    /// The next time that a clock on the wall says `time`.
    ///
    /// # Errors
    /// What it would have been, when it is so far away that the window is over.
    pub fn until<Z: TimeZone<Offset: Display>>(
        time: NaiveTime,
        now: &DateTime<Z>,
    ) -> Result<Self, Self> {
        let zone = now.timezone();
        let instants = now.date_naive().iter_days().flat_map(|day| {
            let local = day.and_time(time);
            match zone.from_local_datetime(&local) {
                LocalResult::Single(at) => [Some(at), None],
                LocalResult::Ambiguous(first, second) => [Some(first), Some(second)],
                // The clock is put forward over it, by an hour as good as always.
                LocalResult::None => {
                    let after = zone.from_local_datetime(&(local + TimeDelta::hours(1)));
                    [after.earliest(), None]
                }
            }
        });
        let next = instants.flatten().find(|at| at > now);
        let next = next.expect("every day has its times").to_utc();
        let deadline = Self::new(next, now);
        match next - now.to_utc() <= LONGEST_WINDOW {
            true => Ok(deadline),
            false => Err(deadline),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{FixedOffset, NaiveDate, NaiveDateTime};

    use super::*;

    /// A zone that goes from +01:00 to +02:00 on 29 March 2026 at 02:00 and back on 25 October
    /// at 03:00.
    #[derive(Debug, Clone, Copy)]
    struct Changing;

    const SPRING: i64 = 1_774_746_000;
    const AUTUMN: i64 = 1_792_890_000;

    fn hours(hours: i32) -> FixedOffset {
        FixedOffset::east_opt(hours * 3600).unwrap()
    }

    impl TimeZone for Changing {
        type Offset = FixedOffset;

        fn from_offset(_: &FixedOffset) -> Self {
            Self
        }

        fn offset_from_local_date(&self, _: &NaiveDate) -> LocalResult<FixedOffset> {
            unreachable!("nobody asks for days")
        }

        fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> LocalResult<FixedOffset> {
            let fits = |offset: &FixedOffset| {
                self.offset_from_utc_datetime(&(*local - *offset)) == *offset
            };
            match (fits(&hours(2)), fits(&hours(1))) {
                (true, true) => LocalResult::Ambiguous(hours(2), hours(1)),
                (true, false) => LocalResult::Single(hours(2)),
                (false, true) => LocalResult::Single(hours(1)),
                (false, false) => LocalResult::None,
            }
        }

        fn offset_from_utc_date(&self, _: &NaiveDate) -> FixedOffset {
            unreachable!("nobody asks for days")
        }

        fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
            match (SPRING..AUTUMN).contains(&utc.and_utc().timestamp()) {
                true => hours(2),
                false => hours(1),
            }
        }
    }

    #[test]
    fn until_is_the_next_such_time_of_the_wall_if_it_is_within_half_a_day() {
        let table = [
            // Now, until, what is told, in UTC.
            (
                "2026-11-23T22:00:00Z",
                "06:00",
                Ok("06:00 +01:00"),
                "2026-11-24T05:00:00Z",
            ),
            (
                "2026-11-24T04:59:59Z",
                "06:00",
                Ok("06:00 +01:00"),
                "2026-11-24T05:00:00Z",
            ),
            // A minute too late, and a whole day early.
            (
                "2026-11-24T05:00:00Z",
                "06:00",
                Err("2026-11-25 06:00 +01:00"),
                "2026-11-25T05:00:00Z",
            ),
            (
                "2026-11-24T05:01:00Z",
                "06:00",
                Err("06:00 +01:00"),
                "2026-11-25T05:00:00Z",
            ),
            (
                "2026-11-23T17:00:00Z",
                "06:00",
                Ok("06:00 +01:00"),
                "2026-11-24T05:00:00Z",
            ),
            (
                "2026-11-23T16:59:00Z",
                "06:00",
                Err("06:00 +01:00"),
                "2026-11-24T05:00:00Z",
            ),
            // The night that has no half past two, and the one that has two of them.
            (
                "2026-03-28T22:00:00Z",
                "02:30",
                Ok("03:30 +02:00"),
                "2026-03-29T01:30:00Z",
            ),
            (
                "2026-10-24T22:00:00Z",
                "02:30",
                Ok("02:30 +02:00"),
                "2026-10-25T00:30:00Z",
            ),
            (
                "2026-10-25T00:40:00Z",
                "02:30",
                Ok("02:30 +01:00"),
                "2026-10-25T01:30:00Z",
            ),
            (
                "2026-03-28T22:00:00Z",
                "06:00",
                Ok("06:00 +02:00"),
                "2026-03-29T04:00:00Z",
            ),
        ];
        for (now, time, shown, at) in table {
            let now: DateTime<Utc> = now.parse().unwrap();
            let local = now.with_timezone(&Changing);
            let found = Deadline::until(time.parse().unwrap(), &local);
            let told = found.as_ref().map(|deadline| deadline.shown.as_str());
            let told = told.map_err(|deadline| deadline.shown.as_str());
            assert_eq!(told, shown, "{now} until {time}");
            let (Ok(deadline) | Err(deadline)) = found;
            assert_eq!(
                deadline.at,
                at.parse::<DateTime<Utc>>().unwrap(),
                "{now} until {time}"
            );
        }
        let now: DateTime<Utc> = "2026-11-24T05:00:00Z".parse().unwrap();
        let soon = Deadline::new(now + TimeDelta::seconds(5400 + 7), &now);
        assert_eq!(soon.shown, "06:30:07 +00:00");
    }
}
