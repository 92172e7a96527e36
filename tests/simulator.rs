//! The simulator on the wire: each check, each fault, seen by a client that knows nothing but
//! sockets and how to sign.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use lcic_sync::simulator::faults::{Entry, Outage, OutageKind, Times};
use lcic_sync::simulator::{
    Config, Fault, Faults, Key, Latency, Moment, Running, SDK_APP_ID, Simulator, Table,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Long enough for the slowest machine; only a broken simulator ever waits so long.
const DEADLINE: Duration = Duration::from_secs(20);

// ---- checks ----

#[test]
fn a_signed_write_is_stored_and_can_be_read_back() {
    let lcic = start(Config::default());
    let body = json!({"UserId": "u1", "Nickname": "张伟 👋", "Avatar": ""});
    let answer = send(&lcic, &Request::modify(body));

    assert_eq!(answer.status, 200);
    assert_eq!(answer.error(), None);
    let profile = lcic.user("u1").unwrap();
    assert_eq!(profile.nickname.as_deref(), Some("张伟 👋"));
    assert_eq!(profile.avatar.as_deref(), Some(""));
    assert_eq!(profile.writes, 1);

    let read = send(
        &lcic,
        &Request::new("DescribeUser", json!({"UserId": "u1"})),
    );
    let expected = json!({
        "SdkAppId": SDK_APP_ID, "UserId": "u1", "Name": "张伟 👋", "Avatar": "", "OriginId": "u1",
        "RequestId": read.request_id(),
    });
    assert_eq!(read.json()["Response"], expected);

    let list = json!({"SdkAppId": SDK_APP_ID, "Page": 1, "Limit": 10});
    let list = send(&lcic, &Request::new("DescribeSdkAppIdUsers", list));
    assert_eq!(list.json()["Response"]["Total"], 1);
    assert_eq!(list.json()["Response"]["Users"][0]["UserId"], "u1");
}

#[test]
fn every_answer_has_another_request_id() {
    let lcic = start(unlimited());
    let mut line = Line::to(lcic.addr());
    let mut ids: Vec<String> = (0..100)
        .map(|_| {
            line.send(&Request::modify(json!({"UserId": "u"})));
            line.answer().request_id()
        })
        .collect();
    assert!(ids.iter().all(|id| id.len() == 36));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
    assert_eq!(lcic.stats().connections, 1, "one connection is kept alive");
}

#[test]
fn checks_are_made_in_the_order_of_the_service() {
    let token_key = Key {
        secret_id: "AKID-FAKE-TOKEN".into(),
        token: Some("fake-token".into()),
        ..Key::local()
    };
    let lcic = start(Config {
        keys: vec![Key::local(), token_key],
        users: Table::Closed(vec!["known".into()]),
        ..unlimited()
    });
    // From the last check to the first: each request has one more fault than the one before, and
    // is refused for the newest.
    let mut request = Request::modify(json!({"UserId": "unknown"}));
    let refused_for = |request: &Request, code: &str| {
        let answer = send(&lcic, request);
        assert_eq!(answer.status, 200, "an error is an answer");
        assert_eq!(answer.error().as_deref(), Some(code));
        assert!(answer.json()["Response"]["Error"]["Message"].is_string());
        assert!(!answer.request_id().is_empty());
    };
    refused_for(&request, "ResourceNotFound.User");
    request.body = json!({"UserId": "unknown", "Surprise": 1}).to_string();
    refused_for(&request, "UnknownParameter");
    request.body = json!({"UserId": "unknown", "Surprise": 1, "Nickname": 7}).to_string();
    refused_for(&request, "InvalidParameter");
    request.body = json!({"Surprise": 1, "Nickname": 7}).to_string();
    refused_for(&request, "MissingParameter");
    request.version = "2020-01-01".into();
    refused_for(&request, "NoSuchVersion");
    request.action = "modifyUserProfile".into();
    refused_for(&request, "InvalidAction");
    request.secret_id = "AKID-FAKE-TOKEN".into();
    refused_for(&request, "AuthFailure.TokenFailure");
    request.secret_key = "wrong".into();
    refused_for(&request, "AuthFailure.SignatureFailure");
    request.time -= 301;
    refused_for(&request, "AuthFailure.SignatureExpire");
    request.secret_id = "AKID-FAKE-UNKNOWN".into();
    refused_for(&request, "AuthFailure.SecretIdNotFound");
    request.scheme = "TC3-HMAC-MD5";
    refused_for(&request, "AuthFailure.InvalidAuthorization");
    assert_eq!(lcic.stats().admitted, 4);
}

#[test]
fn the_quota_is_checked_after_the_version_and_before_the_parameters() {
    within_one_second(|| {
        let lcic = start(Config {
            quota: NonZeroU32::new(1),
            ..Config::default()
        });
        let mut codes = Vec::new();
        let mut request = Request::modify(json!({}));
        codes.push(send(&lcic, &request).error().unwrap());
        codes.push(send(&lcic, &request).error().unwrap());
        request.version = "2020-01-01".into();
        codes.push(send(&lcic, &request).error().unwrap());
        move || {
            let expected = ["MissingParameter", "RequestLimitExceeded", "NoSuchVersion"];
            assert_eq!(codes, expected);
        }
    });
}

#[test]
fn a_key_without_permission_is_told_so_before_its_quota_is_touched() {
    let lcic = start(Config {
        denied: true,
        quota: NonZeroU32::new(1),
        ..Config::default()
    });
    for _ in 0..3 {
        let answer = send(&lcic, &Request::modify(json!({"UserId": "u"})));
        let code = answer.error();
        assert_eq!(code.as_deref(), Some("AuthFailure.UnauthorizedOperation"));
    }
}

#[test]
fn the_token_of_a_temporary_key_is_accepted() {
    let lcic = start(Config {
        keys: vec![Key {
            token: Some("fake-token".into()),
            ..Key::local()
        }],
        ..Config::default()
    });
    let mut request = Request::modify(json!({"UserId": "u"}));
    request.extra = "X-TC-Token: fake-token\r\n".into();
    assert_eq!(send(&lcic, &request).error(), None);
}

#[test]
fn a_wrong_clock_shows_in_the_date_header_and_in_the_message() {
    for skew in [-7200, 7200] {
        let lcic = start(Config {
            clock_skew: TimeDelta::seconds(skew),
            ..Config::default()
        });
        let mut request = Request::modify(json!({"UserId": "u"}));
        let answer = send(&lcic, &request);
        assert_eq!(
            answer.error().as_deref(),
            Some("AuthFailure.SignatureExpire")
        );
        let date = DateTime::parse_from_rfc2822(&answer.header("date").unwrap()).unwrap();
        let message = answer.json()["Response"]["Error"]["Message"].to_string();
        let (_, told) = message.split_once("and the server time ").unwrap();
        let told: i64 = told.trim_end_matches(['.', '"']).parse().unwrap();
        assert!((told - date.timestamp()).abs() <= 1);
        assert!((told - request.time - skew).abs() <= DEADLINE.as_secs() as i64);

        request.time = date.timestamp();
        assert_eq!(send(&lcic, &request).error(), None, "corrected by Date");
    }
}

#[test]
fn the_quota_is_of_an_account_and_an_action() {
    let key = |id: &str, account: &str| Key {
        secret_id: id.into(),
        account: account.into(),
        ..Key::local()
    };
    let keys = vec![key("a1", "a"), key("a2", "a"), key("b1", "b")];
    within_one_second(|| {
        let lcic = start(Config {
            keys: keys.clone(),
            quota: NonZeroU32::new(2),
            ..Config::default()
        });
        let mut told: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
        for (id, action) in [
            ("a1", "ModifyUserProfile"),
            ("a2", "ModifyUserProfile"),
            ("a1", "ModifyUserProfile"),
            ("a2", "ModifyUserProfile"),
            ("b1", "ModifyUserProfile"),
            ("a1", "DescribeUser"),
        ] {
            let mut request = Request::new(action, json!({"UserId": "u"}));
            request.secret_id = id.into();
            let answer = send(&lcic, &request).json();
            let message = answer["Response"]["Error"]["Message"].as_str();
            told.entry(id).or_default().push(message.map(str::to_owned));
        }
        move || {
            let too_many = |n: u32| {
                Some(format!(
                    "Your current request times equals to `{n}` in a second, which exceeds the \
                     frequency limit `2` for a second. Please reduce the frequency of calls."
                ))
            };
            assert_eq!(told["a1"], [None, too_many(3), None]);
            assert_eq!(told["a2"], [None, too_many(4)]);
            assert_eq!(told["b1"], [None]);
            let stats = lcic.stats();
            assert_eq!((stats.calls, stats.admitted, stats.throttled), (6, 4, 2));
            assert_eq!(stats.by_code["RequestLimitExceeded"], 2);
        }
    });
}

#[test]
fn a_body_over_ten_megabytes_is_refused() {
    let lcic = start(Config::default());
    let request = Request::modify(json!({"UserId": "u", "Nickname": "x".repeat(10 << 20)}));
    let mut line = Line::to(lcic.addr());
    // The answer comes before all is sent, so sending may fail; what counts is the answer.
    let _ = line.stream.write_all(&request.bytes(lcic.addr()));
    let code = line.answer().error();
    assert_eq!(code.as_deref(), Some("RequestSizeLimitExceeded"));
}

// ---- faults ----

#[test]
fn an_error_before_changes_nothing_and_an_error_after_does() {
    for (when, writes) in [(Moment::Before, None), (Moment::After, Some(1))] {
        let lcic = meeting(Fault::Error {
            code: "InternalError".into(),
            message: Some("told".into()),
            when,
        });
        let answer = send(&lcic, &Request::modify(json!({"UserId": "u"})));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.error().as_deref(), Some("InternalError"));
        assert_eq!(answer.json()["Response"]["Error"]["Message"], "told");
        assert_eq!(lcic.user("u").map(|user| user.writes), writes);
        assert_eq!(
            send(&lcic, &Request::modify(json!({"UserId": "u"}))).error(),
            None
        );
    }
}

