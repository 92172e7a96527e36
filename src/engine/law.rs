//! The law by which the pace adapts (rule P3): never over what we are allowed, and as near to
//! what the service admits as can be without asking too often.
//!
//! Nobody tells how the service counts its second, how much the network jitters or who else uses
//! the quota; only refusals do. One lowers the pace a little, and only if its call was sent after
//! the last cut: what was under way then says nothing about the pace now. Where the service names
//! its limit it is taken at its word at once. Upward again it goes in three gears: quickly while
//! below a pace that was surely fine, slowly where the next refusal is to be expected, and after
//! long quiet faster and faster, because then something has changed: others have stopped, or the
//! quota was raised.
//!
//! Where the refusals look like those of a sliding second, `arrivals` says in addition when there is
//! room for the next call; but not while the pace is far too high. What waited for room then catches
//! up, within what the pace makes in a second.
//!
//! The growth on new ground is in proportion to the limit, the cuts to the pace: two runs on one
//! account drift towards equal shares. Where the quota seems to be shared both are small, but for
//! the cuts of whoever has more than half of it. Where calls jitter as well, room is left for whole
//! calls only: a sliding second holds eleven of ours or twelve, and at 11.2 a second it holds twelve
//! at times, which are refused, and seldom gains by it.
//!
//! Where the constants come from stands in BENCHMARKS.md: `cargo bench --bench pace` prints what
//! they give.

use std::time::Duration;

use super::arrivals::Arrivals;
use super::pacer::{Rate, spacing};
use crate::event::Event;

/// Off the pace for a refusal that comes alone.
const CUT: f64 = 0.013;
/// Off the pace for one within [`SECOND`] of another, or [`UNNAMED`].
const CUT_AGAIN: f64 = 0.028;
/// So soon after another a refusal is not alone where the service has not named its limit: small
/// cuts would be refused a few more times on the last steps down to it.
const UNNAMED: Duration = Duration::from_secs(3);
/// Off the pace when it goes on like that for longer than [`NO_ACCIDENT`]: something has changed.
const CUT_STILL: f64 = 0.05;
/// Below this part of the limit that the service named somebody else uses the quota, who may be
/// one of us: little is yielded, [`CUT_SHARED`] or [`CUT_LARGER`], and growth is [`SLOW_SHARED`], or
/// whoever comes second would be left with nothing.
const FAIR: f64 = 0.65;
/// Off the pace where the quota is shared. Two runs get stuck at unequal shares where one has only
/// whole calls to yield and the other only parts of one to take; small steps find the moment between.
const CUT_SHARED: f64 = 0.004;
/// The same above [`HALF`] of the limit, but where there is room for whole calls only: whoever has
/// more than any equal share yields more than the others can take at once.
const CUT_LARGER: f64 = 0.016;
/// This part of the limit is the largest equal share.
const HALF: f64 = 0.5;
/// Refusals that go on for longer are not owed to one of us: the cuts are [`CUT_AGAIN`] then. Of two
/// runs the second is refused for up to a quarter of a minute when it joins.
const NO_SHARE: Duration = Duration::from_secs(20);
/// Refusals don't push the pace below this, in calls per second: the quota is used up or shut, and
/// who asks more rarely only sees later that it no longer is.
const LEAST: f64 = 1.0;
/// An accident fills one window of the service, and is over when that has drained.
const NO_ACCIDENT: Duration = Duration::from_secs(2);
/// The service's window. After it is overfull it takes so long to drain, and calls are refused
/// meanwhile however slow they come.
const SECOND: Duration = Duration::from_secs(1);
/// Growth per second on new ground, as a part of the limit.
const SLOW: f64 = 0.000_25;
/// Growth per second where the quota is shared, as a part of the limit; but [`SLOW`] where there is
/// room for whole calls only, because between two of them nothing is asked for that may be refused.
const SLOW_SHARED: f64 = 0.000_08;
/// With so little jitter, from the quickest call to the mean, a pace between whole numbers does no
/// harm.
const JITTER: Duration = Duration::from_millis(1);
/// Below so many calls a second a whole one is too large a step.
const FEW: f64 = 5.0;
/// Growth per second, as a part of the pace, up to [`SURE`].
const REGAIN: f64 = 0.015;
/// This part of the pace at which refusals began was surely fine.
const SURE: f64 = 0.95;
/// Seconds without a refusal after which growth accelerates, and the limit that the service named
/// is doubted.
const QUIET: f64 = 40.0;
/// Seconds in which accelerating growth doubles.
const DOUBLING: f64 = 8.0;
/// The most growth per second, as a part of the pace.
const FASTEST: f64 = 0.05;
/// So far above the limit that the service named, unrefused, it no longer is the limit.
const LIFTED: f64 = 1.05;
/// So much growth is worth telling.
const WORTH_TELLING: f64 = 1.01;

