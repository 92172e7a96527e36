use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc;
use std::thread;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::model::{FatalCause, Passing, Verdict};
use crate::tencent::answer::ClockNote;
use crate::tencent::credentials::{Credentials, Found, Issuers, Provider, ReachSettings, doubles};
use crate::tencent::http::BODY_LIMIT;
use crate::tencent::sign::Signer;
use crate::tencent::verdict;

const ID: &str = "AKID-FAKE-NOT-A-KEY-0000000000000001";
const KEY: &str = "fake-secret-key-for-tests-only-00001";
const NOON: i64 = 1_760_000_000;

const OK: &str = r#"{"Response":{"RequestId":"r-1"}}"#;
const EXPIRED: &str = r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire","Message":"m"},"RequestId":"r-2"}}"#;

#[tokio::test]
async fn a_call_is_exactly_this_request() {
    let server = Server::start([answer(200, "", OK), answer(200, "", OK)]);
    let transport = transport(&server.settings(None));
    let reply = transport.modify(&user(), &values()).await.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (200, OK.as_bytes()));

    let request = server.request();
    let body = "{\"UserId\":\"2kJJ\",\"Nickname\":\"张\\\"三\",\"Avatar\":\"\"}";
    assert_eq!(request.body, body);
    let host = server.address.to_string();
    let signed = Signer::new(ID, KEY.into(), "lcic").authorization(
        &Unsigned {
            method: "POST",
            path: "/",
            query: "",
            headers: &[("content-type", "application/json"), ("host", &host)],
            payload: Payload::Signed(body.as_bytes()),
        },
        moment(NOON),
    );
    let length = body.len().to_string();
    assert_eq!(request.line, "POST / HTTP/1.1");
    assert_eq!(
        request.headers,
        [
            // The HTTP client can't be talked out of this one; Python's sends it, too.
            ("accept", "*/*"),
            ("authorization", &signed),
            ("content-length", &length),
            ("content-type", "application/json"),
            ("host", &host),
            (
                "user-agent",
                concat!("lcic-sync/", env!("CARGO_PKG_VERSION"))
            ),
            ("x-tc-action", "ModifyUserProfile"),
            ("x-tc-language", "en-US"),
            ("x-tc-timestamp", "1760000000"),
            ("x-tc-version", "2022-08-17"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );

    // The next call goes over the same connection.
    transport.modify(&user(), &values()).await.unwrap();
    assert_eq!(server.request().connection, request.connection);
}

#[tokio::test]
async fn only_fields_to_set_travel_and_a_temporary_key_brings_its_token() {
    let server = Server::start([answer(200, "", OK)]);
    let transport = transport(&server.settings(Some("a-token")));
    let send = Values {
        nickname: None,
        avatar: Some("https://cdn.example.com/a.png".into()),
    };
    transport.modify(&user(), &send).await.unwrap();
    let request = server.request();
    assert_eq!(
        request.body,
        r#"{"UserId":"2kJJ","Avatar":"https://cdn.example.com/a.png"}"#
    );
    assert_eq!(request.header("x-tc-token"), Some("a-token"));
}

#[tokio::test]
async fn debug_of_a_request_shows_neither_token_nor_signature() {
    let transport = transport(&settings("http://127.0.0.1:1", Some("hush-token")));
    let keys = transport.keys.for_call().await.unwrap();
    let request = transport.request(MODIFY, b"hush-name".to_vec(), &keys, moment(NOON));
    let shown = format!("{:?}", request.unwrap());
    assert!(shown.contains("x-tc-token"), "{shown}");
    for secret in ["hush", "Signature=", ID] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn what_the_headers_of_an_answer_say_is_read() {
    let server = Server::start([
        answer(
            429,
            "Retry-After: 7\r\nDate: Thu, 09 Oct 2025 08:53:20 GMT\r\n",
            "",
        ),
        answer(
            503,
            "Date: Thu, 09 Oct 2025 08:53:20 GMT\r\nRetry-After: Thu, 09 Oct 2025 08:54:20 GMT\r\n",
            "",
        ),
        answer(503, "Retry-After: soon\r\nDate: today\r\n", ""),
    ]);
    let transport = transport(&server.settings(None));
    let reply = transport.modify(&user(), &values()).await.unwrap();
    assert_eq!(reply.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(reply.given_at(), Some(moment(NOON)));
    let reply = transport.modify(&user(), &values()).await.unwrap();
    assert_eq!(reply.retry_after, Some(Duration::from_secs(60)));
    let reply = transport.modify(&user(), &values()).await.unwrap();
    assert_eq!((reply.retry_after, reply.given_at()), (None, None));
}

#[test]
fn wishes_to_wait_are_read_and_bounded() {
    let now = moment(NOON);
    for (wish, expected) in [
        ("0", Some(0)),
        (" 120 ", Some(120)),
        ("99999999999999999999999999", Some(86_400)),
        ("Thu, 09 Oct 2025 08:53:19 GMT", Some(0)),
        ("Fri, 09 Oct 2099 08:53:19 GMT", Some(86_400)),
        ("-1", None),
        ("1.5", None),
        ("", None),
    ] {
        let expected = expected.map(Duration::from_secs);
        assert_eq!(retry_after(wish, now), expected, "{wish:?}");
    }
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Server::start([answer(200, "", OK)]);
        let to = format!("Location: http://{}/login?x=1\r\n", elsewhere.address);
        let server = Server::start([answer(status, &to, "")]);
        let transport = transport(&server.settings(None));
        let reply = transport.modify(&user(), &values()).await.unwrap();
        assert_eq!(reply.redirected_to.as_deref(), Some("127.0.0.1"));
        let Verdict::Fatal { cause, fault } = verdict(&Ok(reply)) else {
            panic!("{status} is fatal");
        };
        assert_eq!(cause, FatalCause::Service);
        assert_eq!(fault.code, format!("http {status}"));
        assert_eq!(fault.message, "redirected to 127.0.0.1");
        server.request();
        elsewhere.saw_nothing();
    }
}

#[tokio::test]
async fn what_may_have_left_is_no_answer_and_is_not_sent_again() {
    for (what, script) in [
        ("reset", Act::Reset),
        ("closed", Act::Close),
        ("hung", Act::Hang),
        (
            "body cut off",
            Act::AnswerAndClose(format!("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{OK}")),
        ),
        (
            "chunk cut off",
            Act::AnswerAndClose(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{".to_owned(),
            ),
        ),
        (
            "head cut off",
            Act::AnswerAndClose("HTTP/1.1 200 OK\r\nConte".to_owned()),
        ),
        (
            "not http",
            Act::AnswerAndClose("SSH-2.0-OpenSSH_9.9\r\n".to_owned()),
        ),
        (
            "body that never ends",
            Act::AnswerAndHang("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_owned()),
        ),
    ] {
        // On a fresh connection, and on one that was used before.
        for used in [false, true] {
            let first = used.then(|| answer(200, "", OK));
            let server = Server::start(first.into_iter().chain([script.clone()]));
            let hangs = matches!(script, Act::Hang | Act::AnswerAndHang(_));
            let transport = transport(&HttpSettings {
                timeout: Duration::from_secs(if hangs { 1 } else { 30 }),
                ..server.settings(None)
            });
            if used {
                transport.modify(&user(), &values()).await.unwrap();
                server.request();
            }
            let result = transport.modify(&user(), &values()).await;
            let error = result.as_ref().expect_err(what);
            assert_eq!(error.kind, CallErrorKind::NoAnswer, "{what}: {error}");
            assert_eq!(passing(&result), Passing::NoAnswer, "{what}");
            if !matches!(script, Act::Reset) {
                server.request();
            }
            server.saw_nothing();
        }
    }
}

#[tokio::test]
async fn a_body_over_64_kb_is_not_read_to_its_end() {
    let endless = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_owned();
    let long = endless + &" ".repeat(BODY_LIMIT + 1);
    let largest = format!("{OK}{}", " ".repeat(BODY_LIMIT - OK.len()));
    let server = Server::start([answer(200, "", &largest), Act::AnswerAndHang(long)]);
    let transport = transport(&server.settings(None));
    let result = transport.modify(&user(), &values()).await;
    assert!(matches!(verdict(&result), Verdict::Accepted { .. }));
    let result = transport.modify(&user(), &values()).await;
    assert!(result.as_ref().is_ok_and(|reply| reply.oversized));
    assert_eq!(passing(&result), Passing::NoAnswer);
}

#[tokio::test]
async fn what_never_left_is_told_so() {
    // A port that nobody listens on.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let result = transport(&settings(&format!("http://{address}"), None))
        .modify(&user(), &values())
        .await;
    is_not_sent(&result, CallErrorKind::ConnectionFailed);

    // A name that does not resolve.
    let https = settings("https://lcic.tencentcloudapi.invalid", None);
    let resolver = |builder: ClientBuilder| builder.no_proxy().dns_resolver(Arc::new(NoNames));
    let result = HttpTransport::with(&https, resolver)
        .unwrap()
        .modify(&user(), &values())
        .await;
    is_not_sent(&result, CallErrorKind::NameNotFound);

    // Servers that do not speak TLS: one answers in plain text, one hangs up.
    for greeting in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let plain = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = plain.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = plain.accept().unwrap();
            let mut hello = [0; 4096];
            let _ = stream.read(&mut hello);
            let _ = stream.write_all(greeting.as_bytes());
        });
        let result = transport(&settings(&format!("https://{address}"), None))
            .modify(&user(), &values())
            .await;
        is_not_sent(&result, CallErrorKind::TlsFailed);
    }

    // One that says nothing when TLS should begin.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let result = transport(&HttpSettings {
        timeout: Duration::from_millis(400),
        ..settings(&format!("https://{}", silent.local_addr().unwrap()), None)
    })
    .modify(&user(), &values())
    .await;
    is_not_sent(&result, CallErrorKind::ConnectionFailed);
}

