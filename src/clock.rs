//! The time of a run: a monotonic clock that counts from its start, which the engine lives by and
//! tests can pause, and the wall clock, which people read.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
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

    /// What the wall clock said at an instant of the run: counted back from now, because a
    /// suspended machine's monotonic clock stands still.
    pub fn wall_at(&self, at: Duration) -> DateTime<Utc> {
        let ago = TimeDelta::from_std(self.now().saturating_sub(at)).unwrap_or_default();
        self.wall_now() - ago
    }
}
