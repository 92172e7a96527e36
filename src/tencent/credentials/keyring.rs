//! What calls are signed with: the keys of this moment, renewed before they end.
//!
//! - Id, key and token are one [`Generation`] behind one pointer: no call can mix two of them
//!   (PROTOCOL §e.5).
//! - While keys are good, a call looks at the clock and goes. Near their end, one task gets new
//!   ones in the background and the calls go on with the old. Only when they have ended do calls
//!   wait, and then all of them for one answer.
//! - A renewal that fails leaves the old keys in place.
//! - When the service refuses the keys themselves, they are renewed once. Keys that were got for
//!   that reason and are refused as well, before any call with them was answered otherwise, stay
//!   refused: what is wrong then is not their age.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret;

use super::identity::Identity;
use super::key::Credentials;
use super::provider::{Fresh, Life, Provider, RefreshError, Source};
use super::reach::{Issuers, Reach, ReachSettings};
use crate::tencent::answer::Doubt;
use crate::tencent::client::SERVICE;
use crate::tencent::sign::Signer;

/// Keys that end sooner than this are not sent any more: a call takes its time. Chosen.
const ON_THE_WAY: TimeDelta = TimeDelta::seconds(10);

/// The wait after a renewal in the background failed. Chosen: ten tries within five minutes.
const NEXT_TRY: TimeDelta = TimeDelta::seconds(30);

/// Keys that live shorter than this are renewed no sooner all the same. Chosen.
const NOT_SOONER: TimeDelta = TimeDelta::seconds(1);

/// Keys that belong together.
pub struct Generation {
    number: u64,
    signer: Signer,
    token: Option<HeaderValue>,
    schedule: Option<Schedule>,
    /// Got because the service had refused the ones before.
    born_of_doubt: bool,
    /// The service has accepted them.
    proven: AtomicBool,
}

/// When keys are renewed and when they end, by the clock of this machine.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    life: Life,
    renew_at: DateTime<Utc>,
    /// From here on they are not sent any more.
    over_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

impl Schedule {
    fn new(life: Life, now: DateTime<Utc>) -> Self {
        // Short-lived keys are used for half of their life at least.
        let margin = life.margin.min(life.left / 2);
        let reserve = ON_THE_WAY.min(life.left / 10);
        Self {
            life,
            renew_at: now + (life.left - margin).max(NOT_SOONER),
            over_at: now + life.left - reserve,
            ends_at: now + life.left,
        }
    }
}

impl Generation {
    fn new(number: u64, fresh: &Fresh, now: DateTime<Utc>, born_of_doubt: bool) -> Self {
        let credentials = &fresh.credentials;
        Self {
            number,
            signer: Signer::new(
                credentials.secret_id(),
                credentials.secret_key().clone(),
                SERVICE,
            ),
            token: credentials.token().map(|token| {
                let mut token =
                    HeaderValue::from_str(token.expose_secret()).expect("a token is visible ASCII");
                token.set_sensitive(true);
                token
            }),
            schedule: fresh.life.map(|life| Schedule::new(life, now)),
            born_of_doubt,
            proven: AtomicBool::new(false),
        }
    }

    /// Signs.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The token that goes with the signature, marked as not to be shown.
    pub fn token(&self) -> Option<&HeaderValue> {
        self.token.as_ref()
    }

    /// Notes that the service has accepted a signature by these keys.
    pub fn accepted(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generation({}, hidden)", self.number)
    }
}

/// When keys end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// When, by the clock of who gave them.
    pub at: DateTime<Utc>,
    /// How long that is from now.
    pub left: TimeDelta,
}

/// What came of a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mending {
    /// Nothing: other keys would not help, or there are none.
    None,
    /// There are new keys now.
    Renewed,
    /// There were new keys already when the answer came.
    RenewedBefore,
}

/// See the module.
pub struct Keyring {
    provider: Provider,
    identity: Identity,
    reach: Reach,
    current: RwLock<Arc<Generation>>,
    /// Whoever holds it is the one who renews; the failure of the last attempt is for those who
    /// waited meanwhile.
    flight: tokio::sync::Mutex<Option<Failure>>,
    background: Mutex<Background>,
}

struct Failure {
    at: Instant,
    error: Arc<RefreshError>,
}

#[derive(Default)]
struct Background {
    is_busy: bool,
    not_before: Option<DateTime<Utc>>,
}

impl Keyring {
    /// One key for all calls.
    pub fn fixed(credentials: Credentials) -> Arc<Self> {
        let fresh = Fresh {
            credentials: credentials.clone(),
            life: None,
        };
        let settings = ReachSettings {
            extra_ca: None,
            wall_clock: Arc::new(Utc::now),
        };
        let provider = Provider::fixed(credentials, Source::Environment);
        Self::with(provider, Reach::new(Issuers::default(), settings), &fresh)
    }

