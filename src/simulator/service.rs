//! From a request to what shall be done on the wire: the checks in the service's order, the
//! faults at their two places, and the books.
//!
//! **Invariant:** the one lock is a plain mutex around plain work; nothing waits while it is held.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hyper::header::{CONTENT_TYPE, DATE, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::actions::{Action, Refusal, carry_out};
use super::faults::{Dealer, Fault, Faults, Moment, Place};
use super::latency::Latencies;
use super::quota::{Admission, Quota};
use super::users::{Profile, Users};
use super::verify::{Keyring, Signed};
use super::{Config, Stats, stopped};

const VERSION: &str = "2022-08-17";
const SERVICE: &str = "lcic";
const PAGE: &str = "<html>\r\n<head><title>Simulated</title></head>\r\n<body><h1>Not the service</h1></body>\r\n</html>\r\n";

/// What shall be done on the wire.
#[derive(Debug)]
pub(super) enum Reply {
    /// An answer.
    Whole(Response<Bytes>),
    /// An answer of which only the first half arrives.
    Half(Response<Bytes>),
    /// The connection is reset.
    Reset,
    /// Nothing, for ever.
    Silence,
}

/// The simulated service, shared by all connections.
pub(super) struct Service {
    config: Config,
    keyring: Keyring,
    started: Instant,
    /// Server time at the start, since 1970.
    started_at: Duration,
    state: Mutex<State>,
    concurrent: AtomicU64,
    stop: watch::Receiver<bool>,
}

struct State {
    quotas: HashMap<String, BTreeMap<Action, Quota>>,
    dealer: Dealer,
    latencies: Latencies,
    users: Users,
    stats: Stats,
    /// How many calls for a user are under way.
    under_way: HashMap<String, u32>,
}

/// A request, all of it.
pub(super) struct Call {
    pub(super) head: Parts,
    pub(super) body: Bytes,
}

impl Service {
    pub(super) fn new(config: Config, stop: watch::Receiver<bool>) -> Self {
        let state = State {
            quotas: HashMap::new(),
            dealer: Dealer::new(config.faults.clone(), config.seed),
            latencies: Latencies::new(config.latency, config.seed),
            users: Users::new(config.users.clone()),
            stats: Stats::default(),
            under_way: HashMap::new(),
        };
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let skew = config.clock_skew.abs().to_std().unwrap_or_default();
        let started_at = match config.clock_skew < chrono::TimeDelta::zero() {
            true => wall.saturating_sub(skew),
            false => wall + skew,
        };
        Self {
            keyring: Keyring::new(config.keys.clone(), SERVICE),
            started: Instant::now(),
            started_at,
            state: Mutex::new(state),
            concurrent: AtomicU64::new(0),
            config,
            stop,
        }
    }

    pub(super) fn stats(&self) -> Stats {
        self.state().stats.clone()
    }

    pub(super) fn users(&self) -> BTreeMap<String, Profile> {
        self.state().users.all().clone()
    }

    pub(super) fn user(&self, id: &str) -> Option<Profile> {
        self.state().users.get(id).cloned()
    }

    pub(super) fn connected(&self) {
        self.state().stats.connections += 1;
    }

    /// Takes `call` from the network and says what goes back.
    pub(super) async fn call(self: Arc<Self>, call: Call) -> Reply {
        let parsed: Option<Value> = serde_json::from_slice(&call.body).ok();
        let _under_way = UnderWay::begin(&self, user_of(parsed.as_ref()));
        let latency = match self.config.latency.is_none() {
            true => Duration::ZERO,
            false => self.state().latencies.draw(),
        };
        // A call that is on its way arrives, even if the caller has hung up meanwhile: this
        // function is dropped with its connection, a task is not.
        let process = Arc::clone(&self).process(call, parsed, latency);
        let reply = if latency.is_zero() && self.config.faults == Faults::default() {
            process.await
        } else {
            let mut stop = self.stop.clone();
            let task = tokio::spawn(async move {
                tokio::select! {
                    reply = process => reply,
                    _ = stopped(&mut stop) => Reply::Silence,
                }
            });
            task.await.unwrap_or(Reply::Reset)
        };
        if !self.config.answer_delay.is_zero() {
            sleep(self.config.answer_delay).await;
        }
        reply
    }

    async fn process(
        self: Arc<Self>,
        call: Call,
        parsed: Option<Value>,
        latency: Duration,
    ) -> Reply {
        if !latency.is_zero() {
            sleep(latency).await;
        }
        let user = user_of(parsed.as_ref());
        let (number, in_front) = self.arrive(user);
        self.tell(number, Moment::Before);
        match in_front {
            None => {}
            Some(Fault::Delay { seconds, .. }) => sleep(seconds_of(seconds)).await,
            Some(fault) => {
                let plain = self.envelope(number, Map::new());
                return self.spoil(fault, plain);
            }
        }

        let (answer, fault) = self.serve(number, &call, parsed.as_ref());
        match fault {
            None => Reply::Whole(answer),
            Some(Fault::Delay { seconds, .. }) => {
                sleep(seconds_of(seconds)).await;
                Reply::Whole(answer)
            }
            Some(fault) => self.spoil(fault, answer),
        }
    }

