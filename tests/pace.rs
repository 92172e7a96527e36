//! What the adaptive pace promises (rule P3), in virtual time: the means over a few seeds of what
//! `cargo bench --bench pace` prints over many.

#[path = "support/pacing.rs"]
mod pacing;

use lcic_sync::simulator::{Latency, Window};
use pacing::{Scene, Sender, Told, WINDOWS, delays, play};

const SEEDS: u64 = 12;
const OURS: Sender = Sender::Ours {
    rate: 20.0,
    from: 0,
};

fn scene(window: Window, refused_count: bool, delay: Latency, seconds: u64) -> Scene {
    Scene {
        window,
        refused_count,
        delay,
        limits: vec![(0, 20)],
        names_limit: true,
        seconds,
    }
}

/// Every kind of second with every line.
fn scenes(seconds: u64) -> impl Iterator<Item = (String, Scene)> {
    WINDOWS.into_iter().flat_map(move |(name, window, counts)| {
        delays().into_iter().map(move |(line, delay)| {
            (
                format!("{name}, {line}"),
                scene(window, counts, delay, seconds),
            )
        })
    })
}

/// What our first sender was told between these seconds, over all seeds.
fn told(scene: &Scene, senders: &[Sender], from: usize) -> Told {
    let seeds = (0..SEEDS).map(|seed| Told::sum(&play(scene, senders, seed)[0][from..]));
    Told::sum(&seeds.collect::<Vec<_>>())
}

/// Per cent of `per_second` that was accepted.
fn of(told: Told, per_second: u64, seconds: usize) -> f64 {
    100.0 * told.accepted as f64 / (per_second * SEEDS * seconds as u64) as f64
}

#[test]
fn p3_nearly_all_of_the_quota_gets_through_and_hardly_a_call_is_refused() {
    // Of each line: at least so much accepted, at most so much refused.
    let even = [(99.5, 0.05), (99.5, 0.05), (99.3, 0.1), (96.0, 0.4)];
    let sliding = [(99.5, 0.05), (99.0, 0.1), (98.0, 0.15), (94.0, 0.3)];
    for (name, window, counts) in WINDOWS {
        let targets = match window {
            Window::SlidingSecond => sliding,
            Window::FixedSecond | Window::TokenBucket => even,
        };
        for ((line, delay), (least, most)) in delays().into_iter().zip(targets) {
            let told = told(&scene(window, counts, delay, 120), &[OURS], 0);
            let (accepted, refused) = (of(told, 20, 120), told.refused_share());
            assert!(
                accepted >= least && refused <= most,
                "{name}, {line}: {accepted:.2} % accepted, {refused:.2} % refused"
            );
        }
    }
}

#[test]
fn p3_a_quota_that_is_halved_is_found_in_seconds() {
    for (names_limit, within) in [(true, 3), (false, 10)] {
        for (name, scene) in scenes(120) {
            let scene = Scene {
                limits: vec![(0, 20), (60, 10)],
                names_limit,
                ..scene
            };
            let told = told(&scene, &[OURS], 60 + within);
            let (accepted, refused) = (of(told, 10, 60 - within), told.refused_share());
            assert!(
                accepted >= 95.0 && refused < 1.0,
                "{name}, named: {names_limit}: {accepted:.1} % accepted, {refused:.2} % refused"
            );
        }
    }
}

#[test]
fn p3_a_quota_that_is_restored_is_found_in_two_minutes() {
    for (name, scene) in scenes(190) {
        let scene = Scene {
            limits: vec![(0, 20), (10, 10), (60, 20)],
            ..scene
        };
        for seed in 0..SEEDS {
            let seconds = &play(&scene, &[OURS], seed)[0];
            let is_back = |from: usize| Told::sum(&seconds[from..from + 5]).accepted >= 95;
            assert!((60..180).any(is_back), "{name}, seed {seed}");
        }
    }
}

#[test]
fn p3_what_another_client_uses_is_left_to_it() {
    for (name, scene) in scenes(330) {
        let told = told(&scene, &[OURS, Sender::Steady { per_second: 8.0 }], 30);
        let (accepted, refused) = (of(told, 12, 300), told.refused_share());
        assert!(
            accepted >= 90.0 && refused < 2.0,
            "{name}: {accepted:.1} % of the rest accepted, {refused:.2} % refused"
        );
    }
}

#[test]
fn p3_two_runs_on_one_account_share_it() {
    let late = Sender::Ours {
        rate: 20.0,
        from: 20,
    };
    for (name, scene) in scenes(320) {
        let mut smaller = f64::INFINITY;
        let mut both = Told::default();
        for seed in 0..SEEDS {
            let told = play(&scene, &[OURS, late], seed);
            let each = [0, 1].map(|who: usize| Told::sum(&told[who][80..]));
            let sum = Told::sum(&each);
            let least = each[0].accepted.min(each[1].accepted);
            smaller = smaller.min(100.0 * least as f64 / sum.accepted as f64);
            both = Told::sum(&[both, sum]);
        }
        let (accepted, refused) = (of(both, 20, 240), both.refused_share());
        assert!(
            accepted >= 95.0 && refused < 1.5 && smaller >= 35.0,
            "{name}: {accepted:.1} % accepted, {refused:.2} % refused, the smaller share {smaller:.0} %"
        );
    }
}
