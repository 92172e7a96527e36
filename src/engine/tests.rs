//! The engine against a world that answers as each test says; [`chance`] has one that answers at
//! random.

mod chance;

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;

use super::pacer::Rate;
use super::*;
use crate::model::{Cells, Outcome, RowRef, SourceRow, UserId, Values};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    Limits {
        rate: Rate::per_second(20.0).unwrap(),
        concurrency: 8,
        max_attempts: 5,
        max_outage: Duration::from_secs(1800),
        window: 256,
        runway: 64,
        seed: 7,
    }
}

fn change(n: u64) -> Change {
    Change {
        user: UserId::new(&format!("user{n}")).unwrap(),
        send: Values {
            nickname: Some(format!("name{n}").into()),
            avatar: None,
        },
        rows: vec![SourceRow {
            at: RowRef {
                file: 0,
                line: n + 2,
            },
            cells: Cells::default(),
        }],
        doubted_before: Fields::NONE,
        failed_before: false,
        not_before: None,
    }
}

fn fault(code: &str) -> Fault {
    Fault::ours(code, "as scripted")
}

fn accepted() -> Verdict {
    Verdict::Accepted {
        request_id: "r-1".into(),
    }
}

/// Refused by the service's own limiter.
fn throttled() -> Verdict {
    Verdict::Again {
        passing: Passing::Throttled,
        fault: Fault {
            request_id: Some("r".into()),
            ..fault("RequestLimitExceeded")
        },
        after: None,
    }
}

fn again(passing: Passing) -> Verdict {
    Verdict::Again {
        passing,
        fault: fault("scripted"),
        after: None,
    }
}

/// A world in virtual time: calls take `latency` and up to `spread` more, records `record`, and
/// `answer` says what the service does with the n-th call for a change. Calls named in `late` leave
/// so much later than permitted.
struct World<A> {
    engine: Engine,
    now: Duration,
    answer: A,
    latency: Duration,
    spread: Duration,
    random: ChaCha8Rng,
    late: BTreeMap<usize, Duration>,
    leaving: BTreeSet<(Duration, Duration)>,
    record: Duration,
    unread: VecDeque<Change>,
    ended: bool,
    in_flight: BTreeMap<(Duration, Mark), (Ticket, Arc<Change>)>,
    marking: VecDeque<(Duration, Mark)>,
    durable: Option<Mark>,
    /// When each call left.
    sent: Vec<(Duration, Mark)>,
    /// No call before this: the service asked for it.
    asked: Duration,
    settled: BTreeMap<Mark, Settlement>,
    events: Vec<Event>,
    most_in_flight: usize,
    trace: Vec<String>,
}

impl<A: FnMut(&Change, u32, Duration) -> Verdict> World<A> {
    fn new(limits: Limits, changes: u64, answer: A) -> Self {
        Self {
            engine: Engine::new(limits),
            now: Duration::ZERO,
            answer,
            latency: 30 * MS,
            spread: Duration::ZERO,
            random: ChaCha8Rng::seed_from_u64(limits.seed),
            late: BTreeMap::new(),
            leaving: BTreeSet::new(),
            record: 5 * MS,
            unread: (0..changes).map(change).collect(),
            ended: false,
            in_flight: BTreeMap::new(),
            marking: VecDeque::new(),
            durable: None,
            sent: Vec::new(),
            asked: Duration::ZERO,
            settled: BTreeMap::new(),
            events: Vec::new(),
            most_in_flight: 0,
            trace: Vec::new(),
        }
    }

    fn step(&mut self, input: Input) {
        self.trace.push(format!("{:?} {input:?}", self.now));
        for effect in self.engine.step(self.now, input) {
            self.trace.push(format!("  {effect:?}"));
            match effect {
                Effect::MarkDoubt(mark, _) => {
                    self.marking.push_back((self.now + self.record, mark));
                }
                Effect::Send(ticket, change) => {
                    assert!(
                        self.durable >= Some(ticket.mark),
                        "T3: sent without durable doubt"
                    );
                    assert!(self.engine.stopping().is_none(), "sent while stopping");
                    assert!(
                        self.now >= self.asked,
                        "sent before the time that was asked for"
                    );
                    let late = self.late.remove(&self.sent.len());
                    let left = self.now + late.unwrap_or_default();
                    if left > ticket.permit + super::pacer::GRACE {
                        self.leaving.insert((left, ticket.permit));
                    }
                    self.sent.push((left, ticket.mark));
                    let back = left + self.latency + self.spread.mul_f64(self.random.random());
                    self.in_flight.insert((back, ticket.mark), (ticket, change));
                    self.most_in_flight = self.most_in_flight.max(self.in_flight.len());
                }
                Effect::Settle(settlement) => {
                    let twice = self.settled.insert(settlement.mark, settlement);
                    assert!(twice.is_none(), "a change settled twice");
                }
                Effect::Tell(event) => self.events.push(event),
            }
        }
        if let Some((wake, why)) = self.engine.wake_at() {
            assert!(
                wake > self.now,
                "wakes at {wake:?} for {why:?}, it is {:?}",
                self.now
            );
        }
    }

