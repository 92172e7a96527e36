//! Decides which change may go now. Pure: it never sleeps, sends, writes or reads a clock; `now`
//! is an argument (the time since the start of the run), chance comes from a seed, and what is
//! to be done comes back as [`Effect`]s. The same inputs give the same effects, byte for byte.
//!
//! The life of a change:
//!
//! ```text
//! Changes ──> marking ──Durable──> ready ──permit──> in flight ──Accepted, Refused──> settled
//!               │ (T3: doubt is      ▲                   │
//!               │  on disk first)    └── waiting <─Again─┘   tries used up ──────────> settled
//!               └──────────────────────── Stop ──────────────────────────────────────> settled
//! ```
//!
//! **Invariants** (each held by a property test below): a change settles exactly once; no more
//! calls in flight than slots; never over the pace; no send before its doubt is durable; a
//! waiting change holds no slot (P4); after a step, [`Engine::wake_at`] lies in the future.
//!
//! Parts: `seam` is what goes in and comes out, `held` keeps the changes, [`pacer`] hands out
//! permits at the pace that `law` finds with the help of `arrivals`, [`retry`] says how long to
//! wait, [`breaker`] sends one probe at a time when the service fails for everybody.

mod arrivals;
pub mod breaker;
mod held;
mod law;
pub mod pacer;
pub mod retry;
mod seam;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::event::{Answer, Event, StopCause, Why};
use crate::model::{Change, FatalCause, Fault, Fields, Passing, Verdict};
use breaker::{Breaker, Failed};
use held::ByMark;
use pacer::Pacer;
pub use seam::{Effect, Ending, Input, Limits, Mark, Settlement, Ticket};

/// This many rows in a row refused with one code, and none accepted between them, stop the run:
/// it is the wrong application or account, not the rows (rule P8).
pub const SAME_REFUSALS_TO_STOP: u32 = 50;
/// This many answers in a row from something that is not the service, before the service has
/// answered once, stop the run: a proxy or a captive portal is in the way (PROTOCOL §d.1).
pub const IMPOSTORS_TO_STOP: u32 = 5;

/// A change that is not settled.
#[derive(Debug)]
struct Held {
    change: Arc<Change>,
    state: State,
    /// Calls made.
    attempts: u32,
    /// Tries used up; fewer than calls, throttled calls are free (P6).
    tries: u32,
    /// Tries used up in this streak of failures, to be given back if it was an outage (P7).
    streak: (u64, u32),
    /// Failures of any kind, for the backoff.
    failures: u32,
    sent: Option<(Duration, Duration)>,
    /// From the last call to its answer.
    latency: Option<Duration>,
    /// A call left and got no answer.
    unanswered: Option<Fault>,
    /// A call was answered in a way that does not tell whether the service holds the values.
    unclear: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Marking,
    Ready,
    Waiting,
    InFlight,
    /// Out of tries, in a streak of failures that may yet turn out to be an outage.
    Exhausted,
}

/// See the module.
#[derive(Debug)]
pub struct Engine {
    limits: Limits,
    pacer: Pacer,
    breaker: Breaker,
    random: ChaCha8Rng,
    held: ByMark<Held>,
    ready: VecDeque<Mark>,
    waiting: BTreeMap<(Duration, Mark), Why>,
    /// Changes out of tries, with their last fault, until it is clear whether it was an outage.
    exhausted: Vec<(Mark, Fault)>,
    in_flight: usize,
    durable: Option<Mark>,
    input_ended: bool,
    stopping: Option<StopCause>,
    /// The user probed last; the next probe is another's.
    probed: Option<Mark>,
    /// Since when nothing was accepted or refused, and what was seen last.
    trouble: Option<(Duration, Fault)>,
    same_refusals: (String, u32),
    /// Answers in a row that were not the service's; `None` once the service has answered.
    impostors: Option<u32>,
}