#[test]
fn a_status_is_a_page_of_html() {
    for (status, when, writes) in [
        (502, Moment::Before, None),
        (407, Moment::Before, None),
        (429, Moment::Before, None),
        (504, Moment::After, Some(1)),
    ] {
        let lcic = meeting(Fault::Status {
            status,
            retry_after: Some(3),
            when,
        });
        let answer = send(&lcic, &Request::modify(json!({"UserId": "u"})));
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("content-type").as_deref(), Some("text/html"));
        assert_eq!(answer.header("retry-after").as_deref(), Some("3"));
        assert!(answer.text().starts_with("<html>"));
        assert_eq!(lcic.user("u").map(|user| user.writes), writes);
    }
}

#[test]
fn a_redirect_points_elsewhere() {
    for status in [302, 307] {
        let location = "http://127.0.0.1:9/login".to_owned();
        let lcic = meeting(Fault::Redirect {
            status,
            location: location.clone(),
        });
        let answer = send(&lcic, &Request::modify(json!({"UserId": "u"})));
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("location"), Some(location));
        assert!(lcic.users().is_empty());
    }
}

#[test]
fn garbage_is_a_page_with_status_200() {
    let lcic = meeting(Fault::Garbage {
        when: Moment::Before,
    });
    let answer = send(&lcic, &Request::modify(json!({"UserId": "u"})));
    assert_eq!(answer.status, 200);
    assert!(answer.text().starts_with("<html>"));
    assert!(lcic.users().is_empty());
}