    /// Does the next thing that is due. False when nothing can happen any more.
    fn advance(&mut self) -> bool {
        if self.engine.wants_changes() && !self.ended {
            let room = self.engine.room().min(self.unread.len());
            let changes: Vec<Change> = self.unread.drain(..room).collect();
            self.step(Input::Changes(changes));
            if self.unread.is_empty() {
                self.ended = true;
                self.step(Input::InputEnded);
            }
            return true;
        }
        let wake = self.engine.wake_at().map(|(at, _)| at);
        let answer = self.in_flight.first_key_value().map(|((at, _), _)| *at);
        let durable = self.marking.front().map(|(at, _)| *at);
        let leaving = self.leaving.first().map(|(at, _)| *at);
        let all = [wake, answer, durable, leaving];
        let Some(next) = all.into_iter().flatten().min() else {
            return false;
        };
        self.now = self.now.max(next);
        if leaving == Some(next) {
            let (at, permit) = self.leaving.pop_first().unwrap();
            self.step(Input::LeftLate { permit, at });
        } else if durable == Some(next) {
            let (_, mark) = self.marking.pop_front().unwrap();
            self.durable = Some(mark);
            self.step(Input::Durable(mark));
        } else if answer == Some(next) {
            let (_, (ticket, change)) = self.in_flight.pop_first().unwrap();
            let verdict = (self.answer)(&change, ticket.attempt(), self.now);
            if let Verdict::Again {
                passing: Passing::Throttled,
                after: Some(after),
                ..
            } = &verdict
            {
                let pause = (*after).min(retry::LONGEST_ASKED);
                self.asked = self.asked.max(self.now + pause);
            }
            self.step(Input::Answered(ticket, verdict));
        } else {
            self.step(Input::Woke);
        }
        true
    }

    fn run(mut self) -> Self {
        while !self.engine.is_finished() {
            assert!(
                self.advance(),
                "stuck at {:?}:\n{}",
                self.now,
                self.trace.join("\n")
            );
            assert!(self.sent.len() < 200_000, "never ends");
        }
        self
    }

    fn endings(&self) -> BTreeMap<Outcome, usize> {
        let mut endings = BTreeMap::new();
        for settlement in self.settled.values() {
            *endings.entry(settlement.ending.outcome()).or_default() += 1;
        }
        endings
    }

    fn calls_of(&self, mark: Mark) -> usize {
        self.sent.iter().filter(|(_, sent)| *sent == mark).count()
    }
}

fn most_in_a_second(sent: &[(Duration, Mark)]) -> usize {
    sent.iter()
        .map(|(from, _)| {
            sent.iter()
                .filter(|(at, _)| at >= from && *at < *from + SECOND)
                .count()
        })
        .max()
        .unwrap_or_default()
}

#[test]
fn a_clean_run_sends_each_change_once_at_the_full_pace() {
    let world = World::new(limits(), 1200, |_, _, _| accepted()).run();
    assert_eq!(world.endings(), BTreeMap::from([(Outcome::Applied, 1200)]));
    assert_eq!(world.sent.len(), 1200);
    let rate = 1199.0 / (world.sent[1199].0 - world.sent[0].0).as_secs_f64();
    assert!(rate > 19.9, "{rate}/s");
    assert_eq!(most_in_a_second(&world.sent), 20);
}

#[test]
fn p1_p2_retries_take_permits_too() {
    let world = World::new(limits(), 200, |_, attempt, _| {
        if attempt < 3 {
            again(Passing::Busy)
        } else {
            accepted()
        }
    })
    .run();
    assert_eq!(world.sent.len(), 600);
    assert!(most_in_a_second(&world.sent) <= 20);
}