impl Engine {
    /// An engine that has sent nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            pacer: Pacer::new(limits.rate),
            breaker: Breaker::new(),
            random: ChaCha8Rng::seed_from_u64(limits.seed),
            held: ByMark::new(),
            ready: VecDeque::new(),
            waiting: BTreeMap::new(),
            exhausted: Vec::new(),
            in_flight: 0,
            durable: None,
            input_ended: false,
            stopping: None,
            probed: None,
            trouble: None,
            same_refusals: (String::new(), 0),
            impostors: Some(0),
        }
    }

    /// An earlier run was told that the service allows this many calls a second (rule P3).
    pub fn know_limit(&mut self, per_second: f64) {
        self.pacer.know_limit(per_second);
    }

    /// Whether it is time to read on.
    pub fn wants_changes(&self) -> bool {
        !self.input_ended
            && self.held.len() < self.limits.window
            && self.on_runway() <= self.limits.runway / 2
    }

    /// How many changes fit.
    pub fn room(&self) -> usize {
        let in_memory = self.limits.window.saturating_sub(self.held.len());
        in_memory.min(self.limits.runway.saturating_sub(self.on_runway()))
    }

    /// Changes that have not had their turn; none once the run is stopping, what comes then is
    /// settled at once.
    fn on_runway(&self) -> usize {
        if self.stopping.is_some() {
            return 0;
        }
        let durable = self.durable.map_or(0, |mark| mark + 1);
        self.ready.len() + (self.held.next() - durable) as usize
    }

    /// Whether a change could leave if only its doubt were durable: the record should not be
    /// kept waiting.
    pub fn is_starved(&self) -> bool {
        self.ready.is_empty() && self.on_runway() > 0
    }

    /// Calls in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Why the run is stopping, if it is.
    pub fn stopping(&self) -> Option<&StopCause> {
        self.stopping.as_ref()
    }

    /// Whether nothing is left to do.
    pub fn is_finished(&self) -> bool {
        self.input_ended && self.held.is_empty()
    }

    /// When to come back with [`Input::Woke`] if nothing else happens first, and why. `None`
    /// when only an answer, a record or more input can move things on.
    pub fn wake_at(&self) -> Option<(Duration, Why)> {
        if self.stopping.is_some() || self.held.is_empty() {
            return None;
        }
        let gives_up = self
            .trouble
            .as_ref()
            .map(|(since, _)| (*since + self.limits.max_outage, Why::Probe));
        self.next_send().into_iter().chain(gives_up).min()
    }

    /// When the next call may leave, if that depends on time alone.
    fn next_send(&self) -> Option<(Duration, Why)> {
        let probe = self.breaker.next_probe();
        let slots = if probe.is_some() {
            1
        } else {
            self.limits.concurrency
        };
        if self.in_flight >= slots {
            return None;
        }
        let candidate = if self.ready.is_empty() {
            let ((due, _), why) = self.waiting.first_key_value()?;
            (*due, *why)
        } else {
            (Duration::ZERO, Why::Pace)
        };
        let pace = (self.pacer.due(), Why::Pace);
        let probe = probe.map_or(pace, |next| (next, Why::Probe));
        Some(candidate.max(pace).max(probe))
    }

    /// Takes in what happened and says what is to be done.
    pub fn step(&mut self, now: Duration, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Changes(changes) => self.take_in(changes, &mut effects),
            Input::InputEnded => self.input_ended = true,
            Input::Durable(mark) => self.became_durable(now, mark),
            Input::Answered(ticket, verdict) => self.answered(now, ticket, verdict, &mut effects),
            Input::LeftLate { permit, at } => {
                self.pacer.left_late(permit, at);
                effects.push(Effect::Tell(Event::SentLate));
            }
            Input::Stop(cause) => self.stop(cause, &mut effects),
            Input::Abandon => self.abandon(&mut effects),
            Input::Woke => {}
        }
        self.give_up_outage(now, &mut effects);
        self.send_what_may_go(now, &mut effects);
        self.settle_exhausted_at_rest(&mut effects);
        while let Some(news) = self.pacer.news() {
            effects.push(Effect::Tell(news));
        }
        effects
    }

    fn take_in(&mut self, changes: Vec<Change>, effects: &mut Vec<Effect>) {
        for change in changes {
            let change = Arc::new(change);
            let mark = self.held.push(Held::new(change.clone()));
            if self.stopping.is_some() {
                self.settle(mark, Ending::Pending, effects);
            } else {
                effects.push(Effect::MarkDoubt(mark, change));
            }
        }
    }

    fn became_durable(&mut self, now: Duration, mark: Mark) {
        let from = self.durable.map_or(0, |durable| durable + 1);
        self.durable = Some(mark);
        for mark in from..=mark {
            let Some(held) = self.held.get_mut(mark) else {
                continue; // It was settled before: the run is stopping.
            };
            debug_assert_eq!(held.state, State::Marking);
            match held.change.not_before {
                Some(due) if due > now => {
                    held.state = State::Waiting;
                    self.waiting.insert((due, mark), Why::Cooldown);
                }
                _ => {
                    held.state = State::Ready;
                    self.ready.push_back(mark);
                }
            }
        }
    }

    fn send_what_may_go(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        while self.stopping.is_none() {
            match self.next_send() {
                Some((at, _)) if at <= now => {}
                _ => return,
            }
            let mark = self.take_candidate(now);
            let permit = self
                .pacer
                .take(now)
                .expect("the permit was due when the call was");
            let held = self.held.get_mut(mark).expect("a candidate is held");
            held.state = State::InFlight;
            held.attempts += 1;
            let first = held.sent.map_or(now, |(first, _)| first);
            held.sent = Some((first, now));
            self.in_flight += 1;
            self.probed = Some(mark);
            let attempt = held.attempts;
            effects.push(Effect::Send(
                Ticket {
                    mark,
                    attempt,
                    permit,
                },
                held.change.clone(),
            ));
        }
    }

    /// Takes the change whose call leaves now: one that waited long enough, else the next of the
    /// input. While probing, not the one that was just probed if there is another: it may be its
    /// row that breaks the service.
    fn take_candidate(&mut self, now: Duration) -> Mark {
        let last = self.breaker.next_probe().and(self.probed);
        let waited = self
            .waiting
            .range(..=(now, Mark::MAX))
            .map(|(key, _)| *key)
            .find(|(_, mark)| Some(*mark) != last);
        if let Some(key) = waited {
            self.waiting.remove(&key);
            return key.1;
        }
        if let Some(mark) = self.ready.pop_front() {
            return mark;
        }
        let ((_, mark), _) = self.waiting.pop_first().expect("a call was due");
        mark
    }

    fn answered(
        &mut self,
        now: Duration,
        ticket: Ticket,
        verdict: Verdict,
        effects: &mut Vec<Effect>,
    ) {
        let mark = ticket.mark;
        let Some(held) = self.held.get_mut(mark) else {
            // It was abandoned, its change is settled as unknown.
            return;
        };
        debug_assert_eq!(held.state, State::InFlight);
        debug_assert_eq!(held.attempts, ticket.attempt);
        self.in_flight -= 1;
        let (_, sent) = held.sent.expect("an answered call was sent");
        let failed_before = held.change.failed_before;
        let latency = now.saturating_sub(sent);
        held.latency = Some(latency);
        effects.push(Effect::Tell(Event::CallAnswered {
            answer: Answer::from(&verdict),
            latency,
            at: held.change.at(),
            code: code_of(&verdict),
        }));
        if is_from_the_service(&verdict) {
            self.impostors = None;
            if Answer::from(&verdict) != Answer::Again(Passing::Throttled) {
                self.pacer.admitted(now, sent);
            }
            self.service_answered(now, effects);
        }
        match verdict {
            Verdict::Accepted { request_id } => {
                self.trouble = None;
                self.same_refusals.1 = 0;
                let ending = Ending::Applied { request_id };
                self.settle(mark, ending, effects);
            }
            Verdict::Refused(fault) => {
                self.trouble = None;
                self.settle(mark, Ending::Failed(fault.clone()), effects);
                // What failed before and fails again tells nothing about the account.
                if !failed_before {
                    self.count_refusal(fault, effects);
                }
            }
            Verdict::Fatal { cause, fault } => {
                self.leave_unsettled(mark, effects);
                self.stop(StopCause::Fatal { cause, fault }, effects);
            }
            Verdict::Again {
                passing,
                fault,
                after,
            } => self.failed(now, mark, passing, fault, after, effects),
        }
    }

    /// The service is there: an outage, if there was one, is over.
    fn service_answered(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some(ended) = self.breaker.answered(now) else {
            return self.settle_exhausted(effects);
        };
        if let Some(after) = ended.outage {
            for held in self.held.values_mut() {
                if held.streak.0 == ended.streak {
                    held.tries = held.tries.saturating_sub(held.streak.1);
                    held.streak.1 = 0;
                }
            }
            effects.push(Effect::Tell(Event::OutageEnded { after }));
        }
    }

    /// It was no outage: who ran out of tries meanwhile has failed.
    fn settle_exhausted(&mut self, effects: &mut Vec<Effect>) {
        for (mark, fault) in std::mem::take(&mut self.exhausted) {
            self.settle_out_of_tries(mark, fault, effects);
        }
    }

    /// Nothing is left that could tell an outage from bad rows.
    fn settle_exhausted_at_rest(&mut self, effects: &mut Vec<Effect>) {
        if self.exhausted.len() == self.held.len() && self.input_ended {
            self.settle_exhausted(effects);
        }
    }

    fn settle_out_of_tries(&mut self, mark: Mark, fault: Fault, effects: &mut Vec<Effect>) {
        let held = self
            .held
            .get_mut(mark)
            .expect("a change out of tries is held");
        let ending = match held.unanswered.take() {
            Some(unanswered) => Ending::Unknown(unanswered),
            None => Ending::Failed(fault),
        };
        self.settle(mark, ending, effects);
    }

    fn count_refusal(&mut self, fault: Fault, effects: &mut Vec<Effect>) {
        if self.same_refusals.0 == fault.code {
            self.same_refusals.1 += 1;
        } else {
            self.same_refusals = (fault.code.clone(), 1);
        }
        let rows = self.same_refusals.1;
        if rows >= SAME_REFUSALS_TO_STOP {
            self.stop(StopCause::SameRefusal { fault, rows }, effects);
        }
    }

    fn failed(
        &mut self,
        now: Duration,
        mark: Mark,
        passing: Passing,
        fault: Fault,
        after: Option<Duration>,
        effects: &mut Vec<Effect>,
    ) {
        if passing != Passing::Mended {
            let since = self.trouble.take().map_or(now, |(since, _)| since);
            self.trouble = Some((since, fault.clone()));
        }
        let (_, sent) = self
            .held
            .get(mark)
            .and_then(|held| held.sent)
            .expect("a failed call was sent");
        if passing == Passing::Throttled {
            self.pacer.refused(now, sent, fault.named_limit());
            let pause = after.unwrap_or_default().min(retry::LONGEST_ASKED);
            self.pacer.pause_until(now + pause);
        }
        // A page that says 429 comes from a gateway: for all that is known the service is away.
        let is_a_gateways = passing == Passing::Throttled && fault.request_id.is_none();
        let counted = match passing {
            Passing::NotSent | Passing::NoAnswer | Passing::Internal => {
                self.breaker.failed(now, sent, mark, &mut self.random)
            }
            Passing::Throttled if is_a_gateways => {
                self.breaker.failed(now, sent, mark, &mut self.random)
            }
            Passing::Throttled | Passing::Busy | Passing::Mended => Failed::Counts,
        };
        if counted == Failed::Opened {
            let fault = fault.clone();
            effects.push(Effect::Tell(Event::OutageBegan { fault }));
            for (mark, _) in std::mem::take(&mut self.exhausted) {
                self.wait_until(now, mark, Why::Backoff);
            }
        }
        if let (true, Some(seen)) = (fault.is_not_the_service(), &mut self.impostors) {
            *seen += 1;
            if *seen >= IMPOSTORS_TO_STOP {
                let cause = FatalCause::Service;
                let fault = fault.clone();
                self.stop(StopCause::Fatal { cause, fault }, effects);
            }
        }
        // With few users left an outage can't be told from their rows: they use up their tries.
        let few_left = self.input_ended && self.held.len() < breaker::USERS_TO_OPEN;
        let streak = self.breaker.streak();
        let held = self
            .held
            .get_mut(mark)
            .expect("an answered call's change is held");
        held.failures += 1;
        match passing {
            Passing::NoAnswer => held.unanswered = Some(fault.clone()),
            Passing::Internal => held.unclear = true,
            Passing::Throttled | Passing::Busy | Passing::Mended | Passing::NotSent => {}
        }
        let mut out_of_tries = false;
        match passing {
            // A call that never left, was refused by the limiter, or failed for a reason that
            // has been mended says nothing about the row.
            Passing::NotSent | Passing::Throttled | Passing::Mended => {}
            Passing::Busy => {
                held.tries += 1;
                out_of_tries = held.tries >= self.limits.max_attempts;
            }
            Passing::NoAnswer | Passing::Internal => {
                held.tries += 1;
                if held.streak.0 != streak {
                    held.streak = (streak, 0);
                }
                held.streak.1 += 1;
                out_of_tries = held.tries >= self.limits.max_attempts
                    && (counted == Failed::Counts || few_left);
            }
        }
        if self.stopping.is_some() {
            return self.leave_unsettled(mark, effects);
        }
        if out_of_tries && (few_left || passing == Passing::Busy) {
            return self.settle_out_of_tries(mark, fault, effects);
        }
        if out_of_tries {
            held.state = State::Exhausted;
            self.exhausted.push((mark, fault));
            return;
        }
        let wait = match passing {
            Passing::Mended => Duration::ZERO,
            _ => retry::backoff(held.failures, after, &mut self.random),
        };
        self.wait_until(now + wait, mark, Why::Backoff);
    }

    fn wait_until(&mut self, due: Duration, mark: Mark, why: Why) {
        let held = self
            .held
            .get_mut(mark)
            .expect("a change that waits is held");
        held.state = State::Waiting;
        self.waiting.insert((due, mark), why);
    }

    fn give_up_outage(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some((since, fault)) = &self.trouble else {
            return;
        };
        if self.stopping.is_none() && now >= *since + self.limits.max_outage {
            let fault = fault.clone();
            self.stop(StopCause::Outage(fault), effects);
        }
    }

    fn stop(&mut self, cause: StopCause, effects: &mut Vec<Effect>) {
        if self.stopping.is_some() {
            return;
        }
        effects.push(Effect::Tell(Event::RunStopping {
            cause: cause.clone(),
            in_flight: self.in_flight,
        }));
        self.stopping = Some(cause);
        let idle: Vec<Mark> = self
            .held
            .iter()
            .filter(|(_, held)| held.state != State::InFlight)
            .map(|(mark, _)| mark)
            .collect();
        for mark in idle {
            self.leave_unsettled(mark, effects);
        }
        self.ready.clear();
        self.waiting.clear();
        self.exhausted.clear();
    }

    fn abandon(&mut self, effects: &mut Vec<Effect>) {
        let marks: Vec<Mark> = self.held.iter().map(|(mark, _)| mark).collect();
        for mark in marks {
            let held = self.held.get_mut(mark).expect("listed just now");
            if held.state == State::InFlight && held.unanswered.is_none() {
                held.unanswered = Some(Fault::ours(
                    "abandoned",
                    "the run did not wait for its answer",
                ));
            }
            self.leave_unsettled(mark, effects);
        }
        self.in_flight = 0;
    }

    /// Settles a change that the run stops before: unknown if any call of it may have arrived
    /// (rule T4), else pending.
    fn leave_unsettled(&mut self, mark: Mark, effects: &mut Vec<Effect>) {
        let held = self
            .held
            .get_mut(mark)
            .expect("an unsettled change is held");
        let ending = match held.unanswered.take() {
            Some(fault) => Ending::Unknown(fault),
            None if held.unclear => Ending::Unknown(Fault::ours(
                "unclear answer",
                "the service failed without saying how far it got, and the run stopped",
            )),
            None => Ending::Pending,
        };
        self.settle(mark, ending, effects);
    }

    fn settle(&mut self, mark: Mark, ending: Ending, effects: &mut Vec<Effect>) {
        let held = self.held.remove(mark).expect("a change settles once");
        let sent = held.change.send.fields();
        let unclear = held.unclear || held.unanswered.is_some();
        let may_arrive_late = held.unanswered.is_some() || matches!(ending, Ending::Unknown(_));
        let in_doubt = match ending {
            Ending::Applied { .. } => Fields::NONE,
            Ending::Unknown(_) => sent,
            Ending::Failed(_) if unclear => sent,
            Ending::Failed(_) | Ending::Pending => {
                let before = held.change.doubted_before;
                Fields::from_fn(|field| sent[field] && before[field])
            }
        };
        let settlement = Settlement {
            mark,
            change: held.change,
            ending,
            attempts: held.attempts,
            sent: held.sent,
            latency: held.latency,
            in_doubt,
            may_arrive_late,
        };
        effects.push(Effect::Tell(settlement.told()));
        effects.push(Effect::Settle(settlement));
    }
}