#[test]
fn a_reset_is_a_reset_and_not_an_end() {
    for (when, writes) in [(Moment::Before, None), (Moment::After, Some(1))] {
        let lcic = meeting(Fault::Reset { when });
        let mut line = Line::to(lcic.addr());
        line.send(&Request::modify(json!({"UserId": "u"})));
        let end = line.stream.read(&mut [0; 64]);
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(lcic.user("u").map(|user| user.writes), writes);
    }
}

#[test]
fn silence_holds_the_connection_open_without_a_byte() {
    for (when, writes) in [(Moment::Before, None), (Moment::After, Some(1))] {
        let lcic = meeting(Fault::Silence { when });
        let mut line = Line::to(lcic.addr());
        line.send(&Request::modify(json!({"UserId": "u"})));
        wait_for(|| lcic.stats().faults.contains_key("silence"));
        line.stream
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let nothing = line.stream.read(&mut [0; 64]).unwrap_err().kind();
        assert!(
            matches!(nothing, ErrorKind::WouldBlock | ErrorKind::TimedOut),
            "{nothing}"
        );
        assert_eq!(lcic.user("u").map(|user| user.writes), writes);
    }
}

#[test]
fn a_delayed_change_is_made_even_if_the_caller_has_hung_up() {
    let lcic = meeting(Fault::Delay {
        seconds: 0.3,
        when: Moment::Before,
    });
    let mut line = Line::to(lcic.addr());
    line.send(&Request::modify(json!({"UserId": "u", "Nickname": "late"})));
    wait_for(|| lcic.stats().faults.contains_key("delay"));
    drop(line);
    let newer = Request::modify(json!({"UserId": "u", "Nickname": "newer"}));
    assert_eq!(send(&lcic, &newer).error(), None);
    wait_for(|| lcic.user("u").unwrap().writes == 2);
    assert_eq!(lcic.user("u").unwrap().nickname.as_deref(), Some("late"));
}