    /// Gets the first keys.
    pub(super) async fn open(provider: Provider, reach: Reach) -> Result<Arc<Self>, RefreshError> {
        let fresh = provider.refresh(&reach).await?;
        Ok(Self::with(provider, reach, &fresh))
    }

    fn with(provider: Provider, reach: Reach, fresh: &Fresh) -> Arc<Self> {
        let first = Generation::new(1, fresh, reach.now(), false);
        Arc::new(Self {
            identity: provider.identity(&fresh.credentials),
            provider,
            reach,
            current: RwLock::new(Arc::new(first)),
            flight: tokio::sync::Mutex::new(None),
            background: Mutex::default(),
        })
    }

    /// Where the keys come from.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Whose keys they are.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// When the keys of this moment end, if that is known.
    pub fn expiry(&self) -> Option<Expiry> {
        let schedule = self.current().schedule?;
        Some(Expiry {
            at: schedule.life.expires_at,
            left: schedule.ends_at - self.reach.now(),
        })
    }

    /// The keys to sign a call with, unless they have ended. Near their end, sees to new ones.
    pub fn ready(self: &Arc<Self>) -> Option<Arc<Generation>> {
        let current = self.current();
        let Some(schedule) = current.schedule else {
            return Some(current);
        };
        let now = self.reach.now();
        if now >= schedule.over_at {
            return None;
        }
        if now >= schedule.renew_at {
            self.renew_in_background(now, &current);
        }
        Some(current)
    }

    /// Gets new keys if those of this moment have ended.
    ///
    /// # Errors
    /// When there are none.
    pub async fn for_call(self: &Arc<Self>) -> Result<Arc<Generation>, Arc<RefreshError>> {
        match self.ready() {
            Some(keys) => Ok(keys),
            None => self.renew(&self.current(), false).await,
        }
    }

    /// The service has refused what `used` signed: gets new keys if that can help.
    ///
    /// # Errors
    /// When it can help, and there are none.
    pub async fn doubted(
        &self,
        used: &Arc<Generation>,
        doubt: Doubt,
    ) -> Result<Mending, Arc<RefreshError>> {
        if !self.provider.is_renewable() {
            return Ok(Mending::None);
        }
        if self.current().number != used.number {
            return Ok(Mending::RenewedBefore);
        }
        let may_help = match doubt {
            Doubt::Token => !used.born_of_doubt || used.is_proven(),
            Doubt::Key => !used.born_of_doubt && !used.is_proven(),
        };
        if !may_help {
            return Ok(Mending::None);
        }
        self.renew(used, true).await.map(|_| Mending::Renewed)
    }

    fn current(&self) -> Arc<Generation> {
        // It is replaced as a whole, so a panic elsewhere leaves a good one.
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// Gets newer keys than `seen`, in one flight with all others that want them.
    async fn renew(
        &self,
        seen: &Arc<Generation>,
        doubted: bool,
    ) -> Result<Arc<Generation>, Arc<RefreshError>> {
        let asked_at = Instant::now();
        let mut flight = self.flight.lock().await;
        let current = self.current();
        if current.number != seen.number {
            return Ok(current);
        }
        if let Some(failure) = &*flight
            && failure.at >= asked_at
        {
            return Err(Arc::clone(&failure.error));
        }
        match self.provider.refresh(&self.reach).await {
            Ok(fresh) => {
                let number = current.number + 1;
                let next = Generation::new(number, &fresh, self.reach.now(), doubted);
                let next = Arc::new(next);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
                *flight = None;
                let until = fresh.life.map(|life| life.expires_at);
                let until = until.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
                tracing::info!(source = %self.provider.source(), until, "keys renewed");
                Ok(next)
            }
            Err(error) => {
                let error = Arc::new(error);
                *flight = Some(Failure {
                    at: Instant::now(),
                    error: Arc::clone(&error),
                });
                let why = error.on_one_line();
                tracing::warn!(source = %self.provider.source(), why, "keys not renewed");
                Err(error)
            }
        }
    }

    fn renew_in_background(self: &Arc<Self>, now: DateTime<Utc>, seen: &Arc<Generation>) {
        let mut background = self.background();
        if background.is_busy || background.not_before.is_some_and(|at| now < at) {
            return;
        }
        background.is_busy = true;
        let (keyring, seen) = (Arc::clone(self), Arc::clone(seen));
        tokio::spawn(async move {
            let result = keyring.renew(&seen, false).await;
            *keyring.background() = Background {
                is_busy: false,
                not_before: result.is_err().then(|| keyring.reach.now() + NEXT_TRY),
            };
        });
    }

    fn background(&self) -> std::sync::MutexGuard<'_, Background> {
        self.background
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({}, hidden)", self.provider.source())
    }
}

#[cfg(test)]
mod tests;