#[tokio::test]
async fn a_proxy_that_refuses_has_not_let_anything_out() {
    for (answer, kind) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            CallErrorKind::ProxyAuthentication,
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            CallErrorKind::ProxyFailed,
        ),
    ] {
        let proxy = Server::start([Act::AnswerAndClose(answer.to_owned())]);
        let url = format!("http://{}", proxy.address);
        let https = settings("https://lcic.tencentcloudapi.com", None);
        let result = HttpTransport::with(&https, |builder| {
            builder.proxy(reqwest::Proxy::all(url).unwrap())
        })
        .unwrap()
        .modify(&user(), &values())
        .await;
        let request = proxy.request();
        assert_eq!(
            request.line,
            "CONNECT lcic.tencentcloudapi.com:443 HTTP/1.1"
        );
        assert_eq!(request.header("authorization"), None);
        match kind {
            CallErrorKind::ProxyAuthentication => {
                assert_eq!(result.as_ref().unwrap_err().kind, kind);
                let verdict = verdict(&result);
                assert!(matches!(verdict, Verdict::Fatal { .. }), "{verdict:?}");
            }
            _ => is_not_sent(&result, kind),
        }
    }
}

#[tokio::test]
async fn a_call_is_signed_with_the_corrected_clock() {
    let date = "Date: Thu, 09 Oct 2025 09:53:20 GMT\r\n";
    let server = Server::start([
        answer(200, date, EXPIRED),
        answer(200, date, OK),
        answer(200, date, EXPIRED),
    ]);
    let transport = transport(&server.settings(None));

    let result = transport.modify(&user(), &values()).await;
    let clock = result.as_ref().unwrap().clock;
    assert_eq!(clock, ClockNote::Corrected(TimeDelta::hours(1)));
    assert_eq!(passing(&result), Passing::Mended);
    let before = server.request();
    assert_eq!(before.header("x-tc-timestamp"), Some("1760000000"));

    let result = transport.modify(&user(), &values()).await;
    assert_eq!(result.as_ref().unwrap().clock, ClockNote::Untouched);
    assert!(matches!(verdict(&result), Verdict::Accepted { .. }));
    let after = server.request();
    assert_eq!(after.header("x-tc-timestamp"), Some("1760003600"));

    // By the service's own time the clock is right now: this means something else.
    let result = transport.modify(&user(), &values()).await;
    let verdict = verdict(&result);
    assert!(
        matches!(
            verdict,
            Verdict::Fatal {
                cause: FatalCause::Key,
                ..
            }
        ),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn refused_keys_are_renewed_once_and_id_key_and_token_change_together() {
    let refused = |code: &str| {
        let body = format!(
            r#"{{"Response":{{"Error":{{"Code":"{code}","Message":"m"}},"RequestId":"r"}}}}"#
        );
        answer(200, "", &body)
    };
    let token = || refused("AuthFailure.TokenFailure");
    let server = Server::start([
        token(),
        answer(200, "", OK),
        token(),
        token(),
        refused("AuthFailure.SignatureFailure"),
    ]);
    let given = std::sync::atomic::AtomicI64::new(0);
    let issuer = doubles::metadata(move |_| {
        let n = given.fetch_add(1, Ordering::Relaxed);
        doubles::Answer::Text(200, doubles::machine_keys(&format!("k{n}"), NOON + 7200))
    });
    let issuers = Issuers {
        metadata: issuer.url().parse().unwrap(),
        ..Issuers::default()
    };
    let found = Found::of(Provider::of_this_machine(), issuers);
    let open = ReachSettings {
        extra_ca: None,
        wall_clock: Arc::new(|| moment(NOON)),
    };
    let transport = transport(&HttpSettings {
        keys: found.open(open).await.unwrap(),
        ..server.settings(None)
    });
    for (name, expected) in [
        ("k0", "mended"),
        ("k1", "accepted"),
        ("k1", "mended"),
        // The second in a row.
        ("k2", "fatal"),
        ("k2", "fatal"),
    ] {
        let result = transport.modify(&user(), &values()).await;
        let told = match verdict(&result) {
            Verdict::Again {
                passing: Passing::Mended,
                ..
            } => "mended",
            Verdict::Accepted { .. } => "accepted",
            Verdict::Fatal {
                cause: FatalCause::Key,
                ..
            } => "fatal",
            other => panic!("{other:?}"),
        };
        assert_eq!(told, expected, "{name}");
        let request = server.request();
        let authorization = request.header("authorization").unwrap();
        let id = format!("Credential=AKID{name}/");
        assert!(authorization.contains(&id), "{authorization}");
        let token = format!("hush-token-{name}");
        assert_eq!(request.header("x-tc-token"), Some(&*token));
    }
}

#[tokio::test]
async fn without_keys_nothing_is_sent() {
    let server = Server::start([answer(200, "", OK)]);
    for (status, kind, class) in [
        (500, CallErrorKind::KeysNotRenewed, "again"),
        (404, CallErrorKind::KeysOver, "fatal"),
        // New ones come, but a call that waited has outlived its permit.
        (200, CallErrorKind::KeysNotRenewed, "again"),
    ] {
        let issuer = doubles::metadata(move |n| match n {
            0 => doubles::Answer::Text(200, doubles::machine_keys("k", NOON + 7200)),
            _ => doubles::Answer::Text(status, doubles::machine_keys("n", NOON + 14_400)),
        });
        let issuers = Issuers {
            metadata: issuer.url().parse().unwrap(),
            ..Issuers::default()
        };
        let seconds = Arc::new(AtomicI64::new(NOON));
        let read = Arc::clone(&seconds);
        let open = ReachSettings {
            extra_ca: None,
            wall_clock: Arc::new(move || moment(read.load(Ordering::Relaxed))),
        };
        let found = Found::of(Provider::of_this_machine(), issuers);
        let transport = transport(&HttpSettings {
            keys: found.open(open).await.unwrap(),
            ..server.settings(None)
        });
        seconds.store(NOON + 7200, Ordering::Relaxed);
        let result = transport.modify(&user(), &values()).await;
        assert_eq!(result.as_ref().unwrap_err().kind, kind);
        match verdict(&result) {
            Verdict::Again {
                passing: Passing::NotSent,
                ..
            } => assert_eq!(class, "again"),
            Verdict::Fatal {
                cause: FatalCause::Key,
                ..
            } => assert_eq!(class, "fatal"),
            other => panic!("{other:?}"),
        }
        server.saw_nothing();
        if status == 200 {
            transport.modify(&user(), &values()).await.unwrap();
            let token = server.request();
            assert_eq!(token.header("x-tc-token"), Some("hush-token-n"));
        }
    }
}

#[tokio::test]
async fn each_call_is_signed_for_its_own_moment() {
    let server = Server::start([answer(200, "", OK), answer(200, "", OK)]);
    let seconds = Arc::new(AtomicI64::new(NOON));
    let read = Arc::clone(&seconds);
    let transport = transport(&HttpSettings {
        wall_clock: Arc::new(move || moment(read.load(Ordering::Relaxed))),
        ..server.settings(None)
    });
    for (at, date) in [(NOON, "2025-10-09"), (NOON + 86_400, "2025-10-10")] {
        seconds.store(at, Ordering::Relaxed);
        transport.modify(&user(), &values()).await.unwrap();
        let request = server.request();
        let authorization = request.header("authorization").unwrap();
        assert!(authorization.contains(date), "{authorization}");
        let timestamp = request.header("x-tc-timestamp").unwrap();
        assert_eq!(timestamp, at.to_string());
    }
}

#[tokio::test]
async fn a_call_fits_into_a_task_and_a_double_into_its_place() {
    struct Double;
    impl Transport for Double {
        async fn modify(&self, _: &UserId, _: &Values) -> Result<Reply, CallError> {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(Reply::new(200, OK))
        }

        async fn describe(&self, _: &UserId) -> Result<Reply, CallError> {
            Ok(Reply::new(200, OK))
        }
    }
    fn call(transport: Arc<impl Transport>) -> tokio::task::JoinHandle<Result<Reply, CallError>> {
        tokio::spawn(async move { transport.modify(&user(), &values()).await })
    }
    assert!(call(Arc::new(Double)).await.unwrap().is_ok());
    let server = Server::start([answer(200, "", OK)]);
    let transport = Arc::new(transport(&server.settings(None)));
    assert!(call(transport).await.unwrap().is_ok());
}

/// In a process of its own, since the variables are read when the client is made.
#[test]
fn a_loopback_endpoint_bypasses_the_proxies_of_the_system() {
    const INSIDE: &str = "LCIC_SYNC_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_none() {
        let mut this_test = std::process::Command::new(std::env::current_exe().unwrap());
        this_test.args(["--exact", "--nocapture", thread::current().name().unwrap()]);
        this_test.env(INSIDE, "1");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            // Nobody listens there.
            this_test.env(name, "http://user:hush@127.0.0.1:9");
            this_test.env(name.to_lowercase(), "http://user:hush@127.0.0.1:9");
        }
        this_test.env_remove("NO_PROXY").env_remove("no_proxy");
        let output = this_test.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}"
        );
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = Server::start([answer(200, "", OK)]);
        let direct = transport(&server.settings(None));
        assert_eq!(direct.proxy(), None);
        assert!(direct.modify(&user(), &values()).await.is_ok());

        // Elsewhere they are used, and named without the password.
        let proxied = transport(&settings("https://lcic.tencentcloudapi.com", None));
        assert_eq!(proxied.proxy(), Some("127.0.0.1:9"));
        let result = proxied.modify(&user(), &values()).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind, CallErrorKind::ProxyFailed, "{error}");
        assert!(error.detail.contains("127.0.0.1:9"), "{error}");
        assert!(!error.detail.contains("hush"), "{error}");
    });
}