#[test]
fn p4_a_waiting_change_holds_no_slot() {
    let mut only_two = limits();
    only_two.concurrency = 2;
    // The first ten fail for a long time; the others must not wait for them.
    let world = World::new(only_two, 300, |change, attempt, _| {
        if change.at().line < 12 && attempt < 5 {
            again(Passing::Busy)
        } else {
            accepted()
        }
    })
    .run();
    let healthy_done = world
        .sent
        .iter()
        .rposition(|(_, mark)| *mark == 299)
        .unwrap();
    let at = world.sent[healthy_done].0;
    assert!(
        at < Duration::from_secs(18),
        "the last healthy change left at {at:?}"
    );
    assert!(world.most_in_flight <= 2);
}

#[test]
fn p5_the_first_call_goes_alone() {
    let mut world = World::new(limits(), 50, |_, _, _| accepted());
    world.latency = 3 * SECOND;
    let world = world.run();
    assert!(world.sent[1].0 >= 3 * SECOND);
}

#[test]
fn p6_a_throttled_change_does_not_use_up_its_tries() {
    let world = World::new(limits(), 10, |_, attempt, _| {
        if attempt < 40 {
            throttled()
        } else {
            accepted()
        }
    })
    .run();
    assert_eq!(world.endings(), BTreeMap::from([(Outcome::Applied, 10)]));
}

#[test]
fn p7_an_outage_costs_no_rows_and_few_calls() {
    let down = Duration::from_secs(20)..Duration::from_secs(600);
    let world = World::new(limits(), 2000, |_, _, now| {
        if down.contains(&now) {
            again(Passing::NoAnswer)
        } else {
            accepted()
        }
    })
    .run();
    assert_eq!(world.endings(), BTreeMap::from([(Outcome::Applied, 2000)]));
    let probes = world
        .sent
        .iter()
        .filter(|(at, _)| (Duration::from_secs(22)..Duration::from_secs(600)).contains(at))
        .count();
    assert!(probes < 60, "{probes} probes in ten minutes");
    let began = world
        .events
        .iter()
        .filter(|e| matches!(e, Event::OutageBegan { .. }));
    assert_eq!(began.count(), 1);
    let ended = world
        .events
        .iter()
        .filter(|e| matches!(e, Event::OutageEnded { .. }));
    assert_eq!(ended.count(), 1);
}

/// A gateway's own page says nothing about the service behind it.
#[test]
fn p7_a_page_that_says_429_does_not_hide_an_outage() {
    let down = Duration::from_secs(20)..Duration::from_secs(300);
    let mut n_calls = 0;
    let world = World::new(limits(), 1000, |_, _, now| {
        n_calls += 1;
        match down.contains(&now) {
            true if n_calls % 5 == 0 => again(Passing::Throttled),
            true => again(Passing::NoAnswer),
            false => accepted(),
        }
    })
    .run();
    assert_eq!(world.endings(), BTreeMap::from([(Outcome::Applied, 1000)]));
    let is_during = |at: &Duration| (Duration::from_secs(25)..down.end).contains(at);
    let n_probes = world.sent.iter().filter(|(at, _)| is_during(at)).count();
    assert!(n_probes < 80, "{n_probes} calls during the outage");
}

#[test]
fn p7_pages_that_say_429_are_an_outage_and_use_up_no_tries() {
    let mut limits = limits();
    limits.max_attempts = 1;
    let down = Duration::from_secs(5)..Duration::from_secs(300);
    let world = World::new(limits, 400, |_, _, now| match down.contains(&now) {
        true => again(Passing::Throttled),
        false => accepted(),
    })
    .run();
    assert_eq!(world.endings(), BTreeMap::from([(Outcome::Applied, 400)]));
    let is_during = |at: &Duration| (Duration::from_secs(7)..down.end).contains(at);
    let n_probes = world.sent.iter().filter(|(at, _)| is_during(at)).count();
    assert!(n_probes < 40, "{n_probes} calls during the outage");
}

#[test]
fn p3_what_the_service_asks_for_is_waited_for_by_all() {
    let asked = Duration::from_secs(20);
    let mut n_calls = 0;
    let world = World::new(limits(), 100, |_, _, _| {
        n_calls += 1;
        match throttled() {
            Verdict::Again { passing, fault, .. } if n_calls == 50 => Verdict::Again {
                passing,
                fault,
                after: Some(asked),
            },
            _ => accepted(),
        }
    })
    .run();
    let gaps = world.sent.windows(2).map(|pair| pair[1].0 - pair[0].0);
    assert!(gaps.max().unwrap() >= asked - Duration::from_secs(1));
    assert_eq!(world.sent.len(), 101);
}

