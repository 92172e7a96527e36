//! The loop that owns the engine: wait → step → carry out.
//!
//! It waits for whichever comes first: a signal, an answer, a batch that was recorded, rows that
//! were read, the instant the engine named. It puts that into the engine, and does what comes
//! back: sends calls, collects records for the next commit, tells the observers. It decides
//! nothing about changes; the engine does, and never does anything. What it does see for itself is
//! that the time is up, by the wall clock at every step: a machine that was suspended comes late.
//!
//! **Invariants.** Everything that `select!` waits for loses nothing when another branch wins.
//! Reading and recording are blocking work: their owner travels into a blocking thread and comes
//! back, so there is one reader and one writer. If a record fails, nothing new is sent and calls in
//! flight are awaited: their doubt is on disk already (rule T7).

mod canary;

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinError, JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};

use crate::canary::Canary;
use crate::clock::{Clock, Deadline};
use crate::engine::pacer::GRACE;
use crate::engine::{Effect, Engine, Input, Mark, Settlement, Ticket};
use crate::event::{Event, Observer, StopCause, Why};
use crate::lang::Lang;
use crate::model::{Change, Counts, Fault, Outcome, Verdict};
use crate::plan::Plan;
use crate::plan::rows::{Batch, HELD_BACK, Rows, RowsError};
use crate::recorder::{Draft, RecordError, Recorder};
use crate::report::results::Settled;
use crate::tencent::answer::{ClockNote, verdict};
use crate::tencent::client::Transport;

/// How long an outcome may wait for others to share its commit. Chosen: a kill loses at most this
/// much of what is known, and what a commit under way takes; a slow disk has four commits of few
/// outcomes a second to do at most. Users stand in the ledger in no order, so a commit writes a page
/// for nearly each of its outcomes until they are so many that they meet on pages.
const LINGER: Duration = Duration::from_millis(250);
/// So many outcomes don't wait for more, so that memory has a bound: some 300 bytes each.
const ENOUGH_OUTCOMES: usize = 16384;
/// So many doubts don't, which is half of the longest runway.
const ENOUGH_DOUBTS: usize = 1024;
/// With so many outcomes in memory nothing more is read until the disk has caught up.
const ENOUGH_UNRECORDED: usize = 2 * ENOUGH_OUTCOMES;
/// Waits shorter than this are not worth telling.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// What a run is made of.
pub struct Run<T> {
    /// Decides.
    pub engine: Engine,
    /// Reads.
    pub rows: Rows,
    /// Writes.
    pub recorder: Recorder,
    /// Sends.
    pub transport: Arc<T>,
    /// Tells the time.
    pub clock: Clock,
    /// When to stop sending.
    pub until: Option<Deadline>,
    /// Are told.
    pub observers: Box<dyn Observer>,
    /// Goes first, if there is one.
    pub canary: Option<Canary>,
}

/// How a run ended.
pub struct Ended {
    /// Every row of the input, by outcome.
    pub counts: Counts,
    /// Why it stopped before its end, if it did.
    pub stopped: Option<StopCause>,
    /// What was seen when the record could not be written, whatever else had stopped the run by
    /// then.
    pub not_recorded: Option<String>,
    /// The record, unless it could not be written.
    pub recorder: Option<Recorder>,
    /// Whether the record says the same as the counts. False is a bug of this program.
    pub agrees: bool,
}

impl<T: Transport> Run<T> {
    /// Sends what is to be sent. `signals` brings the numbers of signals: the first stops the run
    /// in an orderly way, the second at once.
    pub async fn go(self, signals: UnboundedReceiver<i32>) -> Ended {
        let plan = self.rows.plan();
        let settled = plan.settled;
        let told = beginning(plan);
        let draft = self.recorder.draft();
        let mut running = Running {
            began: self.clock.read().wall_at(Duration::ZERO),
            counts: settled,
            engine: self.engine,
            rows: Some(self.rows),
            recorder: Some(self.recorder),
            not_recorded: None,
            reading: None,
            recording: None,
            calls: JoinSet::new(),
            left: Arc::default(),
            draft,
            draft_since: None,
            told_wait: None,
            transport: self.transport,
            clock: self.clock,
            until: self.until,
            observers: self.observers,
            canary: self.canary,
            reading_back: None,
            signals,
            n_signals: 0,
            ticks: interval(Duration::from_secs(1)),
        };
        running
            .ticks
            .set_missed_tick_behavior(MissedTickBehavior::Delay);
        for event in told {
            running.tell(event);
        }
        running.go().await
    }
}