#[tokio::test]
async fn an_authority_of_a_file_is_trusted_and_no_other() {
    let address = serve_tls();
    let endpoint = format!("https://{address}");
    let result = transport(&settings(&endpoint, None))
        .modify(&user(), &values())
        .await;
    is_not_sent(&result, CallErrorKind::TlsFailed);

    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/ca.pem");
    let trusting = transport(&HttpSettings {
        extra_ca: Some(ca.into()),
        ..settings(&endpoint, None)
    });
    let result = trusting.modify(&user(), &values()).await;
    assert!(
        matches!(verdict(&result), Verdict::Accepted { .. }),
        "{result:?}"
    );

    // A good certificate for another name.
    let elsewhere = format!("https://localhost:{}", address.port());
    let result = transport(&HttpSettings {
        extra_ca: Some(ca.into()),
        ..settings(&elsewhere, None)
    })
    .modify(&user(), &values())
    .await;
    is_not_sent(&result, CallErrorKind::TlsFailed);
}

#[test]
fn a_file_of_certificates_that_is_none_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_owned();
    for (extra_ca, invalid) in [(path.clone(), true), (path.join("missing"), false)] {
        let error = HttpTransport::new(HttpSettings {
            extra_ca: Some(extra_ca),
            ..settings("https://lcic.tencentcloudapi.com", None)
        })
        .err()
        .expect("an error");
        let is_invalid = matches!(error, ClientError::CaInvalid { .. });
        assert_eq!(is_invalid, invalid, "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_body_says_what_was_asked_for(
        id in ".+",
        nickname in proptest::option::of(".*"),
        avatar in proptest::option::of(".*"),
    ) {
        let send = Values {
            nickname: nickname.as_deref().map(Arc::from),
            avatar: avatar.as_deref().map(Arc::from),
        };
        let body = to_body(&UserId::new(&id).unwrap(), &send);
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let mut expected = serde_json::json!({ "UserId": id });
        for (name, value) in [("Nickname", nickname), ("Avatar", avatar)] {
            if let Some(value) = value {
                expected[name] = value.into();
            }
        }
        prop_assert_eq!(said, expected);
    }
}