#[test]
fn p3_a_wait_that_no_service_means_is_cut_short() {
    let mut n_calls = 0;
    let world = World::new(limits(), 20, |_, _, _| {
        n_calls += 1;
        match throttled() {
            Verdict::Again { passing, fault, .. } if n_calls == 10 => Verdict::Again {
                passing,
                fault,
                after: Some(Duration::from_secs(86_400)),
            },
            _ => accepted(),
        }
    })
    .run();
    let (last, _) = world.sent.last().unwrap();
    let longest = retry::LONGEST_ASKED;
    assert!((longest..longest + 5 * SECOND).contains(last), "{last:?}");
}

/// The engine tells the pacer of answers, or it could not leave room for calls that come late.
#[test]
fn p3_a_sliding_second_hardly_refuses_calls_that_arrive_unevenly() {
    let mut counted = VecDeque::new();
    let mut n_refused = 0;
    let mut world = World::new(limits(), 2000, |_, _, now| {
        while counted.front().is_some_and(|at| *at + SECOND <= now) {
            counted.pop_front();
        }
        if counted.len() < 20 {
            counted.push_back(now);
            return accepted();
        }
        n_refused += 1;
        throttled()
    });
    world.spread = 60 * MS;
    let took = world.run().now;
    assert!(n_refused < 5, "{n_refused} of 2000 refused");
    assert!(took < 106 * SECOND, "{took:?} for 2000 calls");
}

#[test]
fn p7_each_probe_is_another_users() {
    let mut limits = limits();
    limits.max_outage = Duration::from_secs(300);
    let world = World::new(limits, 100, |_, _, _| again(Passing::NoAnswer)).run();
    for pair in world.sent.windows(2) {
        assert_ne!(pair[0].1, pair[1].1);
    }
}

/// Even where a single try is allowed, an outage must not cost the rows that ran into it.
#[test]
fn p7_tries_used_up_while_the_breaker_closed_in_are_forgiven() {
    let mut limits = limits();
    limits.max_attempts = 1;
    let down = Duration::from_secs(5)..Duration::from_secs(60);
    let world = World::new(limits, 400, |_, _, now| {
        if down.contains(&now) {
            again(Passing::NoAnswer)
        } else {
            accepted()
        }
    })
    .run();
    assert_eq!(world.endings(), BTreeMap::from([(Outcome::Applied, 400)]));
}

#[test]
fn p7_a_poisonous_row_settles_and_the_others_go_on() {
    let world = World::new(limits(), 300, |change, _, _| {
        if change.at().line == 50 {
            again(Passing::NoAnswer)
        } else {
            accepted()
        }
    })
    .run();
    let expected = BTreeMap::from([(Outcome::Applied, 299), (Outcome::Unknown, 1)]);
    assert_eq!(world.endings(), expected);
    assert_eq!(world.calls_of(48), 5);
}

#[test]
fn p7_few_rows_use_up_their_tries_instead_of_an_outage() {
    let world = World::new(limits(), 3, |_, _, _| again(Passing::Internal)).run();
    assert_eq!(world.endings(), BTreeMap::from([(Outcome::Failed, 3)]));
    assert_eq!(world.sent.len(), 15);
}

#[test]
fn p7_nothing_accepted_for_max_outage_stops_and_what_never_left_is_pending() {
    let mut limits = limits();
    limits.max_outage = Duration::from_secs(60);
    let world = World::new(limits, 500, |_, _, _| again(Passing::NotSent)).run();
    assert_eq!(world.endings(), BTreeMap::from([(Outcome::Pending, 500)]));
    assert!(matches!(
        world.engine.stopping(),
        Some(StopCause::Outage(_))
    ));
    let throttled = World::new(limits, 500, |_, _, _| again(Passing::Throttled)).run();
    assert_eq!(
        throttled.endings(),
        BTreeMap::from([(Outcome::Pending, 500)])
    );
}

#[test]
fn t4_unknown_beats_failed_and_a_later_answer_decides() {
    let world = World::new(limits(), 3, |change, attempt, _| match change.at().line {
        // No answer, then nothing that decides.
        2 if attempt == 1 => again(Passing::NoAnswer),
        2 => again(Passing::Internal),
        // No answer, then a refusal: it failed, but what the service holds is in doubt (T3).
        3 if attempt == 1 => again(Passing::NoAnswer),
        3 => Verdict::Refused(fault("InvalidParameter")),
        // Only a refusal.
        _ => Verdict::Refused(fault("InvalidParameter")),
    })
    .run();
    let of = |mark| {
        let settlement: &Settlement = &world.settled[&mark];
        (settlement.ending.outcome(), settlement.in_doubt.nickname)
    };
    assert_eq!(of(0), (Outcome::Unknown, true));
    assert_eq!(of(1), (Outcome::Failed, true));
    assert_eq!(of(2), (Outcome::Failed, false));
}