/// The pace, in calls per second.
#[derive(Debug)]
pub(super) struct Pace {
    top: f64,
    now: f64,
    /// What the service said that it allows.
    limit: Option<f64>,
    /// The pace at which refusals last began.
    refused_at: f64,
    /// Seconds without a refusal in which calls were sent.
    quiet: f64,
    last_sent: Option<Duration>,
    last_refusal: Option<Duration>,
    /// Since when there has been no second without a refusal.
    refused_since: Duration,
    last_cut: Option<Duration>,
    /// Whether the last refusal showed the pace to be far too high, and no second without one came
    /// since.
    is_lost: bool,
    arrivals: Arrivals,
    /// Refusals of calls sent before this are owed to what was sent before the limit was known.
    drained: Duration,
    /// The pace that was last told.
    told: f64,
    /// What is to be told of the limit.
    learned: Option<Option<f64>>,
    /// Whether the service named the limit in this run.
    heard: bool,
}

impl Pace {
    /// Begins at the pace that is allowed, which is also the most there will ever be.
    pub(super) fn new(top: Rate) -> Self {
        let top = top.get();
        Self {
            top,
            now: top,
            limit: None,
            refused_at: top,
            quiet: 0.0,
            last_sent: None,
            last_refusal: None,
            refused_since: Duration::ZERO,
            last_cut: None,
            is_lost: false,
            arrivals: Arrivals::default(),
            drained: Duration::ZERO,
            told: top,
            learned: None,
            heard: false,
        }
    }

    /// Begins at the limit that an earlier run was told.
    pub(super) fn know_limit(&mut self, limit: f64) {
        self.limit = Some(limit);
        self.now = self.top.min(limit.max(Rate::MIN));
        self.refused_at = self.now;
    }

    pub(super) fn per_second(&self) -> f64 {
        self.now
    }

    /// No call before this after one whose permit was for `last`: a spacing later, or when there is
    /// room. Waiting for room keeps the pace over a second, so calls may catch up then, after a gap
    /// too, and only stay half a spacing apart. The cap of `--rate` is governor's, which never lets
    /// anything catch up.
    pub(super) fn next_after(&self, last: Duration) -> Duration {
        let spacing = spacing(self.now);
        match self.room_at() {
            Some(room) => room.max(last + spacing / 2),
            None => last + spacing,
        }
    }

    fn room_at(&self) -> Option<Duration> {
        let per_second = self.whole_calls().unwrap_or(self.now);
        self.arrivals.room_at(per_second).filter(|_| !self.is_lost)
    }

    /// How many whole calls a second there is to be room for, if it is to be whole ones.
    fn whole_calls(&self) -> Option<f64> {
        let is_whole = self.is_shared() && self.now >= FEW && self.arrivals.jitter() >= JITTER;
        is_whole.then_some(self.now.floor())
    }

    /// Whether others seem to use the quota as well: refusals go on below [`FAIR`] of what the
    /// service allows, or of what we do if that is less.
    fn is_shared(&self) -> bool {
        self.limit
            .is_some_and(|limit| self.now < FAIR * limit.min(self.top))
    }

    /// Whether ours is more than an equal share of what the service allows, whatever `--rate` says.
    fn is_larger(&self) -> bool {
        self.whole_calls().is_none() && self.limit.is_some_and(|limit| self.now >= HALF * limit)
    }