#[test]
fn a_delayed_answer_comes_after_its_change_and_in_full() {
    let lcic = meeting(Fault::Delay {
        seconds: 0.3,
        when: Moment::After,
    });
    let mut line = Line::to(lcic.addr());
    let sent = Instant::now();
    line.send(&Request::modify(json!({"UserId": "u"})));
    wait_for(|| lcic.user("u").is_some());
    assert_eq!(line.answer().error(), None);
    assert!(sent.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_truncated_answer_promises_more_than_it_sends() {
    let lcic = meeting(Fault::Truncated);
    let mut line = Line::to(lcic.addr());
    line.send(&Request::modify(json!({"UserId": "u"})));
    let mut all = Vec::new();
    line.stream
        .read_to_end(&mut all)
        .expect("an end, not a reset");
    let all = String::from_utf8(all).unwrap();
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    let (_, promised) = head.split_once("content-length: ").unwrap();
    let promised: usize = promised.lines().next().unwrap().parse().unwrap();
    assert!(head.starts_with("http/1.1 200"));
    assert!(!body.is_empty() && body.len() < promised, "{all}");
    assert_eq!(lcic.user("u").unwrap().writes, 1);
}

#[test]
fn a_success_can_lack_its_request_id() {
    let lcic = meeting(Fault::NoRequestId);
    let answer = send(&lcic, &Request::modify(json!({"UserId": "u"})));
    assert_eq!(answer.json(), json!({"Response": {}}));
    assert_eq!(lcic.user("u").unwrap().writes, 1);
}

#[test]
fn an_outage_meets_every_call_and_ends() {
    for (how, status) in [(OutageKind::Page, Some(502)), (OutageKind::Reset, None)] {
        let lcic = start(Config {
            faults: Faults {
                outages: vec![Outage {
                    from: 0.0,
                    to: 3.0,
                    how,
                }],
                ..Faults::default()
            },
            ..unlimited()
        });
        let mut line = Line::to(lcic.addr());
        line.send(&Request::modify(json!({"UserId": "u"})));
        assert_eq!(line.try_answer().ok().map(|answer| answer.status), status);
        wait_for(|| {
            let mut line = Line::to(lcic.addr());
            line.send(&Request::modify(json!({"UserId": "u"})));
            line.try_answer().is_ok_and(|answer| answer.status == 200)
        });
    }
}

#[test]
fn a_fault_behind_the_checks_waits_for_a_call_that_passes_them() {
    let lcic = meeting(Fault::Reset {
        when: Moment::After,
    });
    let mut unsigned = Request::modify(json!({"UserId": "u"}));
    unsigned.secret_key = "wrong".into();
    assert_eq!(
        send(&lcic, &unsigned).error().as_deref(),
        Some("AuthFailure.SignatureFailure")
    );
    let mut line = Line::to(lcic.addr());
    line.send(&Request::modify(json!({"UserId": "u"})));
    assert!(line.try_answer().is_err());
    assert_eq!(lcic.user("u").unwrap().writes, 1);
}

// ---- the books ----

#[test]
fn the_script_meets_the_user_it_names_so_often_as_it_says() {
    let lcic = start(Config {
        faults: Faults {
            script: vec![Entry {
                user: Some("u2".into()),
                times: Times::N(2),
                ..Entry::once(Fault::error("ResourceInUse"))
            }],
            ..Faults::default()
        },
        ..unlimited()
    });
    let codes: Vec<_> = ["u1", "u2", "u2", "u2"]
        .map(|user| send(&lcic, &Request::modify(json!({"UserId": user}))).error())
        .into();
    let busy = Some("ResourceInUse".to_owned());
    assert_eq!(codes, [None, busy.clone(), busy, None]);
}

#[test]
fn the_hook_hears_of_each_call_before_it_is_made_and_of_each_success_after() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let lcic = start(Config {
        on_call: Some(Arc::new(move |call, moment| {
            ears.lock().unwrap().push((call, moment));
        })),
        ..Config::default()
    });
    send(&lcic, &Request::modify(json!({"UserId": "u"})));
    send(&lcic, &Request::modify(json!({})));
    assert_eq!(
        *heard.lock().unwrap(),
        [(1, Moment::Before), (1, Moment::After), (2, Moment::Before)]
    );
}

#[test]
fn calls_under_way_together_are_counted_and_so_are_those_for_one_user() {
    let lcic = start(Config {
        latency: Latency {
            base: Duration::from_millis(300),
            ..Latency::default()
        },
        record_arrivals: true,
        ..unlimited()
    });
    let mut lines: Vec<Line> = ["u1", "u2", "u2"]
        .iter()
        .map(|user| {
            let mut line = Line::to(lcic.addr());
            line.send(&Request::modify(json!({"UserId": user})));
            line
        })
        .collect();
    for line in &mut lines {
        assert_eq!(line.answer().error(), None);
    }
    let stats = lcic.stats();
    assert_eq!((stats.max_concurrent, stats.overlaps), (3, 1));
    assert_eq!(stats.arrivals.len(), 3);
    assert!(stats.arrivals[0] >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_shutdown_lets_the_call_under_way_end_and_closes_the_port() {
    let lcic = Simulator::start(Config {
        answer_delay: Duration::from_millis(100),
        ..Config::default()
    })
    .await
    .unwrap();
    let address = lcic.addr();
    let call = tokio::task::spawn_blocking(move || {
        let mut line = Line::to(address);
        line.send(&Request::modify(json!({"UserId": "u"})));
        line.answer().error()
    });
    while lcic.stats().calls == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stats = lcic.shutdown().await;
    assert_eq!(stats.applied, 1);
    assert_eq!(call.await.unwrap(), None);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn dropping_it_closes_the_port() {
    let lcic = start(meets(Fault::Silence {
        when: Moment::Before,
    }));
    let address = lcic.addr();
    let mut line = Line::to(address);
    line.send(&Request::modify(json!({"UserId": "u"})));
    wait_for(|| lcic.stats().calls == 1);
    drop(lcic);
    wait_for(|| TcpStream::connect(address).is_err());
    assert!(line.try_answer().is_err());
}

// ---- helpers ----

fn start(config: Config) -> Running {
    Simulator::start_on_thread(config).unwrap()
}

fn unlimited() -> Config {
    Config {
        quota: None,
        ..Config::default()
    }
}

fn meets(fault: Fault) -> Config {
    Config {
        faults: Faults {
            script: vec![Entry::once(fault)],
            ..Faults::default()
        },
        ..Config::default()
    }
}

/// A simulator whose first call that gets there meets `fault`.
fn meeting(fault: Fault) -> Running {
    start(meets(fault))
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Makes some calls until all of them fell into one calendar second, then checks what they saw.
fn within_one_second<C: FnOnce()>(mut calls: impl FnMut() -> C) {
    let mut check = None;
    wait_for(|| {
        let second = Utc::now().timestamp();
        let seen = calls();
        let within = Utc::now().timestamp() == second;
        check = Some(seen);
        within
    });
    check.expect("waited for it")();
}

fn send(lcic: &Running, request: &Request) -> Answer {
    let mut line = Line::to(lcic.addr());
    line.send(request);
    line.answer()
}

/// A call, signed when it is sent. Every part can be made wrong.
struct Request {
    scheme: &'static str,
    secret_id: String,
    secret_key: String,
    time: i64,
    action: String,
    version: String,
    body: String,
    extra: String,
}

impl Request {
    fn new(action: &str, body: Value) -> Self {
        Self {
            scheme: "TC3-HMAC-SHA256",
            secret_id: Key::LOCAL_ID.into(),
            secret_key: Key::LOCAL_SECRET.into(),
            time: Utc::now().timestamp(),
            action: action.into(),
            version: "2022-08-17".into(),
            body: body.to_string(),
            extra: String::new(),
        }
    }

    fn modify(body: Value) -> Self {
        Self::new("ModifyUserProfile", body)
    }

    fn bytes(&self, host: SocketAddr) -> Vec<u8> {
        let Self {
            scheme,
            secret_id,
            secret_key,
            time,
            action,
            version,
            body,
            extra,
        } = self;
        let hash = |data: &str| hex::encode(Sha256::digest(data));
        let mac = |key: &[u8], data: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(data.as_bytes());
            mac.finalize().into_bytes().to_vec()
        };
        let date = DateTime::from_timestamp(*time, 0)
            .unwrap()
            .format("%Y-%m-%d")
            .to_string();
        let canonical = format!(
            "POST\n/\n\ncontent-type:application/json\nhost:{host}\n\ncontent-type;host\n{}",
            hash(body)
        );
        let scope = format!("{date}/lcic/tc3_request");
        let to_sign = format!("TC3-HMAC-SHA256\n{time}\n{scope}\n{}", hash(&canonical));
        let of_day = mac(format!("TC3{secret_key}").as_bytes(), &date);
        let signing_key = mac(&mac(&of_day, "lcic"), "tc3_request");
        let signature = hex::encode(mac(&signing_key, &to_sign));
        let length = body.len();
        format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             X-TC-Action: {action}\r\nX-TC-Version: {version}\r\nX-TC-Timestamp: {time}\r\n{extra}\
             Authorization: {scheme} Credential={secret_id}/{scope}, SignedHeaders=content-type;host, Signature={signature}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// A connection.
struct Line {
    stream: TcpStream,
    address: SocketAddr,
}

impl Line {
    fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream, address }
    }

    fn send(&mut self, request: &Request) {
        self.stream.write_all(&request.bytes(self.address)).unwrap();
    }

    fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer")
    }

    fn try_answer(&mut self) -> std::io::Result<Answer> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: Vec::new(),
        };
        let length = answer.header("content-length").unwrap().parse().unwrap();
        answer.body.resize(length, 0);
        self.stream.read_exact(&mut answer.body)?;
        Ok(answer)
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<String> {
        let line = |line: &str| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        };
        self.head.lines().find_map(line)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn error(&self) -> Option<String> {
        let answer = self.json();
        assert!(answer["Response"].is_object(), "{answer}");
        answer["Response"]["Error"]["Code"]
            .as_str()
            .map(str::to_owned)
    }

    fn request_id(&self) -> String {
        self.json()["Response"]["RequestId"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}
