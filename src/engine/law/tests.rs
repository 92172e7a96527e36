use super::*;

const MS: Duration = Duration::from_millis(1);

fn pace() -> Pace {
    Pace::new(Rate::per_second(20.0).unwrap())
}

/// Sends evenly from `from` to `to`, in seconds, and is never refused.
fn quiet(pace: &mut Pace, from: u32, to: u32) {
    for tenth in from * 10..=to * 10 {
        pace.sent(tenth * 100 * MS);
    }
}

#[test]
fn p3_a_refusal_lowers_the_pace_a_little_and_only_once_a_round_trip() {
    let mut pace = pace();
    // Twenty calls under way for a second each: all refused, one cut.
    for call in 0..20 {
        pace.refused((1000 + 50 * call) * MS, 50 * call * MS, None);
    }
    assert_eq!(pace.per_second(), 20.0 * (1.0 - CUT));
    // At the very instant of the cut is not after it.
    pace.refused(2000 * MS, 1000 * MS, None);
    assert_eq!(pace.per_second(), 20.0 * (1.0 - CUT));
    // What was under way goes on being refused: the next cut is deeper, however long a call takes.
    pace.refused(2900 * MS, 1001 * MS, None);
    assert_eq!(pace.per_second(), 20.0 * (1.0 - CUT) * (1.0 - CUT_AGAIN));
}

/// A refusal that was long under way is no sign that refusals never stopped.
#[test]
fn p3_a_refusal_that_comes_late_begins_anew() {
    let mut pace = pace();
    pace.refused(10_000 * MS, 9_950 * MS, None);
    pace.refused(13_400 * MS, 9_900 * MS, None);
    let before = pace.per_second();
    pace.refused(13_600 * MS, 13_000 * MS, None);
    assert_eq!(pace.per_second(), before * (1.0 - CUT_AGAIN));
    assert!(!pace.is_lost);
}

#[test]
fn p3_refusals_that_do_not_end_cut_deeper() {
    let mut pace = pace();
    let mut cuts = Vec::new();
    for n in 0..6 {
        let before = pace.per_second();
        pace.refused(n * 600 * MS, n * 600 * MS, None);
        cuts.push(1.0 - pace.per_second() / before);
    }
    let expected = [CUT, CUT_AGAIN, CUT_AGAIN, CUT_AGAIN, CUT_STILL, CUT_STILL];
    for (found, expected) in cuts.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{cuts:?}");
    }
}

#[test]
fn p3_where_no_limit_is_named_a_refusal_is_not_alone_so_soon_after_another() {
    for (named, apart, cut) in [
        (None, 2000, CUT_AGAIN),
        (None, 3000, CUT_AGAIN),
        (None, 3001, CUT),
        (Some(20.0), 1000, CUT_AGAIN),
        (Some(20.0), 1001, CUT),
    ] {
        let mut pace = pace();
        pace.refused(5000 * MS, 4900 * MS, named);
        let before = pace.per_second();
        let then = (5000 + apart) * MS;
        pace.refused(then, then, named);
        assert_eq!(pace.per_second(), before * (1.0 - cut), "{named:?} {apart}");
    }
}

/// Also where the pace can't be lowered, and so is never below what is allowed.
#[test]
fn p3_refusals_that_went_on_are_over_after_a_second_without() {
    let mut pace = Pace::new(Rate::per_second(1.0).unwrap());
    for second in 0..4 {
        pace.sent(second * SECOND);
        pace.refused(second * SECOND + MS, second * SECOND, None);
    }
    assert_eq!((pace.is_lost, pace.per_second()), (true, 1.0));
    for second in 4..6 {
        pace.sent(second * SECOND);
    }
    assert_eq!((pace.is_lost, pace.per_second()), (false, 1.0));
}

#[test]
fn p3_who_is_below_a_fair_share_of_the_limit_yields_little_but_not_for_ever() {
    let mut pace = pace();
    let mut cut_at = Vec::new();
    for n in 0..100 {
        let before = pace.per_second();
        pace.refused(n * 500 * MS, n * 500 * MS, Some(20.0));
        cut_at.push((n, before, 1.0 - pace.per_second() / before));
    }
    let is = |cut: f64, expected: f64| (cut - expected).abs() < 1e-9;
    let (above, below): (Vec<_>, Vec<_>) = cut_at[1..]
        .iter()
        .partition(|(_, before, _)| *before >= FAIR * 20.0);
    assert!(above.iter().all(|(_, _, cut)| *cut > CUT_AGAIN - 1e-9));
    let (soon, late): (Vec<_>, Vec<_>) = below.iter().partition(|(n, ..)| *n <= 40);
    let (larger, rest): (Vec<_>, Vec<_>) = soon
        .iter()
        .partition(|(_, before, _)| *before >= HALF * 20.0);
    assert!(larger.len() > 10 && larger.iter().all(|(_, _, cut)| is(*cut, CUT_LARGER)));
    assert!(rest.len() > 5 && rest.iter().all(|(_, _, cut)| is(*cut, CUT_SHARED)));
    assert!(late.len() > 50 && late.iter().all(|(_, _, cut)| is(*cut, CUT_AGAIN)));
    assert_eq!(pace.room_at(), None);
    for n in 100..300 {
        pace.refused(n * 500 * MS, n * 500 * MS, Some(20.0));
    }
    assert_eq!(pace.per_second(), LEAST);
}

