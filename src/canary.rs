//! The canary (`--canary N`): N changes go first, and the run goes on only if the service then shows
//! what it was given. An answer of success is the service's word; this asks for the deed.
//!
//! [`Canary`] keeps the books while the run loop sends those changes as it sends all others: what is
//! accepted waits here for its outcome. [`read_back`] asks the service. What it does not show becomes
//! `unknown`, so by rule T3 the ledger has it in doubt, and whatever the next file says is sent.
//!
//! **Invariants.** Users that were refused before are no canaries. Until the canary's end nothing
//! else is sent. A refusal is a row's own matter and is reported as always.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::engine::{Ending, Settlement};
use crate::event::CanaryFailure;
use crate::model::{Change, Fault, Field, UserId, Values, Verdict};
use crate::tencent::client::Transport;
use crate::tencent::profile::profile;
use crate::tencent::verdict;

/// The most changes that can go first. Chosen: at the service's 20 reads a second, a minute's.
pub const MOST: u64 = 1000;
/// The code of a row whose values the service took, and does not show.
pub const NOT_SHOWN: &str = "not shown";

/// How long the service may take to show what it was given. Asked for; no number is documented.
const POLL_FOR: Duration = Duration::from_secs(10);
/// From one round to the next.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// From one read to the next: reads have a quota of their own, 20 a second (PROTOCOL §c.2).
const SPACING: Duration = Duration::from_millis(52);

/// The changes that go first, until their end.
#[derive(Debug)]
pub struct Canary {
    /// Changes that may still join.
    n_left: usize,
    n_sent: u64,
    under_way: u64,
    accepted: Vec<Settlement>,
    /// Changes of users refused before, read on the way: they go after.
    pub aside: Vec<Change>,
    /// The input ended; the engine is told when the canary has.
    pub input_ended: bool,
}

/// What to do once all canaries are back.
pub enum Back {
    /// Not yet.
    No,
    /// Read back what these users were given.
    Ask(Vec<(UserId, Values)>),
    /// There is nothing that could be read back, and nothing else to be sent or protected.
    Done,
    /// None was accepted, and more is waiting.
    None(CanaryFailure),
}

impl Canary {
    /// A canary of `n` changes.
    pub fn new(n: u64) -> Self {
        Self {
            n_left: n.min(MOST) as usize,
            n_sent: 0,
            under_way: 0,
            accepted: Vec::new(),
            aside: Vec::new(),
            input_ended: false,
        }
    }

    /// How many changes may still be read.
    pub fn room(&self) -> usize {
        match self.aside.is_empty() && !self.input_ended {
            true => self.n_left,
            // Users refused before come last: there are no others.
            false => 0,
        }
    }

    /// Takes changes that were read; returns those that go now.
    pub fn admit(&mut self, changes: Vec<Change>) -> Vec<Change> {
        let was_refused =
            |change: &Change| change.failed_before && change.doubted_before.is_empty();
        let (aside, go) = changes.into_iter().partition::<Vec<_>, _>(was_refused);
        self.aside.extend(aside);
        self.n_left = self.n_left.saturating_sub(go.len());
        self.n_sent += go.len() as u64;
        self.under_way += go.len() as u64;
        go
    }

    /// Takes note of what became of a change, and keeps it if it is to be read back first.
    pub fn settled(&mut self, settlement: Settlement) -> Option<Settlement> {
        self.under_way -= 1;
        match settlement.ending {
            Ending::Applied { .. } => {
                self.accepted.push(settlement);
                None
            }
            _ => Some(settlement),
        }
    }

    /// Whether all are back, and what is to be asked.
    pub fn back(&self) -> Back {
        if self.room() > 0 || self.under_way > 0 {
            return Back::No;
        }
        if self.accepted.is_empty() {
            let is_all = self.input_ended && self.aside.is_empty();
            return match self.n_sent > 0 && !is_all {
                true => Back::None(CanaryFailure::NoneAccepted { of: self.n_sent }),
                false => Back::Done,
            };
        }
        let given = self.accepted.iter().map(|settlement| {
            let change = &settlement.change;
            (change.user.clone(), change.send.clone())
        });
        Back::Ask(given.collect())
    }

