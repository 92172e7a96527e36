//! How long a change waits before it is tried again: exponential, with full jitter
//! (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>), so that calls
//! that failed together don't come back together.

use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The longest possible first wait.
pub const BASE: Duration = Duration::from_millis(500);
/// The longest possible wait.
pub const CAP: Duration = Duration::from_secs(30);
/// What the service asks for (`Retry-After`) is believed up to this.
pub const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// The wait after a change's `failures`-th failure (from 1), at least what the service `asked`.
pub fn backoff(failures: u32, asked: Option<Duration>, random: &mut ChaCha8Rng) -> Duration {
    let longest = ceiling(failures);
    let wait = longest.mul_f64(random.random::<f64>());
    wait.max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

/// The wait before the next probe of a service that fails for everybody: growing like a backoff,
/// but never so short that probing becomes hammering.
pub fn probe_wait(failures: u32, random: &mut ChaCha8Rng) -> Duration {
    let longest = ceiling(failures);
    longest / 2 + (longest / 2).mul_f64(random.random::<f64>())
}

fn ceiling(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (BASE * 2_u32.pow(doublings)).min(CAP)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_never_beyond() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for failures in 1..60 {
            for _ in 0..50 {
                let longest = (BASE * 2_u32.pow(failures.min(10) - 1)).min(CAP);
                assert!(backoff(failures, None, &mut random) <= longest);
                let probe = probe_wait(failures, &mut random);
                assert!(probe >= longest / 2 && probe <= longest);
            }
        }
    }

    #[test]
    fn what_the_service_asks_for_is_waited_but_not_forever() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let asked = Duration::from_secs(42);
        assert_eq!(backoff(1, Some(asked), &mut random), asked);
        let week = Duration::from_secs(604_800);
        assert_eq!(backoff(1, Some(week), &mut random), LONGEST_ASKED);
    }
}