#[test]
fn p3_a_named_limit_is_taken_at_its_word_and_never_over_the_rate() {
    let mut pace = pace();
    pace.refused(100 * MS, 90 * MS, Some(10.0));
    assert_eq!(pace.per_second(), 10.0);
    assert_eq!(
        pace.news(),
        Some(Event::LimitLearned {
            per_second: Some(10.0)
        })
    );
    assert_eq!(pace.news(), Some(Event::PaceChanged { per_second: 10.0 }));
    assert_eq!(pace.news(), None);
    // What was sent at twenty fills the service's second for a while.
    pace.refused(900 * MS, 800 * MS, Some(10.0));
    assert_eq!(pace.per_second(), 10.0);
    pace.refused(1300 * MS, 1200 * MS, Some(10.0));
    assert!(pace.per_second() < 10.0);
    assert!(matches!(pace.news(), Some(Event::PaceChanged { .. })));
    // Ten is where refusals are to be expected now: it is not regained in a hurry.
    quiet(&mut pace, 2, 20);
    assert!(pace.per_second() < 9.9);

    let mut pace = self::pace();
    pace.refused(100 * MS, 90 * MS, Some(0.0));
    assert_eq!(pace.per_second(), Rate::MIN);

    let mut pace = self::pace();
    pace.refused(100 * MS, 90 * MS, Some(100.0));
    assert!(pace.per_second() < 20.0);
    quiet(&mut pace, 1, 300);
    assert_eq!(pace.per_second(), 20.0);
}

#[test]
fn p3_growth_is_slow_at_first_and_accelerates_after_long_quiet() {
    let mut pace = pace();
    pace.refused(MS, MS, None);
    let mut grown = |from, to| {
        let before = pace.per_second();
        quiet(&mut pace, from, to);
        (pace.per_second() - before) / before
    };
    let first = grown(0, 20);
    assert!((0.004..0.006).contains(&first), "{first}");
    assert!(grown(20, 40) < 0.006);
    assert!(grown(40, 60) > 0.0);
    assert_eq!(pace.per_second(), 20.0);
}

#[test]
fn p3_a_named_limit_holds_while_it_is_fresh_and_is_given_up_when_more_goes_through() {
    let mut pace = pace();
    pace.refused(MS, MS, Some(10.0));
    while pace.news().is_some() {}
    quiet(&mut pace, 0, 39);
    assert_eq!(pace.per_second(), 10.0);
    let given_up = Some(Event::LimitLearned { per_second: None });
    let when = (39..130).find(|second| {
        quiet(&mut pace, *second, second + 1);
        pace.news() == given_up
    });
    assert!(when.is_some() && pace.per_second() > 10.0 * LIFTED);
    quiet(&mut pace, when.unwrap() + 1, 130);
    assert_eq!(pace.per_second(), 20.0);
    // Named once more it is news once more.
    pace.refused(131_000 * MS, 131_000 * MS, Some(10.0));
    let per_second = Some(10.0);
    assert_eq!(pace.news(), Some(Event::LimitLearned { per_second }));
}

#[test]
fn p3_a_refusal_ends_the_quiet() {
    let mut pace = pace();
    pace.refused(MS, MS, Some(10.0));
    quiet(&mut pace, 0, 39);
    pace.refused(39_500 * MS, 39_500 * MS, Some(10.0));
    let cut = pace.per_second();
    pace.sent(39_900 * MS);
    assert_eq!(pace.per_second(), cut, "a second of quiet comes first");
    quiet(&mut pace, 40, 75);
    assert!(pace.per_second() <= 10.0);
}

