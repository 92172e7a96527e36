//! What the adaptive pace gets out of a quota of 20 a second, whatever the service takes for a
//! second and however bad the line is: the engine's own pacer in virtual time, over many seeds.
//! `cargo bench --bench pace [SEEDS]`
//!
//! The means over the seeds; in brackets the worst seed.

#[path = "../tests/support/pacing.rs"]
mod pacing;

use pacing::{Scene, Sender, Told, WINDOWS, delays, play};

const QUOTA: u32 = 20;
const OURS: Sender = Sender::Ours {
    rate: QUOTA as f64,
    from: 0,
};

/// A figure over the seeds: its mean and its worst.
#[derive(Default)]
struct Figure(Vec<f64>);

impl Figure {
    fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn most(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }
}

fn main() {
    let seeds: u64 = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next_back()
        .unwrap_or(200);
    table("alone, 120 s: accepted / quota, refused", |scene| {
        let (mut accepted, mut refused) = <(Figure, Figure)>::default();
        for seed in 0..seeds {
            let told = Told::sum(&play(&scene(120), &[OURS], seed)[0]);
            accepted.0.push(of(told, f64::from(QUOTA), 120));
            refused.0.push(told.refused_share());
        }
        shares(&accepted, &refused)
    });
    for (names_limit, within) in [(true, 3), (false, 10)] {
        let how = if names_limit { "" } else { "not " };
        let title = format!(
            "20 -> 10 after 60 s, the limit {how}named: accepted / 10 and refused from {within} s after on, over 60 s; back to 20: seconds until 19/s"
        );
        table(&title, |scene| {
            let (mut accepted, mut refused, mut back) = <(Figure, Figure, Figure)>::default();
            let mut never = 0;
            for seed in 0..seeds {
                let scene = Scene {
                    limits: vec![(0, 20), (60, 10), (180, 20)],
                    names_limit,
                    ..scene(330)
                };
                let seconds = &play(&scene, &[OURS], seed)[0];
                let told = Told::sum(&seconds[60 + within..120]);
                accepted.0.push(of(told, 10.0, 60 - within as u64));
                refused.0.push(told.refused_share());
                let is_back = |from: &usize| Told::sum(&seconds[*from..from + 5]).accepted >= 95;
                match (180..325).find(is_back) {
                    Some(at) => back.0.push((at - 180) as f64),
                    None => never += 1,
                }
            }
            let shares = shares(&accepted, &refused);
            let never = match never {
                0 => String::new(),
                seeds => format!(", {seeds} never"),
            };
            format!("{shares} {:.0} ({:.0}) s{never}", back.mean(), back.most())
        });
    }
    table(
        "another client takes 8/s: accepted / 12, refused, from 30 s on, over 300 s",
        |scene| {
            let (mut accepted, mut refused) = <(Figure, Figure)>::default();
            for seed in 0..seeds {
                let other = Sender::Steady { per_second: 8.0 };
                let told = Told::sum(&play(&scene(330), &[OURS, other], seed)[0][30..]);
                accepted.0.push(of(told, 12.0, 300));
                refused.0.push(told.refused_share());
            }
            shares(&accepted, &refused)
        },
    );
    table(
        "two runs, the second 20 s later: together / quota, refused, the smaller share, from 80 s on, over 240 s",
        |scene| {
            let (mut accepted, mut refused, mut smaller) = <(Figure, Figure, Figure)>::default();
            for seed in 0..seeds {
                let late = Sender::Ours {
                    rate: f64::from(QUOTA),
                    from: 20,
                };
                let told = play(&scene(320), &[OURS, late], seed);
                let each = [0, 1].map(|who: usize| Told::sum(&told[who][80..]));
                let both = Told::sum(&each);
                accepted.0.push(of(both, f64::from(QUOTA), 240));
                refused.0.push(both.refused_share());
                let least = each[0].accepted.min(each[1].accepted);
                smaller.0.push(100.0 * least as f64 / both.accepted as f64);
            }
            let shares = shares(&accepted, &refused);
            format!("{shares} {:.0} ({:.0})", smaller.mean(), smaller.least())
        },
    );
}

/// A row for each kind of second, a column for each line.
fn table(title: &str, cell: impl Fn(&dyn Fn(u64) -> Scene) -> String) {
    println!("\n{title}");
    print!("| {:22}", "window");
    for (name, _) in delays() {
        print!(" | {name:>30}");
    }
    println!(" |");
    for (name, window, refused_count) in WINDOWS {
        print!("| {name:22}");
        for (_, delay) in delays() {
            let scene = |seconds| Scene {
                window,
                refused_count,
                delay,
                limits: vec![(0, QUOTA)],
                names_limit: true,
                seconds,
            };
            print!(" | {:>30}", cell(&scene));
        }
        println!(" |");
    }
}

/// Per cent of what could have been accepted.
fn of(told: Told, per_second: f64, seconds: u64) -> f64 {
    100.0 * told.accepted as f64 / (per_second * seconds as f64)
}

fn shares(accepted: &Figure, refused: &Figure) -> String {
    format!(
        "{:.1} ({:.1}) {:.2} ({:.2})",
        accepted.mean(),
        accepted.least(),
        refused.mean(),
        refused.most()
    )
}