impl Held {
    fn new(change: Arc<Change>) -> Self {
        debug_assert!(!change.send.fields().is_empty(), "a change sends something");
        Self {
            change,
            state: State::Marking,
            attempts: 0,
            tries: 0,
            streak: (0, 0),
            failures: 0,
            sent: None,
            latency: None,
            unanswered: None,
            unclear: false,
        }
    }
}

impl From<&Verdict> for Answer {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Accepted { .. } => Self::Accepted,
            Verdict::Refused(_) => Self::Refused,
            Verdict::Again { passing, .. } => Self::Again(*passing),
            Verdict::Fatal { cause, .. } => Self::Fatal(*cause),
        }
    }
}

/// Whether an answer shows that the service is there and at work. A page that says 429 may come
/// from a gateway; what has a RequestId comes from the service itself.
fn is_from_the_service(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Accepted { .. } | Verdict::Refused(_) | Verdict::Fatal { .. } => true,
        Verdict::Again { passing, fault, .. } => match passing {
            Passing::Throttled | Passing::Busy | Passing::Mended => fault.request_id.is_some(),
            Passing::NotSent | Passing::NoAnswer | Passing::Internal => false,
        },
    }
}

fn code_of(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Accepted { .. } => None,
        Verdict::Refused(fault) | Verdict::Again { fault, .. } | Verdict::Fatal { fault, .. } => {
            Some(fault.code.clone())
        }
    }
}

#[cfg(test)]
mod tests;
