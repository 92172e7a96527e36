//! What goes wrong, on purpose: by script, by chance, or for a stretch of time.
//!
//! The file that `simulate --faults` reads is the JSON of [`Faults`]; `samples/faults.json` shows
//! every part of it, and a test reads it.
//!
//! ```json
//! {
//!   "outages": [{ "from": 10, "to": 12.5, "how": "page" }],
//!   "script": [
//!     { "user": "u-7", "fault": { "kind": "error", "code": "InternalError" } },
//!     { "call": 100, "fault": { "kind": "reset", "when": "after" } },
//!     { "calls": { "from": 200, "to": 299 }, "times": 5, "fault": { "kind": "status", "status": 429, "retry_after": 2 } },
//!     { "user": "u-9", "times": "forever", "fault": { "kind": "error", "code": "ResourceNotFound.User" } }
//!   ],
//!   "chance": [{ "probability": 0.01, "fault": { "kind": "silence", "when": "before" } }]
//! }
//! ```
//!
//! - `outages`: seconds after the start; `how` is `page` (a 502) or `reset`.
//! - `script`: the first entry that fits and has `times` left is taken. `user` fits calls for that
//!   user, `call` the n-th call since the start (from 1), `calls` a range of them (both ends
//!   included, either may be left out); an entry with none of the three fits every call, one with
//!   several must fit them all. `times` is a number or `"forever"`; left out, it is once.
//! - `chance`: rolled for each call that the script leaves alone. What call n meets depends on the
//!   seed and on n only.
//! - `fault`: see [`Fault`], `kind` first. `when` is `before` (the change is not made; the default)
//!   or `after` (it is made, and the answer suffers).
//!
//! A fault that stands in front of the service (anything `before` but an error code) comes before
//! every check and uses up no quota. Error codes, `not-applied` and everything `after`, come from behind the
//! checks of key and quota, so a call refused there leaves them for the next.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where a call stands in relation to its effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Nothing was changed yet.
    #[default]
    Before,
    /// What the call asks for is done; only the answer is missing.
    After,
}

/// One thing that can go wrong with a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// An envelope with this error, whatever code it is.
    Error {
        /// The code, such as `InternalError`.
        code: String,
        /// The message; a general one if left out.
        #[serde(default)]
        message: Option<String>,
        /// `after`: the change is made and the service says that it failed.
        #[serde(default)]
        when: Moment,
    },
    /// An HTTP status with a page of HTML, as gateways and proxies answer: 502, 407, 429 ...
    Status {
        /// The status.
        status: u16,
        /// `Retry-After`, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
        /// `after`: a gateway that gave up waiting.
        #[serde(default)]
        when: Moment,
    },
    /// A redirect elsewhere.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Where to.
        location: String,
    },
    /// 200 with a page of HTML, as a captive portal answers.
    Garbage {
        /// `after`: something on the way back replaced the answer.
        #[serde(default)]
        when: Moment,
    },
    /// The connection is reset without an answer.
    Reset {
        /// Whether the change was made.
        #[serde(default)]
        when: Moment,
    },
    /// The connection stays open and no answer ever comes.
    Silence {
        /// Whether the change was made.
        #[serde(default)]
        when: Moment,
    },
    /// The call takes longer by this, even if the client does not wait for it: `before`, a change
    /// arrives late; `after`, only its answer does.
    Delay {
        /// By how much.
        seconds: f64,
        /// Whether the change comes late, or only the answer.
        #[serde(default)]
        when: Moment,
    },
    /// The change is made, and the answer breaks off in the middle of its body.
    Truncated,
    /// The change is made, and the envelope of success has no RequestId.
    NoRequestId,
    /// The service says that the change is made, and does not make it.
    NotApplied,
}

impl Fault {
    /// An error code, before anything is changed.
    pub fn error(code: &str) -> Self {
        Self::Error {
            code: code.to_owned(),
            message: None,
            when: Moment::Before,
        }
    }

    /// Whether the change is made nevertheless.
    pub fn when(&self) -> Moment {
        match self {
            Self::Error { when, .. }
            | Self::Status { when, .. }
            | Self::Garbage { when }
            | Self::Reset { when }
            | Self::Silence { when }
            | Self::Delay { when, .. } => *when,
            Self::Redirect { .. } | Self::NotApplied => Moment::Before,
            Self::Truncated | Self::NoRequestId => Moment::After,
        }
    }