    /// Enters the call in the books; its number, and what stands in front of the service.
    fn arrive(&self, user: Option<&str>) -> (u64, Option<Fault>) {
        let mut state = self.state();
        let elapsed = self.started.elapsed();
        state.stats.calls += 1;
        if self.config.record_arrivals {
            state.stats.arrivals.push(elapsed);
        }
        let number = state.stats.calls;
        let fault = state.dealer.deal(Place::InFront, number, user, elapsed);
        state.count_fault(fault.as_ref());
        (number, fault)
    }

    /// What the service itself does: its answer, and what shall happen to that on its way back.
    fn serve(
        &self,
        number: u64,
        call: &Call,
        parsed: Option<&Value>,
    ) -> (Response<Bytes>, Option<Fault>) {
        let (done, fault) = match self.check(call) {
            Err(refusal) => (Err(refusal), None),
            Ok((account, action)) => self.act(number, account, action, parsed),
        };
        match done {
            Ok(fields) => {
                self.tell(number, Moment::After);
                (self.envelope(number, fields), fault)
            }
            Err(refusal) => (self.refusal(number, refusal), fault),
        }
    }

    /// Everything up to the quota: whose call it is, and for what.
    fn check(&self, call: &Call) -> Result<(&str, Action), Refusal> {
        let Call { head, body } = call;
        if head.method != hyper::Method::POST {
            return Err(Refusal::new(
                "UnsupportedProtocol",
                "The simulator takes POST only.",
            ));
        }
        let signed = Signed {
            method: head.method.as_str(),
            query: head.uri.query().unwrap_or_default(),
            headers: &head.headers,
            body,
        };
        let key = self
            .keyring
            .verify(&signed, self.server_time())
            .map_err(|distrust| Refusal::new(distrust.code(), distrust.message()))?;
        let header = |name: &str| {
            let value = head.headers.get(name);
            value.and_then(|value| value.to_str().ok()).unwrap_or("")
        };
        let name = header("x-tc-action");
        let action = Action::named(name).ok_or_else(|| {
            Refusal::new(
                "InvalidAction",
                format!("The request action={name} is invalid or not found."),
            )
        })?;
        let version = header("x-tc-version");
        if version != VERSION {
            return Err(Refusal::new(
                "NoSuchVersion",
                format!("The version {version} does not exist."),
            ));
        }
        if self.config.denied {
            return Err(Refusal::new(
                "AuthFailure.UnauthorizedOperation",
                format!("You are not authorized to perform operation (lcic:{name})."),
            ));
        }
        Ok((&key.account, action))
    }

    /// Quota, fault, action, under one lock: an admitted call is carried out in the order in
    /// which it arrived.
    fn act(
        &self,
        number: u64,
        account: &str,
        action: Action,
        parsed: Option<&Value>,
    ) -> (Result<Map<String, Value>, Refusal>, Option<Fault>) {
        let mut state = self.state();
        let elapsed = self.started.elapsed();
        if let Admission::Refused { count } =
            state.admit(&self.config, account, action, self.started_at + elapsed)
        {
            state.stats.throttled += 1;
            let limit = self.config.quota.map_or(0, |limit| limit.get());
            return (
                Err(Refusal::new("RequestLimitExceeded", too_many(count, limit))),
                None,
            );
        }
        state.stats.admitted += 1;

        let user = user_of(parsed);
        let fault = state.dealer.deal(Place::Inside, number, user, elapsed);
        state.count_fault(fault.as_ref());
        let (instead, after) = match fault {
            Some(Fault::Error {
                code,
                message,
                when,
            }) => {
                let message = message.unwrap_or_else(|| general_message(&code));
                (Some((Refusal { code, message }, when)), None)
            }
            other => (None, other),
        };
        if let Some((refusal, Moment::Before)) = instead {
            return (Err(refusal), after);
        }
        if action == Action::ModifyUserProfile && after == Some(Fault::NotApplied) {
            return (Ok(Map::new()), None);
        }
        let done = carry_out(action, parsed, &mut state.users);
        if done.is_ok() && action == Action::ModifyUserProfile {
            state.stats.applied += 1;
        }
        match instead {
            Some((refusal, _)) => (Err(refusal), after),
            None => (done, after),
        }
    }

    /// What `fault` makes of `answer`.
    fn spoil(&self, fault: Fault, answer: Response<Bytes>) -> Reply {
        match fault {
            Fault::Status {
                status,
                retry_after,
                ..
            } => {
                let mut page = self.page(status);
                if let Some(seconds) = retry_after {
                    page.headers_mut()
                        .insert(RETRY_AFTER, HeaderValue::from(seconds));
                }
                Reply::Whole(page)
            }
            Fault::Redirect { status, location } => {
                let mut page = self.page(status);
                if let Ok(location) = HeaderValue::from_str(&location) {
                    page.headers_mut().insert(LOCATION, location);
                }
                Reply::Whole(page)
            }
            Fault::Garbage { .. } => Reply::Whole(self.page(200)),
            Fault::Reset { .. } => Reply::Reset,
            Fault::Silence { .. } => Reply::Silence,
            Fault::Truncated => Reply::Half(answer),
            Fault::NoRequestId => Reply::Whole(self.response(
                StatusCode::OK,
                "application/json",
                r#"{"Response":{}}"#.into(),
            )),
            // All are dealt with before anything is spoilt: one is the answer, one only waits.
            Fault::Error { .. } | Fault::Delay { .. } | Fault::NotApplied => Reply::Whole(answer),
        }
    }