#[test]
fn p3_what_was_surely_fine_is_regained_quickly_and_no_more() {
    let mut pace = pace();
    for n in 0..8 {
        pace.refused(n * 600 * MS, n * 600 * MS, None);
    }
    assert!(pace.per_second() < 16.0, "{}", pace.per_second());
    quiet(&mut pace, 6, 30);
    assert!(pace.per_second() >= 20.0 * SURE);
    assert!(pace.per_second() < 20.0 * SURE * 1.01);
    // That was long ago: the next accident is one again.
    pace.refused(30_500 * MS, 30_500 * MS, None);
    let before = pace.per_second();
    pace.refused(31_000 * MS, 31_000 * MS, None);
    assert!((1.0 - pace.per_second() / before - CUT_AGAIN).abs() < 1e-9);
}

#[test]
fn p3_growth_is_in_proportion_to_the_limit_not_to_the_pace_and_less_where_it_is_shared() {
    for (refusals, slow) in [(30, SLOW), (60, SLOW_SHARED)] {
        let mut pace = pace();
        for n in 0..refusals {
            pace.refused(n * 1100 * MS, n * 1100 * MS, Some(20.0));
        }
        let before = pace.per_second();
        assert!(before < 14.0);
        assert_eq!(pace.is_shared(), slow == SLOW_SHARED);
        quiet(&mut pace, 70, 90);
        let grown = pace.per_second() - before;
        let expected = 19.0 * slow * 20.0;
        assert!((grown - expected).abs() < expected / 10.0, "{grown}");
    }
}

#[test]
fn p3_growth_never_exceeds_a_twentieth_a_second_and_each_hundredth_is_told() {
    let mut pace = pace();
    pace.refused(MS, MS, Some(1.0));
    while pace.news().is_some() {}
    let mut told = 1.0;
    for second in 0..150 {
        let before = pace.per_second();
        quiet(&mut pace, second, second + 1);
        let now = pace.per_second();
        assert!(now <= before * (1.0 + FASTEST) * 1.002, "{before} to {now}");
        while let Some(news) = pace.news() {
            told = match news {
                Event::PaceChanged { per_second } => per_second,
                _ => told,
            };
        }
        assert!(now < told * WORTH_TELLING, "{now}, told {told}");
    }
    assert_eq!(told, 20.0);
}

/// Twenty seconds at this pace of the 20 a second that the service allows, every other call held
/// up by so much; then one refusal.
fn shared(per_second: f64, held_up: Duration) -> Pace {
    let mut pace = pace();
    pace.know_limit(20.0);
    pace.now = per_second;
    let spacing = spacing(per_second);
    for call in 0..(20.0 * per_second) as u32 {
        pace.arrivals.sent(spacing * call, per_second);
        pace.admitted(spacing * call + held_up * (call % 2) + MS, spacing * call);
    }
    pace.leave_room();
    pace
}

#[test]
fn p3_where_calls_jitter_and_the_quota_is_shared_there_is_room_for_whole_calls() {
    let room = |pace: &Pace, per_second| pace.arrivals.room_at(per_second).unwrap();
    for (per_second, held_up, whole) in [
        (11.4, 10 * MS, Some(11.0)),
        (11.9, 10 * MS, Some(11.0)),
        (12.0, 10 * MS, Some(12.0)),
        (11.4, MS / 10, None),
        (13.4, 10 * MS, None),
        (4.9, 10 * MS, None),
    ] {
        let mut pace = shared(per_second, held_up);
        assert_eq!(pace.whole_calls(), whole, "{per_second}");
        let expected = room(&pace, whole.unwrap_or(per_second));
        assert_eq!(pace.room_at(), Some(expected), "{per_second}");
        assert!(expected == room(&pace, per_second) || per_second.fract() > 0.0);
        // Between two whole numbers it may grow as if nobody shared, nothing is asked for by it.
        let slow = match whole {
            None if per_second < FAIR * 20.0 => SLOW_SHARED,
            _ => SLOW,
        };
        pace.refused_at = per_second;
        let from = Duration::from_secs(20);
        for tenth in 0..110 {
            pace.sent(from + tenth * 100 * MS);
        }
        let grown = pace.per_second() - per_second;
        let expected = 10.0 * slow * 20.0;
        assert!(
            (grown / expected - 1.0).abs() < 0.1,
            "{per_second}: {grown}"
        );
    }
}

#[test]
fn p3_who_has_more_than_an_equal_share_yields_more_but_where_there_are_whole_calls() {
    let (steady, jitters) = (MS / 10, 10 * MS);
    // A lower `--rate` makes the equal share no smaller.
    let mut pace = shared(6.0, steady);
    pace.top = 10.0;
    pace.refused(21 * SECOND, 21 * SECOND, Some(20.0));
    assert_eq!(pace.per_second(), 6.0 * (1.0 - CUT_SHARED));
    for (per_second, held_up, cut) in [
        (11.4, steady, CUT_LARGER),
        (11.4, jitters, CUT_SHARED),
        (9.9, steady, CUT_SHARED),
        (9.9, jitters, CUT_SHARED),
    ] {
        let mut pace = shared(per_second, held_up);
        let now = Duration::from_secs(21);
        pace.refused(now, now, Some(20.0));
        assert_eq!(pace.per_second(), per_second * (1.0 - cut), "{held_up:?}");
    }
}