    /// The name of its kind, as in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Error { .. } => "error",
            Self::Status { .. } => "status",
            Self::Redirect { .. } => "redirect",
            Self::Garbage { .. } => "garbage",
            Self::Reset { .. } => "reset",
            Self::Silence { .. } => "silence",
            Self::Delay { .. } => "delay",
            Self::Truncated => "truncated",
            Self::NoRequestId => "no-request-id",
            Self::NotApplied => "not-applied",
        }
    }

    fn place(&self) -> Place {
        match (self, self.when()) {
            (Self::Error { .. } | Self::NotApplied, _) | (_, Moment::After) => Place::Inside,
            (_, Moment::Before) => Place::InFront,
        }
    }
}

/// Where on its way a call meets a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Something answers in the service's place.
    InFront,
    /// The service itself, once key and quota are found good.
    Inside,
}

/// Everything that shall go wrong. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Stretches of time without service.
    pub outages: Vec<Outage>,
    /// What shall happen to certain calls.
    pub script: Vec<Entry>,
    /// What may happen to any call.
    pub chance: Vec<Chance>,
}

/// A stretch of time in which every call fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// Seconds after the start.
    pub from: f64,
    /// Seconds after the start; not included.
    pub to: f64,
    /// What calls meet.
    pub how: OutageKind,
}

/// What calls meet in an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutageKind {
    /// A 502 with a page of HTML.
    Page,
    /// A reset connection.
    Reset,
}

/// One line of the script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Only calls for this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Only the n-th call, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
    /// Only these calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    /// How often it may be taken.
    #[serde(default)]
    pub times: Times,
    /// What happens.
    pub fault: Fault,
}

impl Entry {
    /// `fault`, once, for whichever call comes first; narrow it by its fields.
    pub fn once(fault: Fault) -> Self {
        Self {
            user: None,
            call: None,
            calls: None,
            times: Times::default(),
            fault,
        }
    }

    fn fits(&self, call: u64, user: Option<&str>) -> bool {
        self.user.as_deref().is_none_or(|name| user == Some(name))
            && self.call.is_none_or(|number| number == call)
            && self.calls.as_ref().is_none_or(|calls| calls.hold(call))
            && self.times != Times::N(0)
    }
}

/// A range of calls, numbered from 1 in the order of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Calls {
    /// The first one.
    pub from: Option<u64>,
    /// The last one.
    pub to: Option<u64>,
}

impl Calls {
    fn hold(&self, call: u64) -> bool {
        self.from.is_none_or(|first| first <= call) && self.to.is_none_or(|last| call <= last)
    }
}

/// How often an entry of the script may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Times {
    /// So often.
    N(u64),
    /// Always: in the file, `"forever"`.
    Forever(Forever),
}

impl Times {
    /// Always.
    pub const FOREVER: Self = Self::Forever(Forever::Forever);
}

impl Default for Times {
    fn default() -> Self {
        Self::N(1)
    }
}

/// The one word that [`Times`] knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forever {
    /// `"forever"`.
    Forever,
}

/// Something that may happen to any call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chance {
    /// From 0 to 1.
    pub probability: f64,
    /// What may happen.
    pub fault: Fault,
}

impl Chance {
    /// Reads `name=probability`, the short form for the command line. The name is one of
    /// [`Chance::NAMES`] or an error code of the service.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, probability) = text
            .split_once('=')
            .ok_or_else(|| format!("no \"=\" in \"{text}\" (expected e.g. reset=0.01)"))?;
        let probability: f64 = probability
            .parse()
            .ok()
            .filter(|p| (0.0..=1.0).contains(p))
            .ok_or_else(|| format!("\"{probability}\" is not a number from 0 to 1"))?;
        let (before, after) = (Moment::Before, Moment::After);
        let status = |status, retry_after| Fault::Status {
            status,
            retry_after,
            when: before,
        };
        let fault = match name {
            "internal-error" => Fault::error("InternalError"),
            "throttled" => Fault::error("RequestLimitExceeded"),
            "bad-gateway" => status(502, None),
            "too-many-requests" => status(429, Some(1)),
            "garbage" => Fault::Garbage { when: before },
            "reset" => Fault::Reset { when: before },
            "reset-after" => Fault::Reset { when: after },
            "silence" => Fault::Silence { when: before },
            "silence-after" => Fault::Silence { when: after },
            "truncated" => Fault::Truncated,
            "no-request-id" => Fault::NoRequestId,
            "not-applied" => Fault::NotApplied,
            code if code.starts_with(|first: char| first.is_ascii_uppercase()) => {
                Fault::error(code)
            }
            other => {
                return Err(format!(
                    "\"{other}\" is no fault (expected {}, or an error code such as ResourceInUse)",
                    Self::NAMES.join(", ")
                ));
            }
        };
        Ok(Self { probability, fault })
    }

    /// The names that [`Chance::parse`] knows.
    pub const NAMES: [&str; 12] = [
        "internal-error",
        "throttled",
        "bad-gateway",
        "too-many-requests",
        "garbage",
        "reset",
        "reset-after",
        "silence",
        "silence-after",
        "truncated",
        "no-request-id",
        "not-applied",
    ];
}