fn is_not_sent(result: &Result<Reply, CallError>, kind: CallErrorKind) {
    let error = result.as_ref().expect_err("nobody is there to answer");
    assert_eq!(error.kind, kind, "{error}");
    assert_eq!(passing(result), Passing::NotSent);
}

fn passing(result: &Result<Reply, CallError>) -> Passing {
    match verdict(result) {
        Verdict::Again { passing, .. } => passing,
        other => panic!("{other:?}"),
    }
}

fn transport(settings: &HttpSettings) -> HttpTransport {
    HttpTransport::new(settings.clone()).unwrap()
}

fn settings(endpoint: &str, token: Option<&str>) -> HttpSettings {
    HttpSettings {
        endpoint: Endpoint::parse(endpoint).unwrap(),
        keys: Keyring::fixed(Credentials::new(ID, KEY, token).unwrap()),
        timeout: Duration::from_secs(30),
        concurrency: 4,
        extra_ca: None,
        wall_clock: Arc::new(|| moment(NOON)),
    }
}

fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn user() -> UserId {
    UserId::new("2kJJ").unwrap()
}

fn values() -> Values {
    Values {
        nickname: Some("张\"三".into()),
        avatar: Some("".into()),
    }
}

struct NoNames;

impl reqwest::dns::Resolve for NoNames {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async { Err("no such name".into()) })
    }
}