/// Ten seconds at the whole pace, each call under way for 50 ms, but the last for 250; then one
/// refusal, of a sliding second as it seems.
fn held_up() -> Pace {
    let mut pace = pace();
    for call in 0..200 {
        let under_way = if call == 199 { 250 } else { 50 };
        pace.sent(call * 50 * MS);
        pace.admitted((call * 50 + under_way) * MS, call * 50 * MS);
    }
    pace.refused(10_250 * MS, 9_900 * MS, None);
    pace
}

#[test]
fn p3_room_is_left_where_it_helps_and_not_while_the_pace_is_far_too_high() {
    assert_eq!(pace().room_at(), None);
    let mut pace = held_up();
    assert!(pace.room_at() > Some(9_900 * MS));
    for n in 0..6 {
        pace.refused((10_300 + 600 * n) * MS, (10_300 + 600 * n) * MS, None);
    }
    assert_eq!(pace.room_at(), None);
    quiet(&mut pace, 14, 16);
    assert!(pace.room_at() > Some(9_900 * MS));
}

#[test]
fn p3_what_waited_for_room_catches_up_at_twice_the_pace() {
    let pace = held_up();
    let room = pace.room_at().unwrap();
    let half = spacing(pace.per_second()) / 2;
    assert_eq!(pace.next_after(room - half * 2), room);
    assert_eq!(pace.next_after(room), room + half);
    // Where nothing is known of room, the pace alone decides.
    let pace = self::pace();
    assert_eq!(pace.next_after(MS), MS + spacing(20.0));
}

/// However answers come in, and after a pause too: as many calls as the pace makes in a second
/// never leave in less.
#[test]
fn p3_who_catches_up_stays_within_the_pace() {
    let mut pace = held_up();
    let mut on_their_way: Vec<(Duration, Duration)> = Vec::new();
    let mut sent = vec![12_000 * MS];
    pace.sent(sent[0]);
    for n in 0..2000_u32 {
        let last = sent[sent.len() - 1];
        let pause = if n == 500 { 5_000 * MS } else { Duration::ZERO };
        let mut at = last + pause;
        while at < pace.next_after(last) {
            at = pace.next_after(last);
            on_their_way.sort();
            while on_their_way.first().is_some_and(|(back, _)| *back <= at) {
                let (back, left) = on_their_way.remove(0);
                pace.admitted(back, left);
            }
        }
        let held_up = n * 7919 % 97 * n % 13;
        // The line gets quicker in the middle.
        let base = if n < 1000 { 50 } else { 5 };
        on_their_way.push((at + (base + held_up * 12) * MS, at));
        sent.push(at);
        pace.sent(at);
        // So that room is left throughout.
        pace.leave_room();
        let a_second = pace.per_second().round() as usize;
        if sent.len() > a_second {
            let took = at - sent[sent.len() - 1 - a_second];
            let least = a_second as f64 / pace.per_second();
            assert!(took.as_secs_f64() > least * 0.999, "call {n}: {took:?}");
        }
    }
    let waited = sent.windows(2).filter(|pair| pair[1] - pair[0] < 40 * MS);
    assert!(waited.count() > 20, "hardly any call caught up");
}

#[test]
fn p3_time_in_which_nothing_is_sent_is_no_quiet() {
    let mut pace = pace();
    pace.refused(MS, MS, Some(10.0));
    for hour in 1..20 {
        pace.sent(Duration::from_secs(3600 * hour));
    }
    assert_eq!(pace.per_second(), 10.0);
}

#[test]
fn p3_a_limit_of_an_earlier_run_is_where_this_one_begins() {
    let mut pace = pace();
    pace.know_limit(10.0);
    assert_eq!(pace.per_second(), 10.0);
    quiet(&mut pace, 0, 44);
    assert!(pace.per_second() < 10.1);
    quiet(&mut pace, 44, 130);
    assert_eq!(pace.per_second(), 20.0);
    // It is still news that the service says so today.
    let mut pace = self::pace();
    pace.know_limit(10.0);
    while pace.news().is_some() {}
    pace.refused(MS, MS, Some(10.0));
    let per_second = Some(10.0);
    assert_eq!(pace.news(), Some(Event::LimitLearned { per_second }));

    let mut pace = self::pace();
    pace.know_limit(50.0);
    assert_eq!(pace.per_second(), 20.0);
    assert!(!pace.is_shared());
}