    /// What was kept, as it was.
    pub fn release(&mut self) -> Vec<Settlement> {
        std::mem::take(&mut self.accepted)
    }

    /// What was kept, and why not to go on, if the service does not show some of it: the numbers of
    /// those in the order in which they were asked for.
    pub fn judge(&mut self, not_shown: &[usize]) -> (Vec<Settlement>, Option<CanaryFailure>) {
        let first = not_shown.first().map(|n| self.accepted[*n].change.at());
        let failure = first.map(|first| CanaryFailure::NotShown {
            users: not_shown.len() as u64,
            of: self.accepted.len() as u64,
            first,
        });
        for n in not_shown {
            let settlement = &mut self.accepted[*n];
            let seen = format!(
                "accepted, but not what the service shows {} s later",
                POLL_FOR.as_secs()
            );
            settlement.ending = Ending::Unknown(Fault::ours(NOT_SHOWN, &seen));
            settlement.in_doubt = settlement.change.send.fields();
            settlement.may_arrive_late = true;
        }
        (self.release(), failure)
    }
}

/// Reads back what users were given, over and over until it shows or its time is over. Returns the
/// numbers of those that show something else, or nothing.
///
/// # Errors
/// When the service can't be asked: what it said or what was seen.
pub async fn read_back<T: Transport>(
    transport: Arc<T>,
    given: Vec<(UserId, Values)>,
) -> Result<Vec<usize>, Fault> {
    let began = Instant::now();
    let mut open: Vec<usize> = (0..given.len()).collect();
    loop {
        // Of many, even the one read first gets its time.
        let is_last = began.elapsed() >= POLL_FOR;
        let mut not_shown = Vec::new();
        let mut unread = None;
        for n in open {
            let (user, values) = &given[n];
            match look(&*transport, user, values).await {
                Look::Shown => {}
                Look::NotShown => not_shown.push(n),
                Look::Again(fault) => {
                    unread = Some(fault);
                    not_shown.push(n);
                }
                Look::Never(fault) => return Err(fault),
            }
            sleep(SPACING).await;
        }
        match unread {
            _ if not_shown.is_empty() => return Ok(not_shown),
            Some(fault) if is_last => return Err(fault),
            None if is_last => return Ok(not_shown),
            _ => {}
        }
        open = not_shown;
        sleep(POLL_EVERY).await;
    }
}

enum Look {
    Shown,
    NotShown,
    /// Could not be asked just now.
    Again(Fault),
    /// Can't be asked.
    Never(Fault),
}

async fn look(transport: &impl Transport, user: &UserId, given: &Values) -> Look {
    let result = transport.describe(user).await;
    match (verdict(&result), result) {
        (Verdict::Accepted { .. }, Ok(reply)) => {
            let shown = profile(&reply);
            let is_shown = |field: &Field| match &given[*field] {
                Some(text) => shown[*field].as_deref().unwrap_or_default() == &**text,
                None => true,
            };
            match Field::ALL.iter().all(is_shown) {
                true => Look::Shown,
                false => Look::NotShown,
            }
        }
        // It was accepted a moment ago.
        (Verdict::Refused(fault), _) if fault.code.starts_with("ResourceNotFound") => {
            Look::NotShown
        }
        (Verdict::Again { fault, .. }, _) => Look::Again(fault),
        (Verdict::Refused(fault) | Verdict::Fatal { fault, .. }, _) => Look::Never(fault),
        (Verdict::Accepted { .. }, Err(_)) => unreachable!("an error is no acceptance"),
    }
}

#[cfg(test)]
mod tests;