impl Ended {
    /// Why it ended as it did, for its exit code: a record that was not written outweighs a signal
    /// that left nothing to do, but neither a wrong key nor a signal with something left.
    pub fn cause(&self) -> Option<StopCause> {
        let left = self.counts.pending + self.counts.unknown > 0;
        match (&self.stopped, &self.not_recorded) {
            (Some(StopCause::Signal(_)), Some(_)) if left => self.stopped.clone(),
            (Some(cause), Some(_)) if cause.is_key() => self.stopped.clone(),
            (_, Some(seen)) => Some(StopCause::NotRecorded(seen.clone())),
            (stopped, None) => stopped.clone(),
        }
    }
}

/// A run on its way.
struct Running<T> {
    engine: Engine,
    /// `None` while it reads, and for good when there is nothing more to read.
    rows: Option<Rows>,
    /// `None` while it writes, and for good when it failed.
    recorder: Option<Recorder>,
    not_recorded: Option<String>,
    reading: Option<JoinHandle<Read>>,
    recording: Option<JoinHandle<Recorded>>,
    calls: JoinSet<Answered>,
    /// Calls that have left since the loop last looked.
    left: Arc<Mutex<Vec<Left>>>,
    draft: Draft,
    draft_since: Option<Duration>,
    counts: Counts,
    told_wait: Option<(Duration, Why)>,
    transport: Arc<T>,
    clock: Clock,
    /// `None` also once it has passed.
    until: Option<Deadline>,
    began: DateTime<Utc>,
    observers: Box<dyn Observer>,
    /// `None` once it has sung, or never sang.
    canary: Option<Canary>,
    reading_back: Option<JoinHandle<Result<Vec<usize>, Fault>>>,
    signals: UnboundedReceiver<i32>,
    n_signals: u32,
    ticks: Interval,
}

/// The reader, back from its thread.
struct Read {
    rows: Rows,
    batch: Batch,
    result: Result<(), RowsError>,
}

/// The recorder, back from its thread.
struct Recorded {
    recorder: Recorder,
    /// The last change whose doubt was in the batch.
    mark: Option<Mark>,
    result: Result<(), RecordError>,
}

/// A call, back from the service.
struct Answered {
    ticket: Ticket,
    verdict: Verdict,
    /// Seconds by which the clock was corrected because of it.
    corrected: Option<i64>,
}

/// A call that left.
#[derive(Debug, Clone, Copy)]
struct Left {
    at: Duration,
    permit: Duration,
    attempt: u32,
}

impl<T: Transport> Running<T> {
    async fn go(mut self) -> Ended {
        loop {
            self.hear_canary();
            self.read_on();
            self.record();
            if self.is_over() {
                break;
            }
            let inputs = self.wait().await;
            self.note_calls_that_left();
            for input in inputs {
                self.step(input);
            }
            // Whatever else is back already shares the turn.
            while let Some(answered) = self.calls.try_join_next() {
                if let Some(input) = self.answered(answered) {
                    self.step(input);
                }
            }
        }
        let rest = self.counts.read - self.counts.settled();
        if rest > 0 {
            self.counts.add(Outcome::Pending, rest);
            self.tell(Event::RowsSettled {
                outcome: Outcome::Pending,
                rows: rest,
                at: None,
                code: None,
            });
        }
        let agrees = self.recorder.as_ref().is_none_or(|recorder| {
            let recorded = recorder.counts();
            let mut settled = Outcome::ALL.iter().filter(|o| **o != Outcome::Pending);
            settled.all(|outcome| recorded.of(*outcome) == self.counts.of(*outcome))
        });
        Ended {
            agrees,
            counts: self.counts,
            stopped: self.engine.stopping().cloned(),
            not_recorded: self.not_recorded,
            recorder: self.recorder,
        }
    }

    fn is_over(&self) -> bool {
        let recorded = self.draft.is_empty() || self.recorder.is_none();
        self.engine.is_finished()
            && self.canary.is_none()
            && self.recording.is_none()
            && self.reading.is_none()
            && recorded
    }

    /// Waits for the next thing to happen.
    async fn wait(&mut self) -> Vec<Input> {
        let wake = self.engine.wake_at();
        self.tell_wait(wake);
        let wake = wake.map(|(at, _)| self.clock.instant(at));
        let linger = self
            .draft_since
            .filter(|_| self.recording.is_none() && self.recorder.is_some());
        let linger = linger.map(|since| self.clock.instant(since + LINGER));
        tokio::select! {
            biased;
            Some(signal) = self.signals.recv() => self.signalled(signal),
            Some(answered) = self.calls.join_next() => Vec::from_iter(self.answered(answered)),
            recorded = finished(&mut self.recording) => self.recorded(recorded),
            read = finished(&mut self.reading) => self.read(read),
            found = finished(&mut self.reading_back) => self.judge_canary(found),
            () = at(wake) => vec![Input::Woke],
            () = at(linger) => Vec::new(),
            _ = self.ticks.tick() => {
                let now = self.clock.now();
                self.observers.tick(now);
                // Nothing else may happen for a long time.
                self.is_time_up().then_some(Input::Woke).into_iter().collect()
            }
        }
    }