    fn envelope(&self, number: u64, mut fields: Map<String, Value>) -> Response<Bytes> {
        fields.insert("RequestId".into(), self.request_id(number).into());
        let body = json!({ "Response": fields }).to_string();
        self.response(StatusCode::OK, "application/json", body.into())
    }

    fn refusal(&self, number: u64, refusal: Refusal) -> Response<Bytes> {
        let Refusal { code, message } = refusal;
        let error = json!({ "Code": code, "Message": message });
        *self.state().stats.by_code.entry(code).or_default() += 1;
        let mut fields = Map::new();
        fields.insert("Error".into(), error);
        self.envelope(number, fields)
    }

    /// An answer to a body that is too large to be taken in.
    pub(super) fn too_large(&self) -> Reply {
        let (number, _) = self.arrive(None);
        let message = "The request is larger than 10 MB.";
        let refusal = Refusal::new("RequestSizeLimitExceeded", message);
        Reply::Whole(self.refusal(number, refusal))
    }

    fn page(&self, status: u16) -> Response<Bytes> {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        self.response(status, "text/html", Bytes::from_static(PAGE.as_bytes()))
    }

    fn response(
        &self,
        status: StatusCode,
        content_type: &'static str,
        body: Bytes,
    ) -> Response<Bytes> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let date = DateTime::from_timestamp(self.server_time(), 0).unwrap_or_default();
        let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        headers.insert(DATE, HeaderValue::from_str(&date).expect("a date is ASCII"));
        response
    }

    /// Like a UUID, never the same twice; the last group is the number of the call.
    fn request_id(&self, number: u64) -> String {
        let start = self.started_at.as_nanos();
        format!(
            "{:08x}-{:04x}-4{:03x}-8000-{number:012x}",
            (start >> 28) as u32,
            (start >> 12) as u16,
            start as u16 & 0xfff
        )
    }

    /// What the service takes for Unix time.
    fn server_time(&self) -> i64 {
        (Utc::now() + self.config.clock_skew).timestamp()
    }

    fn tell(&self, number: u64, moment: Moment) {
        if let Some(on_call) = &self.config.on_call {
            on_call(number, moment);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

impl State {
    fn admit(
        &mut self,
        config: &Config,
        account: &str,
        action: Action,
        now: Duration,
    ) -> Admission {
        let Some(limit) = config.quota else {
            return Admission::Admitted;
        };
        if !self.quotas.contains_key(account) {
            self.quotas.insert(account.to_owned(), BTreeMap::new());
        }
        let of_account = self.quotas.get_mut(account).expect("just looked");
        let fresh = || Quota::new(config.window, limit, config.refused_count);
        of_account.entry(action).or_insert_with(fresh).arrive(now)
    }

    fn count_fault(&mut self, fault: Option<&Fault>) {
        if let Some(fault) = fault {
            *self.stats.faults.entry(fault.kind()).or_default() += 1;
        }
    }
}

/// A call from its first byte to its answer, or to the end of its connection.
struct UnderWay<'a> {
    service: &'a Service,
    user: Option<String>,
}

impl<'a> UnderWay<'a> {
    fn begin(service: &'a Service, user: Option<&str>) -> Self {
        let concurrent = service.concurrent.fetch_add(1, Ordering::Relaxed) + 1;
        let mut state = service.state();
        state.stats.max_concurrent = state.stats.max_concurrent.max(concurrent);
        let user = user.map(str::to_owned);
        if let Some(user) = &user {
            let calls = state.under_way.entry(user.clone()).or_default();
            *calls += 1;
            if *calls > 1 {
                state.stats.overlaps += 1;
            }
        }
        Self { service, user }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.service.concurrent.fetch_sub(1, Ordering::Relaxed);
        if let Some(user) = &self.user {
            let mut state = self.service.state();
            if let Some(calls) = state.under_way.get_mut(user) {
                *calls -= 1;
                if *calls == 0 {
                    state.under_way.remove(user);
                }
            }
        }
    }
}

fn user_of(parsed: Option<&Value>) -> Option<&str> {
    parsed?.get("UserId")?.as_str()
}

fn seconds_of(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The service's own words (PROTOCOL §d.2).
fn too_many(count: u64, limit: u32) -> String {
    format!(
        "Your current request times equals to `{count}` in a second, which exceeds the frequency limit `{limit}` for a second. Please reduce the frequency of calls."
    )
}

fn general_message(code: &str) -> String {
    match code {
        "InternalError" => "An internal error has occurred. Retry your request, but if the problem persists, contact us.".into(),
        "RequestLimitExceeded" => too_many(21, 20),
        other => format!("Simulated {other}."),
    }
}