/// What the server does with a request.
#[derive(Clone)]
enum Act {
    Answer(String),
    AnswerAndClose(String),
    AnswerAndHang(String),
    Hang,
    Close,
    /// Closes with half of the request unread, which sends a reset.
    Reset,
}

fn answer(status: u16, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Answer(format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: text/html\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    ))
}

struct Seen {
    connection: SocketAddr,
    line: String,
    /// In lower case, by name.
    headers: Vec<(String, String)>,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name)?;
        Some(&found.1)
    }
}

/// Does with one request after another what the script says, on however many connections, and
/// closes every connection once the script has ended.
struct Server {
    address: SocketAddr,
    seen: mpsc::Receiver<Seen>,
}

impl Server {
    fn start(script: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let script: Arc<Mutex<VecDeque<Act>>> = Arc::new(Mutex::new(script.into_iter().collect()));
        let (tell, seen) = mpsc::channel();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (script, tell) = (Arc::clone(&script), tell.clone());
                thread::spawn(move || serve(connection.unwrap(), &script, &tell));
            }
        });
        Self { address, seen }
    }

    fn settings(&self, token: Option<&str>) -> HttpSettings {
        settings(&format!("http://{}", self.address), token)
    }

    fn request(&self) -> Seen {
        self.seen
            .recv_timeout(Duration::from_secs(10))
            .expect("the server saw a request")
    }

    fn saw_nothing(&self) {
        assert!(self.seen.try_recv().is_err(), "the server saw a request");
    }
}