    fn is_time_up(&self) -> bool {
        let until = self.until.as_ref();
        until.is_some_and(|until| until.at <= self.clock.wall_now())
    }

    fn step(&mut self, input: Input) {
        if self.is_time_up()
            && let Some(until) = self.until.take()
        {
            let cause = StopCause::TimeUp(Lang::En.no_new_call(&until.shown));
            self.step(Input::Stop(cause));
        }
        let now = self.clock.now();
        let effects = self.engine.step(now, input);
        for effect in effects {
            match effect {
                Effect::MarkDoubt(mark, change) => {
                    self.draft.doubt(mark, change);
                    self.note_record();
                }
                Effect::Send(ticket, change) => self.send(ticket, change),
                Effect::Settle(settlement) => self.settled(settlement),
                Effect::Tell(event) if self.is_for_canary(&event) => {}
                Effect::Tell(event) => self.observers.on(now, &event),
            }
        }
    }

    /// Sends a call, in a task of its own. The instant at which it really leaves is noted there.
    fn send(&mut self, ticket: Ticket, change: Arc<Change>) {
        let transport = self.transport.clone();
        let clock = self.clock.clone();
        let left = self.left.clone();
        self.calls.spawn(async move {
            left.lock()
                .expect("nothing panics while it notes")
                .push(Left {
                    at: clock.now(),
                    permit: ticket.permit(),
                    attempt: ticket.attempt(),
                });
            let result = transport.modify(&change.user, &change.send).await;
            let corrected = match &result {
                Ok(reply) => corrected_seconds(&reply.clock),
                Err(_) => None,
            };
            Answered {
                ticket,
                verdict: verdict(&result),
                corrected,
            }
        });
    }

    fn note_calls_that_left(&mut self) {
        let left = std::mem::take(&mut *self.left.lock().expect("nothing panics while it notes"));
        for left in left {
            let attempt = left.attempt;
            self.observers.on(left.at, &Event::CallSent { attempt });
            if left.at > left.permit + GRACE {
                let permit = left.permit;
                self.step(Input::LeftLate {
                    permit,
                    at: left.at,
                });
            }
        }
    }

    fn settle(&mut self, settlement: Settlement) {
        let rows = settlement.change.rows.len() as u64;
        self.counts.add(settlement.ending.outcome(), rows);
        let now = self.clock.read();
        let sent = settlement
            .sent
            .map(|(first, last)| (now.wall_at(first), now.wall_at(last)));
        self.draft.settle(&Settled { settlement, sent }, now.wall);
        self.note_record();
    }

    fn note_record(&mut self) {
        if self.draft_since.is_none() {
            self.draft_since = Some(self.clock.now());
        }
    }