/// Deals out the faults; keeps how often each entry of the script may still be taken.
pub(super) struct Dealer {
    faults: Faults,
    seed: u64,
}

impl Dealer {
    pub(super) fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, seed }
    }

    /// What the `call`-th call, for `user`, meets at `place`, `elapsed` after the start.
    pub(super) fn deal(
        &mut self,
        place: Place,
        call: u64,
        user: Option<&str>,
        elapsed: Duration,
    ) -> Option<Fault> {
        if place == Place::InFront
            && let Some(fault) = self.outage(elapsed)
        {
            return Some(fault);
        }
        let entry = self
            .faults
            .script
            .iter_mut()
            .find(|entry| entry.fault.place() == place && entry.fits(call, user));
        if let Some(entry) = entry {
            if let Times::N(left) = &mut entry.times {
                *left -= 1;
            }
            return Some(entry.fault.clone());
        }
        self.roll(place, call)
    }

    fn outage(&self, elapsed: Duration) -> Option<Fault> {
        let now = elapsed.as_secs_f64();
        let outage = self
            .faults
            .outages
            .iter()
            .find(|outage| (outage.from..outage.to).contains(&now))?;
        Some(match outage.how {
            OutageKind::Page => Fault::Status {
                status: 502,
                retry_after: None,
                when: Moment::Before,
            },
            OutageKind::Reset => Fault::Reset {
                when: Moment::Before,
            },
        })
    }

    fn roll(&self, place: Place, call: u64) -> Option<Fault> {
        if self.faults.chance.is_empty() {
            return None;
        }
        // A generator for each call, not one for all: concurrent calls come in no certain order,
        // and still the n-th meets the same in every run. Every chance takes its number whether
        // or not it is for this place, so that a call has one row of numbers.
        let mut numbers = ChaCha8Rng::seed_from_u64(self.seed);
        numbers.set_stream(call);
        let mut met = None;
        for chance in &self.faults.chance {
            let hit = numbers.random::<f64>() < chance.probability;
            if hit && met.is_none() && chance.fault.place() == place {
                met = Some(chance.fault.clone());
            }
        }
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(entries: Vec<Entry>) -> Dealer {
        let faults = Faults {
            script: entries,
            ..Faults::default()
        };
        Dealer::new(faults, 0)
    }

    fn inside(dealer: &mut Dealer, call: u64, user: &str) -> Option<Fault> {
        dealer.deal(Place::Inside, call, Some(user), Duration::ZERO)
    }

    #[test]
    fn the_sample_file_is_read_and_shows_every_kind() {
        let faults: Faults =
            serde_json::from_str(include_str!("../../samples/faults.json")).unwrap();
        let mut kinds: Vec<_> = faults
            .script
            .iter()
            .map(|entry| entry.fault.kind())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(
            kinds,
            [
                "delay",
                "error",
                "garbage",
                "no-request-id",
                "not-applied",
                "redirect",
                "reset",
                "silence",
                "status",
                "truncated"
            ]
        );
        assert!(!faults.outages.is_empty() && !faults.chance.is_empty());
        let again: Faults = serde_json::from_str(&serde_json::to_string(&faults).unwrap()).unwrap();
        assert_eq!(again, faults);
    }

    #[test]
    fn the_sample_in_the_description_is_read() {
        let text: String = include_str!("faults.rs")
            .lines()
            .skip_while(|line| *line != "//! ```json")
            .skip(1)
            .take_while(|line| *line != "//! ```")
            .map(|line| line.trim_start_matches("//!"))
            .collect();
        let faults: Faults = serde_json::from_str(&text).unwrap();
        assert_eq!(faults.script.len(), 4);
    }

    #[test]
    fn a_word_that_is_not_known_is_refused() {
        for text in [
            r#"{"scripts": []}"#,
            r#"{"script": [{"users": "u", "fault": {"kind": "truncated"}}]}"#,
            r#"{"script": [{"fault": {"kind": "reset", "moment": "after"}}]}"#,
            r#"{"script": [{"times": "always", "fault": {"kind": "truncated"}}]}"#,
        ] {
            assert!(serde_json::from_str::<Faults>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_entry_for_a_user_is_taken_so_many_times_and_by_nobody_else() {
        let fault = Fault::error("InternalError");
        let mut dealer = script(vec![Entry {
            user: Some("u1".into()),
            times: Times::N(2),
            ..Entry::once(fault.clone())
        }]);
        assert_eq!(inside(&mut dealer, 1, "u2"), None);
        assert_eq!(inside(&mut dealer, 2, "u1"), Some(fault.clone()));
        assert_eq!(inside(&mut dealer, 3, "u1"), Some(fault));
        assert_eq!(inside(&mut dealer, 4, "u1"), None);
    }

    #[test]
    fn calls_are_chosen_by_number_and_by_range() {
        let mut dealer = script(vec![
            Entry {
                call: Some(2),
                ..Entry::once(Fault::error("Second"))
            },
            Entry {
                calls: Some(Calls {
                    from: Some(4),
                    to: Some(5),
                }),
                times: Times::FOREVER,
                ..Entry::once(Fault::error("Range"))
            },
        ]);
        let met: Vec<_> = (1..=6)
            .map(|call| inside(&mut dealer, call, "u").is_some())
            .collect();
        assert_eq!(met, [false, true, false, true, true, false]);
    }

    #[test]
    fn a_fault_waits_for_a_call_that_comes_as_far_as_its_place() {
        let after = Fault::Reset {
            when: Moment::After,
        };
        let mut dealer = script(vec![Entry::once(after.clone())]);
        assert_eq!(
            dealer.deal(Place::InFront, 1, Some("u"), Duration::ZERO),
            None
        );
        assert_eq!(inside(&mut dealer, 2, "u"), Some(after));
    }

    #[test]
    fn an_outage_lasts_from_its_first_second_to_its_last() {
        let faults = Faults {
            outages: vec![Outage {
                from: 1.0,
                to: 2.0,
                how: OutageKind::Reset,
            }],
            ..Faults::default()
        };
        let mut dealer = Dealer::new(faults, 0);
        let met = [999, 1000, 1999, 2000].map(|ms| {
            dealer
                .deal(Place::InFront, 1, None, Duration::from_millis(ms))
                .is_some()
        });
        assert_eq!(met, [false, true, true, false]);
    }

    #[test]
    fn chance_depends_on_the_seed_and_the_number_of_the_call_only() {
        let faults = Faults {
            chance: vec![Chance::parse("internal-error=0.25").unwrap()],
            ..Faults::default()
        };
        let hits = |seed: u64, order: &mut dyn Iterator<Item = u64>| {
            let mut dealer = Dealer::new(faults.clone(), seed);
            let mut hits: Vec<u64> = order
                .filter(|call| inside(&mut dealer, *call, "u").is_some())
                .collect();
            hits.sort_unstable();
            hits
        };
        let forward = hits(7, &mut (1..=4000));
        assert_eq!(forward, hits(7, &mut (1..=4000).rev()));
        assert_ne!(forward, hits(8, &mut (1..=4000)));
        assert!((850..1150).contains(&forward.len()), "{}", forward.len());
    }

    #[test]
    fn the_short_form_knows_its_names_and_every_error_code() {
        for name in Chance::NAMES {
            assert!(Chance::parse(&format!("{name}=0.5")).is_ok(), "{name}");
        }
        let code = Chance::parse("ResourceInUse=1").unwrap();
        assert_eq!(code.fault, Fault::error("ResourceInUse"));
        for wrong in [
            "reset",
            "reset=2",
            "reset=-0.1",
            "reset=NaN",
            "nonsense=0.1",
        ] {
            assert!(Chance::parse(wrong).is_err(), "{wrong}");
        }
    }
}