fn serve(mut stream: TcpStream, script: &Mutex<VecDeque<Act>>, seen: &mpsc::Sender<Seen>) {
    let next = || script.lock().unwrap().pop_front();
    loop {
        if matches!(script.lock().unwrap().front(), Some(Act::Reset)) {
            let mut few = [0; 16];
            if stream.read(&mut few).unwrap_or(0) > 0 {
                next();
            }
            return;
        }
        let Some(request) = read_request(&mut stream) else {
            return;
        };
        let act = next();
        let _ = seen.send(request);
        match act {
            Some(Act::Answer(text)) => {
                let _ = stream.write_all(text.as_bytes());
            }
            Some(Act::AnswerAndClose(text)) => {
                let _ = stream.write_all(text.as_bytes());
                return;
            }
            Some(Act::AnswerAndHang(text)) => {
                let _ = stream.write_all(text.as_bytes());
                let _ = stream.read(&mut [0]);
                return;
            }
            Some(Act::Hang) => {
                let _ = stream.read(&mut [0]);
                return;
            }
            Some(Act::Close | Act::Reset) | None => return,
        }
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let connection = stream.peer_addr().ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let mut headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    headers.sort();
    let mut seen = Seen {
        connection,
        line,
        headers,
        body: String::new(),
    };
    let length = seen
        .header("content-length")
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    seen.body = String::from_utf8(body).ok()?;
    Some(seen)
}

/// Answers one request on each connection, under TLS.
fn serve_tls() -> SocketAddr {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");
    let certificate = CertificateDer::from_pem_file(format!("{directory}/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{directory}/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream.unwrap());
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"}") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                request.push(byte[0]);
            }
            let length = OK.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{OK}"
            );
            let _ = stream.flush();
        }
    });
    address
}
