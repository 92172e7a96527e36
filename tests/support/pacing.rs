//! The pacer against a quota, in virtual time: who sends when, how long a call is under way, and
//! what the service makes of it when it arrives. Minutes take milliseconds, and the same seed
//! gives the same minutes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::time::Duration;

use lcic_sync::engine::pacer::{Pacer, Rate};
use lcic_sync::simulator::quota::{Admission, Quota};
use lcic_sync::simulator::{Latencies, Latency, Window};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SECOND: Duration = Duration::from_secs(1);

/// Kinds of seconds that a service may count in, and whether refused calls count.
pub const WINDOWS: [(&str, Window, bool); 6] = [
    ("fixed second", Window::FixedSecond, false),
    ("fixed, refused count", Window::FixedSecond, true),
    ("token bucket", Window::TokenBucket, false),
    ("bucket, refused count", Window::TokenBucket, true),
    ("sliding second", Window::SlidingSecond, false),
    ("sliding, refused count", Window::SlidingSecond, true),
];

/// Lines from calm to bad.
pub fn delays() -> [(&'static str, Latency); 4] {
    let line = |base, median_us, sigma| Latency {
        base: Duration::from_millis(base),
        median: Duration::from_micros(median_us),
        sigma,
    };
    [
        ("none", Latency::default()),
        ("0.5 ms, σ 0.5", line(0, 500, 0.5)),
        ("20 + 2 ms, σ 0.8", line(20, 2_000, 0.8)),
        ("50 + 10 ms, σ 1.0", line(50, 10_000, 1.0)),
    ]
}

/// What the service does.
#[derive(Clone)]
pub struct Scene {
    pub window: Window,
    pub refused_count: bool,
    pub delay: Latency,
    /// From when on (seconds) it admits how much.
    pub limits: Vec<(u64, u32)>,
    /// Whether its refusals say how much.
    pub names_limit: bool,
    /// How long it is watched, in seconds.
    pub seconds: u64,
}

/// Who sends, from the start of some second on.
#[derive(Clone, Copy)]
pub enum Sender {
    /// Paced by us, with this `--rate`.
    Ours { rate: f64, from: u64 },
    /// So many a second, evenly, whatever comes back.
    Steady { per_second: f64 },
}

/// Calls of a sender that arrived in one second.
#[derive(Clone, Copy, Default)]
pub struct Told {
    pub accepted: u64,
    pub refused: u64,
}

impl Told {
    /// Of some seconds together.
    pub fn sum<'t>(seconds: impl IntoIterator<Item = &'t Self>) -> Self {
        let mut sum = Self::default();
        for second in seconds {
            sum.accepted += second.accepted;
            sum.refused += second.refused;
        }
        sum
    }

    /// Per cent that were refused.
    pub fn refused_share(self) -> f64 {
        100.0 * self.refused as f64 / (self.accepted + self.refused).max(1) as f64
    }
}

/// Plays a scene; of each sender, what was told in each second.
pub fn play(scene: &Scene, senders: &[Sender], seed: u64) -> Vec<Vec<Told>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // Where in a second we begin is chance: the service's seconds are not ours.
    let phase = SECOND.mul_f64(random.random());
    let mut latencies = Latencies::new(scene.delay, seed);
    let counter = |limit| {
        let limit = NonZeroU32::new(limit).expect("a limit");
        Quota::new(scene.window, limit, scene.refused_count)
    };
    let mut limits = scene.limits.iter().copied().peekable();
    let mut limit = 0;
    let mut quota = counter(1);
    let mut pacers: Vec<Pacer> = Vec::new();
    let mut happens = BinaryHeap::new();
    for (who, sender) in senders.iter().enumerate() {
        let (rate, from) = match *sender {
            Sender::Ours { rate, from } => (rate, from),
            Sender::Steady { per_second } => (per_second, 0),
        };
        pacers.push(Pacer::new(Rate::per_second(rate).expect("a rate")));
        let begins = Duration::from_secs(from) + SECOND.mul_f64(random.random::<f64>() / rate);
        happens.push(Reverse((begins, who, None)));
    }
    let end = Duration::from_secs(scene.seconds);
    let mut told = vec![vec![Told::default(); scene.seconds as usize]; senders.len()];
    while let Some(Reverse((now, who, sent))) = happens.pop() {
        if now >= end {
            break;
        }
        // Timers wake up to a millisecond late.
        let late = SECOND.mul_f64(random.random::<f64>() / 1000.0);
        let Some(sent) = sent else {
            let next = match senders[who] {
                Sender::Steady { per_second } => now + SECOND.div_f64(per_second),
                Sender::Ours { .. } => match pacers[who].take(now) {
                    Ok(_) => pacers[who].due() + late,
                    Err(due) => {
                        happens.push(Reverse((due + late, who, None)));
                        continue;
                    }
                },
            };
            happens.push(Reverse((next, who, None)));
            happens.push(Reverse((now + latencies.draw(), who, Some(now))));
            continue;
        };
        while let Some((_, next)) = limits.next_if(|(from, _)| Duration::from_secs(*from) <= now) {
            limit = next;
            quota = counter(next);
        }
        let second = &mut told[who][now.as_secs() as usize];
        match quota.arrive(now + phase) {
            Admission::Admitted => {
                second.accepted += 1;
                pacers[who].admitted(now, sent);
            }
            Admission::Refused { .. } => {
                second.refused += 1;
                let named = scene.names_limit.then_some(f64::from(limit));
                pacers[who].refused(now, sent, named);
            }
        }
    }
    told
}