    /// A call is sent. Only time in which calls are sent tells that nothing is refused.
    pub(super) fn sent(&mut self, now: Duration) {
        self.arrivals.sent(now, self.now);
        let since = self.last_sent.replace(now).unwrap_or(now);
        let seconds = (now - since).min(SECOND).as_secs_f64();
        self.quiet += seconds;
        if self.quiet < SECOND.as_secs_f64() {
            return;
        }
        self.is_lost = false;
        if self.now >= self.top {
            return;
        }
        let limit = self.limit.map(|limit| limit.min(self.top));
        let faster = ((self.quiet - QUIET).max(0.0) / DOUBLING).exp2();
        let is_whole = self.whole_calls().is_some() && self.room_at().is_some();
        let slow = match self.is_shared() && !is_whole {
            true => SLOW_SHARED,
            false => SLOW,
        };
        let mut growth = (slow * faster * limit.unwrap_or(self.now)).min(FASTEST * self.now);
        if self.now < SURE * self.refused_at {
            growth = growth.max(REGAIN * self.now);
        }
        let most = match limit {
            Some(limit) if self.quiet < QUIET => limit.max(self.now),
            _ => self.top,
        };
        self.now = (self.now + growth * seconds).min(most);
        if limit.is_some_and(|limit| self.now > limit * LIFTED) {
            self.limit = None;
            self.learned = Some(None);
            self.arrivals.limit_was_wrong();
        }
    }

    /// The call whose permit was for `permit` left only at `at`.
    pub(super) fn left_late(&mut self, permit: Duration, at: Duration) {
        self.arrivals.left_late(permit, at);
    }

    /// A call that was sent at `sent` came back, and was not one too many.
    pub(super) fn admitted(&mut self, now: Duration, sent: Duration) {
        self.arrivals.answered(now, sent);
        let limit = self.limit.map_or(self.top, |limit| limit.min(self.top));
        self.arrivals.admitted(now, limit);
    }

    /// A call that was sent at `sent` came back refused, and the service named this limit.
    pub(super) fn refused(&mut self, now: Duration, sent: Duration, named: Option<f64>) {
        self.arrivals.answered(now, sent);
        self.quiet = 0.0;
        let last = self.last_refusal.replace(now);
        let is_alone = last.is_none_or(|last| now > last + SECOND);
        if is_alone {
            self.refused_since = now;
        }
        if self.last_cut.is_some_and(|cut| sent <= cut) {
            return;
        }
        let named = named.map(|limit| limit.max(Rate::MIN));
        if let Some(limit) = named
            && (self.limit != named || !self.heard)
        {
            self.limit = named;
            self.heard = true;
            self.learned = Some(Some(limit));
        }
        if let Some(limit) = named
            && limit < self.now
        {
            self.now = limit;
            self.refused_at = limit;
            self.last_cut = Some(now);
            self.drained = now + SECOND;
        } else if sent >= self.drained {
            self.arrivals.refused();
            if is_alone {
                self.refused_at = self.now;
            }
            let is_shared = self.is_shared();
            let patience = if is_shared { NO_SHARE } else { NO_ACCIDENT };
            self.is_lost = now > self.refused_since + patience;
            let soon = if self.limit.is_some() {
                SECOND
            } else {
                UNNAMED
            };
            let is_again = last.is_some_and(|last| now <= last + soon);
            let cut = match (is_shared, self.is_lost) {
                (true, false) if self.is_larger() => CUT_LARGER,
                (true, false) => CUT_SHARED,
                (true, true) => CUT_AGAIN,
                (false, true) => CUT_STILL,
                (false, false) if is_again => CUT_AGAIN,
                (false, false) => CUT,
            };
            let least = self.limit.unwrap_or(self.top).min(self.top).min(LEAST);
            self.now = (self.now * (1.0 - cut)).max(least);
            self.last_cut = Some(now);
        }
    }

    /// A refusal that changes nothing but that room is left from now on.
    #[cfg(test)]
    pub(super) fn leave_room(&mut self) {
        self.arrivals.refused();
    }

    /// What is worth telling and was not told yet.
    pub(super) fn news(&mut self) -> Option<Event> {
        if let Some(per_second) = self.learned.take() {
            return Some(Event::LimitLearned { per_second });
        }
        let (now, told) = (self.now, self.told);
        if now < told || now >= told * WORTH_TELLING || (now > told && now >= self.top) {
            self.told = now;
            return Some(Event::PaceChanged { per_second: now });
        }
        None
    }
}

#[cfg(test)]
mod tests;
