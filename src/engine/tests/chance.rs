//! The engine against a world made of chance: random answers, late records, pauses, stops.

use proptest::prelude::*;
use rand::RngExt;

use super::*;

#[derive(Debug, Clone)]
struct Chance {
    seed: u64,
    changes: u64,
    concurrency: usize,
    max_attempts: u32,
    per_second: u32,
    latency_ms: u64,
    spread_ms: u64,
    record_ms: u64,
    weights: [u32; 7],
    /// What is asked for with every other refusal of the limiter and of busy servers.
    after: Option<Duration>,
    /// The answer that is fatal.
    fatal_at: Option<usize>,
    /// Calls that leave late, and by how much.
    late: BTreeMap<usize, Duration>,
    /// The step at which the run is stopped, and after how many more it is abandoned.
    stop_at: Option<(usize, Option<usize>)>,
}

fn chance() -> impl Strategy<Value = Chance> {
    let load = (any::<u64>(), 0_u64..150, 1_usize..20, 1_u32..6, 1_u32..200);
    let times = (1_u64..4000, 0_u64..1000, 0_u64..300);
    let answers = (
        prop::array::uniform7(0_u32..10),
        prop::option::weighted(0.3, (0_u64..600).prop_map(Duration::from_secs)),
        prop::option::weighted(0.1, 0_usize..200),
    );
    let late = (3_u64..900).prop_map(Duration::from_millis);
    let late = prop::collection::btree_map(0_usize..200, late, 0..4);
    let stop = (1_usize..400, prop::option::of(0_usize..20));
    let stop = prop::option::weighted(0.3, stop);
    (load, times, answers, late, stop).prop_map(
        |(
            (seed, changes, concurrency, max_attempts, per_second),
            (latency_ms, spread_ms, record_ms),
            (weights, after, fatal_at),
            late,
            stop_at,
        )| Chance {
            seed,
            changes,
            concurrency,
            max_attempts,
            per_second,
            latency_ms,
            spread_ms,
            record_ms,
            weights,
            after,
            fatal_at,
            late,
            stop_at,
        },
    )
}

fn play(chance: &Chance) -> World<impl FnMut(&Change, u32, Duration) -> Verdict + use<>> {
    let mut random = ChaCha8Rng::seed_from_u64(chance.seed);
    let Chance {
        weights,
        after,
        fatal_at,
        ..
    } = *chance;
    let mut n_answers = 0;
    let answer = move |_: &Change, _: u32, _: Duration| {
        n_answers += 1;
        if fatal_at == Some(n_answers) {
            return Verdict::Fatal {
                cause: FatalCause::Key,
                fault: fault("AuthFailure"),
            };
        }
        let again = |passing| Verdict::Again {
            passing,
            fault: fault("scripted"),
            after: after.filter(|_| n_answers % 2 == 0),
        };
        let mut pick = random.random_range(0..weights.iter().sum::<u32>() + 10);
        let mut kind = 0;
        while kind < 7 && pick >= weights[kind] {
            pick -= weights[kind];
            kind += 1;
        }
        match kind {
            0 if n_answers % 3 == 0 => throttled(),
            0 => again(Passing::Throttled),
            1 => again(Passing::Busy),
            2 => again(Passing::NotSent),
            3 => again(Passing::NoAnswer),
            4 => again(Passing::Internal),
            5 => Verdict::Refused(fault("InvalidParameter")),
            6 => again(Passing::Mended),
            _ => accepted(),
        }
    };
    let limits = Limits {
        rate: Rate::per_second(f64::from(chance.per_second)).unwrap(),
        concurrency: chance.concurrency,
        max_attempts: chance.max_attempts,
        max_outage: Duration::from_secs(600),
        window: 40 + 2 * chance.concurrency,
        runway: 32,
        seed: chance.seed,
    };
    let mut world = World::new(limits, chance.changes, answer);
    world.latency = chance.latency_ms as u32 * MS;
    world.spread = chance.spread_ms as u32 * MS;
    world.record = chance.record_ms as u32 * MS;
    world.late = chance.late.clone();
    let mut n_steps = 0;
    while !world.engine.is_finished() {
        assert!(world.advance(), "stuck:\n{}", world.trace.join("\n"));
        n_steps += 1;
        let Some((stop_at, abandon_after)) = chance.stop_at else {
            continue;
        };
        if n_steps == stop_at {
            world.step(Input::Stop(StopCause::Signal(2)));
        }
        if abandon_after.is_some_and(|after| n_steps == stop_at + after) {
            world.step(Input::Abandon);
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_change_settles_once_and_no_limit_is_passed(chance in chance()) {
        let world = play(&chance);
        let marks: BTreeSet<Mark> = world.settled.keys().copied().collect();
        prop_assert_eq!(marks.len() as u64, chance.changes);
        prop_assert!(world.most_in_flight <= chance.concurrency);
        prop_assert!(most_in_a_second(&world.sent) <= chance.per_second as usize);
        for (mark, settlement) in &world.settled {
            prop_assert_eq!(settlement.attempts as usize, world.calls_of(*mark));
            if settlement.ending == Ending::Pending {
                prop_assert!(settlement.in_doubt.is_empty());
            }
            if settlement.attempts == 0 {
                prop_assert_eq!(&settlement.ending, &Ending::Pending);
            }
        }
        if world.engine.stopping().is_none() {
            prop_assert!(!world.endings().contains_key(&Outcome::Pending));
        }
    }

    #[test]
    fn same_seed_and_input_same_effects(chance in chance()) {
        prop_assert_eq!(play(&chance).trace, play(&chance).trace);
    }
}