    fn answered(&mut self, answered: Result<Answered, JoinError>) -> Option<Input> {
        match answered {
            Ok(call) => {
                if let Some(seconds) = call.corrected {
                    self.tell(Event::ClockCorrected { seconds });
                }
                Some(Input::Answered(call.ticket, call.verdict))
            }
            Err(error) if error.is_cancelled() => None,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Reads on, if the engine has room and the record keeps up.
    fn read_on(&mut self) {
        let waits_for_record = self.draft.n_outcomes() >= ENOUGH_UNRECORDED && !self.is_broken();
        if self.rows.is_none() || !self.engine.wants_changes() || waits_for_record {
            return;
        }
        let canary_room = self.canary.as_ref().map_or(usize::MAX, Canary::room);
        if canary_room == 0 {
            return;
        }
        let mut rows = self.rows.take().expect("looked just now");
        let n_changes = self.engine.room().max(1).min(canary_room);
        let began = self.began;
        self.reading = Some(spawn_blocking(move || {
            let mut batch = Batch::default();
            let result = rows.next_batch(n_changes, began, &mut batch);
            Read {
                rows,
                batch,
                result,
            }
        }));
    }

    fn read(&mut self, read: Read) -> Vec<Input> {
        let Read {
            rows,
            batch,
            result,
        } = read;
        if !batch.settled.is_empty() {
            let now = self.clock.wall_now();
            for row in &batch.settled {
                self.draft.settle_row(row, now);
            }
            self.note_record();
        }
        let changes = match &mut self.canary {
            Some(canary) => canary.admit(batch.changes),
            None => batch.changes,
        };
        let mut inputs = vec![Input::Changes(changes)];
        match result {
            Err(error) => {
                let cause = match error {
                    RowsError::Changed(at) => {
                        let source = &rows.plan().survey().sources[usize::from(at.file)];
                        StopCause::InputChanged(Lang::En.place(&source.name, at.line))
                    }
                    RowsError::Input(error) => StopCause::InputUnreadable(error.to_string()),
                };
                inputs.push(Input::Stop(cause));
                inputs.push(Input::InputEnded);
            }
            Ok(()) if batch.ended => match &mut self.canary {
                Some(canary) => canary.input_ended = true,
                None => inputs.push(Input::InputEnded),
            },
            Ok(()) if self.n_signals > 1 || self.is_broken() => {
                inputs.push(Input::InputEnded);
            }
            Ok(()) => self.rows = Some(rows),
        }
        inputs
    }

    /// Whether records can't be written any more.
    fn is_broken(&self) -> bool {
        self.recorder.is_none() && self.recording.is_none()
    }

    /// Sends the batch to disk when it is time. Doubts are a row of their own and may be needed
    /// soon; they don't take outcomes along that would rather wait for more.
    fn record(&mut self) {
        let Some(since) = self.draft_since else {
            return;
        };
        if self.recorder.is_none() {
            return;
        }
        let waited = self.clock.now().saturating_sub(since);
        let batch = if self.engine.is_finished()
            || self.draft.n_outcomes() >= ENOUGH_OUTCOMES
            || waited >= LINGER
        {
            self.draft.take()
        } else if self.engine.is_starved() || self.draft.n_doubts() >= ENOUGH_DOUBTS {
            self.draft.take_doubts()
        } else {
            return;
        };
        let mut recorder = self.recorder.take().expect("looked just now");
        if self.draft.is_empty() {
            self.draft_since = None;
        }
        self.recording = Some(spawn_blocking(move || {
            let result = recorder.write(&batch);
            Recorded {
                recorder,
                mark: batch.last_doubt(),
                result,
            }
        }));
    }

    fn recorded(&mut self, recorded: Recorded) -> Vec<Input> {
        match recorded.result {
            Ok(()) => {
                self.recorder = Some(recorded.recorder);
                recorded.mark.map(Input::Durable).into_iter().collect()
            }
            Err(error) => {
                let seen = error.to_string();
                self.not_recorded = Some(seen.clone());
                let mut inputs = vec![Input::Stop(StopCause::NotRecorded(seen))];
                if self.rows.take().is_some() {
                    inputs.push(Input::InputEnded);
                }
                inputs
            }
        }
    }

    fn signalled(&mut self, signal: i32) -> Vec<Input> {
        self.n_signals += 1;
        let mut inputs = vec![Input::Stop(StopCause::Signal(signal))];
        if self.n_signals > 1 {
            self.calls.abort_all();
            inputs.push(Input::Abandon);
            if self.rows.take().is_some() {
                inputs.push(Input::InputEnded);
            }
        }
        inputs
    }

    fn tell(&mut self, event: Event) {
        self.observers.on(self.clock.now(), &event);
    }

    /// Tells once why nothing is sent for a while.
    fn tell_wait(&mut self, wake: Option<(Duration, Why)>) {
        let Some((until, why)) = wake else { return };
        let long = until >= self.clock.now() + WORTH_TELLING;
        if why != Why::Pace && long && self.told_wait != wake && self.engine.in_flight() == 0 {
            self.told_wait = wake;
            self.tell(Event::Waiting { why, until });
        }
    }
}

/// What there is to do, and what is settled before anything is sent.
fn beginning(plan: &Plan) -> Vec<Event> {
    let event = |outcome, rows, code: Option<&str>| Event::RowsSettled {
        outcome,
        rows,
        at: None,
        code: code.map(Into::into),
    };
    let mut events = vec![Event::RunStarted {
        rows: plan.settled.read,
        rows_to_send: plan.rows_to_send(),
        changes: plan.changes,
    }];
    let mut n_held_back = plan.settled.invalid;
    for (code, rows) in &plan.survey().invalid {
        n_held_back -= rows;
        events.push(event(Outcome::Invalid, *rows, Some(code)));
    }
    events.push(event(Outcome::Invalid, n_held_back, Some(HELD_BACK)));
    for outcome in Outcome::ALL {
        if outcome != Outcome::Invalid {
            events.push(event(outcome, plan.settled.of(outcome), None));
        }
    }
    events.retain(|event| !matches!(event, Event::RowsSettled { rows: 0, .. }));
    events
}

fn corrected_seconds(note: &ClockNote) -> Option<i64> {
    match note {
        ClockNote::Corrected(offset) => Some(offset.num_seconds()),
        _ => None,
    }
}

/// Waits for blocking work to come back; forever if there is none.
async fn finished<O>(work: &mut Option<JoinHandle<O>>) -> O {
    let Some(handle) = work else {
        return pending().await;
    };
    let result = handle.await;
    *work = None;
    result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

async fn at(instant: Option<tokio::time::Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;