#[test]
fn t3_a_refusal_does_not_end_an_earlier_runs_doubt() {
    let mut world = World::new(limits(), 1, |_, _, _| Verdict::Refused(fault("no")));
    world.unread[0].doubted_before.nickname = true;
    let world = world.run();
    assert!(world.settled[&0].in_doubt.nickname);
}

#[test]
fn t3_another_value_waits_until_the_doubted_one_can_no_longer_arrive() {
    let mut world = World::new(limits(), 2, |_, _, _| accepted());
    world.unread[0].not_before = Some(Duration::from_secs(60));
    let world = world.run();
    assert_eq!(world.sent[0].1, 1);
    assert!(world.sent[1].0 >= Duration::from_secs(60));
}

#[test]
fn p8_fatal_stops_after_one_call_and_all_is_pending() {
    let world = World::new(limits(), 500, |_, _, _| Verdict::Fatal {
        cause: FatalCause::Key,
        fault: fault("AuthFailure.SecretIdNotFound"),
    })
    .run();
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.endings(), BTreeMap::from([(Outcome::Pending, 500)]));
}

#[test]
fn p8_fifty_equal_refusals_in_a_row_stop() {
    let mut few_slots = limits();
    few_slots.concurrency = 1;
    let world = World::new(few_slots, 500, |_, _, _| {
        Verdict::Refused(fault("ResourceNotFound.User"))
    })
    .run();
    assert_eq!(world.endings()[&Outcome::Failed], 50);
    assert!(matches!(
        world.engine.stopping(),
        Some(StopCause::SameRefusal { rows: 50, .. })
    ));
    let now_and_then = World::new(few_slots, 500, |change, _, _| {
        if change.at().line % 50 == 0 {
            accepted()
        } else {
            Verdict::Refused(fault("ResourceNotFound.User"))
        }
    })
    .run();
    assert_eq!(now_and_then.engine.stopping(), None);
}

/// Users that the service does not know stay in the export for weeks: every night's run must get
/// past them.
#[test]
fn p8_what_was_refused_before_does_not_count() {
    let mut world = World::new(limits(), 200, |change, _, _| {
        if change.at().line < 102 {
            Verdict::Refused(fault("ResourceNotFound.User"))
        } else {
            accepted()
        }
    });
    for change in world.unread.iter_mut().take(60) {
        change.failed_before = true;
    }
    let world = world.run();
    assert_eq!(world.engine.stopping(), None);
    let expected = BTreeMap::from([(Outcome::Applied, 100), (Outcome::Failed, 100)]);
    assert_eq!(world.endings(), expected);
}

#[test]
fn something_else_that_answers_for_the_service_stops_the_run_after_a_few_calls() {
    let world = World::new(limits(), 500, |_, _, _| Verdict::Again {
        passing: Passing::NoAnswer,
        fault: fault(Fault::NOT_THE_SERVICE),
        after: None,
    })
    .run();
    assert_eq!(world.sent.len(), IMPOSTORS_TO_STOP as usize);
    let cause = FatalCause::Service;
    assert!(
        matches!(world.engine.stopping(), Some(StopCause::Fatal { cause: seen, .. }) if *seen == cause)
    );
}

#[test]
fn a_stop_waits_for_calls_in_flight_and_an_abandoned_call_is_unknown() {
    for abandon in [false, true] {
        let mut world = World::new(limits(), 100, |_, _, _| accepted());
        world.latency = 200 * MS;
        while world.in_flight.len() < 3 {
            assert!(world.advance());
        }
        let applied = world.settled.len();
        world.step(Input::Stop(StopCause::Signal(15)));
        if abandon {
            world.step(Input::Abandon);
        }
        let world = world.run();
        let endings = world.endings();
        let in_flight = if abandon {
            Outcome::Unknown
        } else {
            Outcome::Applied
        };
        assert_eq!(endings[&Outcome::Pending], 100 - 3 - applied);
        let expected = if abandon { 3 } else { 3 + applied };
        assert_eq!(endings[&in_flight], expected);
    }
}
