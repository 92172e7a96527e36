//! How long a call is under way before it arrives: a base, plus a log-normal part, which is the
//! shape that networks have (most calls near the median, a few far above it).

use std::f64::consts::TAU;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// No call is under way longer than this: the log-normal has no end of its own.
const LONGEST: Duration = Duration::from_secs(600);

/// The time from sending to arrival. The default is none at all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Latency {
    /// Every call takes at least this.
    pub base: Duration,
    /// Half of the calls take this much more, or less than that; zero for no spread.
    pub median: Duration,
    /// How far the other half spreads: the standard deviation of the logarithm. 0.5 is a calm
    /// line, 1.5 a bad one.
    pub sigma: f64,
}

impl Latency {
    pub(super) fn is_none(&self) -> bool {
        self.base.is_zero() && self.median.is_zero()
    }
}

/// Draws latencies, the same ones for the same seed.
pub struct Latencies {
    latency: Latency,
    numbers: ChaCha8Rng,
}

impl Latencies {
    /// Draws for `latency`.
    pub fn new(latency: Latency, seed: u64) -> Self {
        let mut numbers = ChaCha8Rng::seed_from_u64(seed);
        // Streams counted from 1 belong to the calls (see `faults`).
        numbers.set_stream(0);
        Self { latency, numbers }
    }

    /// The time that the next call is under way.
    pub fn draw(&mut self) -> Duration {
        // Box-Muller: two even numbers make a normal one. `1 - x` keeps the logarithm off zero.
        let (u, v): (f64, f64) = (1.0 - self.numbers.random::<f64>(), self.numbers.random());
        let normal = (-2.0 * u.ln()).sqrt() * (TAU * v).cos();
        let spread = self.latency.median.as_secs_f64() * (self.latency.sigma * normal).exp();
        let spread = Duration::try_from_secs_f64(spread).unwrap_or(LONGEST);
        self.latency.base.saturating_add(spread).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_calls_stay_under_the_median_and_none_under_the_base() {
        let latency = Latency {
            base: Duration::from_millis(10),
            median: Duration::from_millis(30),
            sigma: 0.5,
        };
        let mut latencies = Latencies::new(latency, 1);
        let drawn: Vec<_> = (0..10_000).map(|_| latencies.draw()).collect();
        let at_most = |ms| {
            let bound = Duration::from_millis(ms);
            drawn.iter().filter(|one| **one <= bound).count()
        };
        assert_eq!(at_most(10), 0);
        assert!((4_800..5_200).contains(&at_most(40)), "{}", at_most(40));
        // One standard deviation above: 30 ms * e^0.5 + 10 ms = 59.46 ms holds 84.1 %.
        assert!((8_250..8_550).contains(&at_most(59)), "{}", at_most(59));
    }

    #[test]
    fn no_spread_means_the_base_exactly_and_no_draw_lasts_for_ever() {
        let base = Duration::from_millis(7);
        let plain = Latency {
            base,
            ..Latency::default()
        };
        assert_eq!(Latencies::new(plain, 1).draw(), base);
        let wild = Latency {
            base,
            median: Duration::from_secs(1),
            sigma: 1e6,
        };
        let mut latencies = Latencies::new(wild, 1);
        assert!((0..100).all(|_| latencies.draw() <= LONGEST));
    }
}
