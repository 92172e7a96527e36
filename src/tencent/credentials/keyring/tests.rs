use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::atomic::AtomicI64;

use super::*;
use crate::tencent::credentials::doubles::{
    Answer, Asked, Double, machine_keys, metadata, role_keys,
};
use crate::tencent::credentials::{Found, OpenError, find_in};
use crate::tencent::endpoint::Endpoint;
use crate::tencent::sign::{Payload, Unsigned};

const NOON: i64 = 1_760_000_000;
const ARN: &str = "qcs::cam::uin/1:roleName/sync";

#[tokio::test]
async fn the_role_of_this_machine_gives_keys_that_travel_as_one() {
    let issuer = metadata(|_| Answer::Text(200, machine_keys("one", NOON + 7200)));
    let world = World::new(&issuer);
    let keyring = world.open(&[]).await.unwrap();
    assert_eq!(keyring.identity(), &Identity::Role("cvm-role:sync".into()));
    assert_eq!(signs_as(&keyring).await, "one");
    let expiry = keyring.expiry().unwrap();
    assert_eq!(expiry.at.timestamp(), NOON + 7200);
    assert_eq!(expiry.left, TimeDelta::hours(2));
    assert_eq!(issuer.asked().len(), 2);
}

#[tokio::test]
async fn near_their_end_keys_are_renewed_while_calls_go_on_with_the_old() {
    let issuer =
        metadata(|n| Answer::Text(200, machine_keys(NAMES[n], NOON + 7200 * (n as i64 + 1))));
    let world = World::new(&issuer);
    let keyring = world.open(&[]).await.unwrap();
    world.set(NOON + 7200 - 301);
    assert_eq!(signs_as(&keyring).await, "one");
    assert_eq!(issuer.asked().len(), 2, "five minutes are enough");
    world.set(NOON + 7200 - 300);
    assert_eq!(signs_as(&keyring).await, "one");
    assert_eq!(signs_as(&keyring).await, "one");
    comes_to(&keyring, "two").await;
    assert_eq!(
        issuer.asked().len(),
        3,
        "one question, and the name is known"
    );
}

#[tokio::test]
async fn keys_that_have_ended_are_waited_for_in_one_flight() {
    let issuer =
        metadata(|n| Answer::Text(200, machine_keys(NAMES[n], NOON + 7200 * (n as i64 + 1))));
    let world = World::new(&issuer);
    let keyring = world.open(&[]).await.unwrap();
    // As after a night's sleep.
    world.set(NOON + 7200 + 100);
    let calls = (0..20).map(|_| {
        let keyring = Arc::clone(&keyring);
        tokio::spawn(async move { signs_as(&keyring).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), "two");
    }
    assert_eq!(issuer.asked().len(), 3);
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_old_keys_and_is_tried_again() {
    let issuer = metadata(|n| match n {
        0 => Answer::Text(200, machine_keys("one", NOON + 7200)),
        1..=3 => Answer::Text(500, "<h1>hush</h1>".into()),
        _ => Answer::Text(200, machine_keys("two", NOON + 9999)),
    });
    let world = World::new(&issuer);
    let keyring = world.open(&[]).await.unwrap();
    for (at, n_asked) in [(7000, 3), (7010, 3), (7031, 4)] {
        world.set(NOON + at);
        assert_eq!(signs_as(&keyring).await, "one");
        until(|| issuer.asked().len() == n_asked && !keyring.background().is_busy).await;
    }
    // They have ended: now it is an error, of a kind that may pass, and the same for all who wait.
    world.set(NOON + 7195);
    let error = keyring.for_call().await.unwrap_err();
    assert!(error.may_pass(), "{error}");
    assert_eq!(
        error.to_string(),
        "the metadata service of this machine: http 500"
    );
    assert_eq!(signs_as(&keyring).await, "two");
}

#[tokio::test]
async fn those_who_waited_share_the_failure() {
    let issuer = metadata(|n| match n {
        0 => Answer::Text(200, machine_keys("one", NOON + 7200)),
        _ => {
            std::thread::sleep(std::time::Duration::from_millis(200));
            Answer::Text(500, String::new())
        }
    });
    let world = World::new(&issuer);
    let keyring = world.open(&[]).await.unwrap();
    world.set(NOON + 7200);
    let calls = (0..20).map(|_| {
        let keyring = Arc::clone(&keyring);
        tokio::spawn(async move { keyring.for_call().await.is_err() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(call.await.unwrap());
    }
    assert_eq!(issuer.asked().len(), 3);
}

#[tokio::test]
async fn refused_keys_are_renewed_once() {
    let issuer = metadata(|n| Answer::Text(200, machine_keys(NAMES[n], NOON + 7200)));
    let keyring = World::new(&issuer).open(&[]).await.unwrap();
    let one = keyring.for_call().await.unwrap();
    assert_eq!(
        keyring.doubted(&one, Doubt::Token).await.unwrap(),
        Mending::Renewed
    );
    // Calls that were under way meanwhile.
    for doubt in [Doubt::Token, Doubt::Key] {
        let mending = keyring.doubted(&one, doubt).await.unwrap();
        assert_eq!(mending, Mending::RenewedBefore);
    }
    one.accepted();
    // The second time in a row.
    let two = keyring.for_call().await.unwrap();
    for doubt in [Doubt::Token, Doubt::Key] {
        assert_eq!(keyring.doubted(&two, doubt).await.unwrap(), Mending::None);
    }
    assert_eq!(signs_as(&keyring).await, "two");
    // No longer in a row.
    two.accepted();
    assert_eq!(
        keyring.doubted(&two, Doubt::Key).await.unwrap(),
        Mending::None
    );
    assert_eq!(
        keyring.doubted(&two, Doubt::Token).await.unwrap(),
        Mending::Renewed
    );
    assert_eq!(signs_as(&keyring).await, "three");
}

#[tokio::test]
async fn a_key_that_the_service_does_not_know_is_doubted_only_while_it_is_new() {
    let issuer = metadata(|n| Answer::Text(200, machine_keys(NAMES[n], NOON + 7200)));
    let world = World::new(&issuer);
    let keyring = world.open(&[]).await.unwrap();
    let one = keyring.for_call().await.unwrap();
    assert_eq!(
        keyring.doubted(&one, Doubt::Key).await.unwrap(),
        Mending::Renewed
    );
    let keyring = world.open(&[]).await.unwrap();
    let known = keyring.for_call().await.unwrap();
    known.accepted();
    assert_eq!(
        keyring.doubted(&known, Doubt::Key).await.unwrap(),
        Mending::None
    );
}

#[tokio::test]
async fn a_key_as_it_is_has_no_other() {
    let credentials = Credentials::new("AKIDx", "k", Some("t")).unwrap();
    let keyring = Keyring::fixed(credentials);
    let keys = keyring.for_call().await.unwrap();
    for doubt in [Doubt::Token, Doubt::Key] {
        assert_eq!(keyring.doubted(&keys, doubt).await.unwrap(), Mending::None);
    }
    assert_eq!(keyring.expiry(), None);
    assert_eq!(keyring.identity(), &Identity::Unnamed);
}

#[tokio::test]
async fn whose_keys_they_are_does_not_change_when_the_machine_s_role_does() {
    let issuer = Double::start(|n, _| match n {
        0 => Answer::Text(200, "sync\n".into()),
        1 => Answer::Text(200, machine_keys("one", NOON + 7200)),
        _ => Answer::Text(404, String::new()),
    });
    let world = World::new(&issuer);
    let keyring = world.open(&[]).await.unwrap();
    world.set(NOON + 7200);
    let error = keyring.for_call().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the role sync is not bound to this machine any more"
    );
    assert!(!error.may_pass());
    assert!(
        issuer.asked()[2]
            .line
            .ends_with("security-credentials/sync HTTP/1.1")
    );
}

#[tokio::test]
async fn lives_are_reckoned_by_the_clock_of_who_gives_the_keys() {
    // This machine is four hours ahead: by its own clock the keys ended long ago.
    let issuer = metadata(|_| {
        let date = "Thu, 09 Oct 2025 08:53:20 GMT";
        Answer::Dated(date.into(), machine_keys("one", NOON + 7200))
    });
    let world = World::new(&issuer);
    world.set(NOON + 4 * 3600);
    let keyring = world.open(&[]).await.unwrap();
    assert_eq!(keyring.expiry().unwrap().left, TimeDelta::hours(2));
    assert_eq!(signs_as(&keyring).await, "one");
}

#[tokio::test]
async fn so_are_the_lives_of_roles() {
    let sts = Double::start(|_, _| {
        let date = "Thu, 09 Oct 2025 08:53:20 GMT";
        Answer::Dated(date.into(), role_keys("role", NOON + 7200))
    });
    let world = World::new(&sts);
    // Within what the signature's check allows.
    world.set(NOON + 240);
    let keyring = world.open(&ROLE).await.unwrap();
    assert_eq!(keyring.expiry().unwrap().left, TimeDelta::hours(2));
}

/// In a process of its own, since the variables are read when the client is made.
#[test]
fn the_metadata_service_is_never_asked_through_a_proxy() {
    const INSIDE: &str = "LCIC_SYNC_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_none() {
        let mut this_test = std::process::Command::new(std::env::current_exe().unwrap());
        let name = std::thread::current().name().unwrap().to_owned();
        this_test.args(["--exact", "--nocapture", &name]);
        this_test.env(INSIDE, "1");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            // Nobody listens there.
            this_test.env(name, "http://127.0.0.1:9");
            this_test.env(name.to_lowercase(), "http://127.0.0.1:9");
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
        let issuer = metadata(|_| Answer::Text(200, machine_keys("one", NOON + 7200)));
        let keyring = World::new(&issuer).open(&[]).await.unwrap();
        assert_eq!(signs_as(&keyring).await, "one");
    });
}

#[test]
fn short_lives_are_used_for_half_and_long_ones_end_early() {
    let now = moment(NOON);
    for (life, renew_after, over_after) in [
        (Life::of_machine(moment(NOON + 7200), now), 6900, 7190),
        (Life::of_role(moment(NOON + 7200), now), 6480, 7190),
        (Life::of_role(moment(NOON + 43_200), now), 38_880, 43_190),
        (Life::of_role(moment(NOON + 900), now), 600, 890),
        (Life::of_machine(moment(NOON + 400), now), 200, 390),
        (Life::of_machine(moment(NOON + 50), now), 25, 45),
        (Life::of_machine(moment(NOON + 1), now), 1, 0),
    ] {
        let schedule = Schedule::new(life.unwrap(), now);
        let seconds = |at: DateTime<Utc>| (at - now).num_seconds();
        let found = (seconds(schedule.renew_at), seconds(schedule.over_at));
        assert_eq!(found, (renew_after, over_after));
    }
    for end in [NOON, NOON - 1] {
        let error = Life::of_machine(moment(end), now).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the keys that were given ended at 2025-10-09T08:53")
        );
    }
}

#[tokio::test]
async fn outside_the_cloud_it_is_said_where_keys_were_looked_for() {
    type Answers = fn(usize, &Asked) -> Answer;
    let table: [(Answers, &str); 6] = [
        (
            |_, _| Answer::Text(404, String::new()),
            "127.0.0.1 says that none is bound",
        ),
        (
            |_, _| Answer::Text(502, String::new()),
            "127.0.0.1 answers http 502",
        ),
        (
            |_, _| Answer::Text(302, String::new()),
            "127.0.0.1 answers http 302",
        ),
        (
            |_, _| Answer::Text(200, "<html>Log in to hush-hotel</html>".into()),
            "what answers as 127.0.0.1 is no metadata service",
        ),
        (
            |_, _| Answer::Text(200, String::new()),
            "what answers as 127.0.0.1 is no metadata service",
        ),
        (|_, _| Answer::Silence, "127.0.0.1: no answer within 1.5 s"),
    ];
    for (answers, expected) in table {
        let world = World::new(&Double::start(answers));
        let error = world.open(&[]).await.unwrap_err();
        assert!(matches!(error, OpenError::NotFound { .. }), "{error}");
        let text = error.to_string();
        let home = world.home.path().display();
        assert_eq!(
            text,
            format!(
                "no credentials found (looked at TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_CREDENTIALS_FILE, \
                 {home}/.tencentcloud/credentials, {home}/system, {home}/.tccli/default.credential, \
                 TKE_ROLE_ARN, the role of this machine)\n\
                 hint: set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY\n\
                 hint: if this is a CVM with a role: {expected}"
            )
        );
        assert!(!text.contains("hush"), "{text}");
    }
}

#[tokio::test]
async fn a_metadata_service_with_senseless_keys_is_an_error_that_shows_nothing() {
    let good = machine_keys("one", NOON + 7200);
    for (body, expected) in [
        ("hush".to_owned(), "its answer has no JSON object"),
        ("{}".to_owned(), "its answer has a Code other than Success"),
        (
            good.replace("Success", "hush"),
            "its answer has a Code other than Success",
        ),
        (
            good.replace("TmpSecretKey", "Other"),
            "its answer has not all of a key",
        ),
        (
            good.replace("hush-token-one", ""),
            "its answer has a key of which a part is empty",
        ),
        (
            good.replace("hush-token-one", "hush hush"),
            "its answer has a key of which a part has a blank inside",
        ),
        (
            good.replace("ExpiredTime", "Other"),
            "its answer has no ExpiredTime",
        ),
        (
            machine_keys("one", NOON),
            "the keys that were given ended at 2025-10-09T08:53:20Z",
        ),
        (" ".repeat(70_000), "its answer is no short text"),
    ] {
        let issuer = metadata(move |_| Answer::Text(200, body.clone()));
        let error = World::new(&issuer).open(&[]).await.unwrap_err();
        let text = format!("{error}");
        assert!(text.contains(expected), "{text}");
        assert!(!format!("{text}{error:?}").contains("hush"), "{text}");
    }
}

#[tokio::test]
async fn a_role_is_assumed_with_the_keys_found() {
    let sts = Double::start(|_, _| Answer::Text(200, role_keys("role", NOON + 7200)));
    let world = World::new(&sts);
    let variables = [
        ("TENCENTCLOUD_SECRET_ID", "AKIDfound"),
        ("TENCENTCLOUD_SECRET_KEY", "hush-key"),
        ("TENCENTCLOUD_ROLE_ARN", ARN),
    ];
    let keyring = world.open(&variables).await.unwrap();
    assert_eq!(keyring.identity(), &Identity::Role(ARN.into()));
    assert_eq!(keyring.provider().source(), Source::Environment);
    assert_eq!(signs_as(&keyring).await, "role");

    let asked = &sts.asked()[0];
    let body = r#"{"DurationSeconds":7200,"RoleArn":"qcs::cam::uin/1:roleName/sync","RoleSessionName":"lcic-sync"}"#;
    assert_eq!(
        (asked.line.as_str(), asked.body.as_str()),
        ("POST / HTTP/1.1", body)
    );
    let host = sts.address.to_string();
    let signed = Signer::new("AKIDfound", "hush-key".into(), "sts").authorization(
        &Unsigned {
            method: "POST",
            path: "/",
            query: "",
            headers: &[("content-type", "application/json"), ("host", &host)],
            payload: Payload::Signed(body.as_bytes()),
        },
        moment(NOON),
    );
    for (name, value) in [
        ("authorization", Some(signed.as_str())),
        ("content-type", Some("application/json")),
        ("host", Some(&host)),
        ("x-tc-action", Some("AssumeRole")),
        ("x-tc-version", Some("2018-08-13")),
        ("x-tc-region", Some("ap-guangzhou")),
        ("x-tc-timestamp", Some("1760000000")),
        ("x-tc-token", None),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
    // Temporary keys bring their token, and the session may have another name.
    let more = [
        ("TENCENTCLOUD_TOKEN", "hush-token"),
        ("TENCENTCLOUD_ROLE_SESSION_NAME", "night"),
    ];
    world.open(&[&variables[..], &more].concat()).await.unwrap();
    let asked = &sts.asked()[1];
    assert_eq!(asked.header("x-tc-token"), Some("hush-token"));
    assert!(
        asked.body.contains(r#""RoleSessionName":"night""#),
        "{}",
        asked.body
    );
}

#[tokio::test]
async fn a_wrong_clock_does_not_keep_a_role_from_being_assumed() {
    let sts = Double::start(|n, _| {
        let date = "Thu, 09 Oct 2025 09:53:20 GMT".into();
        match n {
            0 => Answer::Dated(date, refused("AuthFailure.SignatureExpire")),
            _ => Answer::Dated(date, role_keys("role", NOON + 3600 + 7200)),
        }
    });
    let keyring = World::new(&sts).open(&ROLE).await.unwrap();
    assert_eq!(sts.asked()[1].header("x-tc-timestamp"), Some("1760003600"));
    assert_eq!(keyring.expiry().unwrap().left, TimeDelta::hours(2));

    let sts = Double::start(|_, _| Answer::Text(200, refused("AuthFailure.SignatureExpire")));
    let error = World::new(&sts).open(&ROLE).await.unwrap_err();
    assert!(
        error.to_string().contains("AuthFailure.SignatureExpire"),
        "{error}"
    );
    assert_eq!(sts.asked().len(), 1);
}

#[tokio::test]
async fn what_sts_says_is_told_and_what_it_gives_is_not() {
    let good = role_keys("role", NOON + 7200);
    for (status, body, expected, may_pass) in [
        (
            200,
            refused("AuthFailure.UnauthorizedOperation"),
            "STS refused: AuthFailure.UnauthorizedOperation: no (RequestId r)",
            false,
        ),
        (
            200,
            refused("ResourceNotFound.RoleNotFound"),
            "STS refused: ResourceNotFound.RoleNotFound: no (RequestId r)",
            false,
        ),
        (
            200,
            refused("InternalError.SystemError"),
            "STS refused: InternalError.SystemError: no (RequestId r)",
            true,
        ),
        (
            200,
            refused("RequestLimitExceeded"),
            "STS refused: RequestLimitExceeded: no (RequestId r)",
            true,
        ),
        (
            502,
            "<h1>hush</h1>".into(),
            "no keys from STS: http 502, an answer that is no JSON",
            true,
        ),
        (
            200,
            r#"{"hush":1}"#.into(),
            "no keys from STS: http 200, an answer without an envelope",
            true,
        ),
        (
            200,
            good.replace("ExpiredTime", "Other"),
            "no keys from STS: http 200, an answer without ExpiredTime",
            true,
        ),
        (
            200,
            good.replace("TmpSecretId", "Other"),
            "no keys from STS: http 200, an answer without all of a key",
            true,
        ),
        (
            200,
            role_keys("ro\u{fc}le", NOON + 7200),
            "no keys from STS: http 200, a key of which a part has a character that is not visible ASCII",
            true,
        ),
        (
            200,
            role_keys("role", NOON - 5),
            "the keys that were given ended at 2025-10-09T08:53:15Z",
            true,
        ),
    ] {
        let sts = Double::start(move |_, _| Answer::Text(status, body.clone()));
        let error = World::new(&sts).open(&ROLE).await.unwrap_err();
        let OpenError::Refresh(error) = &error else {
            panic!("{error}");
        };
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.may_pass(), may_pass, "{error}");
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }
}

#[tokio::test]
async fn a_pod_shows_the_token_of_the_moment_and_does_not_sign() {
    let sts = Double::start(|n, asked| match n {
        2 => Answer::Text(200, refused_with("InvalidParameter", &asked.body)),
        _ => Answer::Text(200, role_keys(NAMES[n], NOON + 7200 * (n as i64 + 1))),
    });
    let world = World::new(&sts);
    let token_file = world.home.path().join("token");
    std::fs::write(&token_file, "hush-web-identity-1\n").unwrap();
    let variables = [
        ("TKE_ROLE_ARN", ARN),
        ("TKE_PROVIDER_ID", "provider"),
        ("TKE_REGION", "ap-nanjing"),
        ("TKE_WEB_IDENTITY_TOKEN_FILE", token_file.to_str().unwrap()),
    ];
    let keyring = world.open(&variables).await.unwrap();
    assert_eq!(keyring.identity(), &Identity::Role(ARN.into()));
    assert_eq!(keyring.provider().source(), Source::TkeOidc);
    let asked = &sts.asked()[0];
    assert_eq!(
        asked.body,
        r#"{"DurationSeconds":7200,"ProviderId":"provider","RoleArn":"qcs::cam::uin/1:roleName/sync","RoleSessionName":"lcic-sync","WebIdentityToken":"hush-web-identity-1"}"#
    );
    for (name, value) in [
        ("authorization", "SKIP"),
        ("x-tc-action", "AssumeRoleWithWebIdentity"),
        ("x-tc-region", "ap-nanjing"),
    ] {
        assert_eq!(asked.header(name), Some(value));
    }
    std::fs::write(&token_file, "hush-web-identity-2").unwrap();
    world.set(NOON + 6480);
    signs_as(&keyring).await;
    comes_to(&keyring, "two").await;
    assert!(sts.asked()[1].body.contains("hush-web-identity-2"));

    // A refusal may quote the token, an empty file has none.
    let error = world.open(&variables).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("(a message that quotes the token)"),
        "{error}"
    );
    std::fs::write(&token_file, "\n").unwrap();
    let error = world.open(&variables).await.unwrap_err();
    assert!(error.to_string().ends_with("token: is empty"), "{error}");
}

#[tokio::test]
async fn a_login_of_tccli_is_read_again_and_never_renewed() {
    let nobody = Double::start(|_, _| Answer::Text(500, String::new()));
    let world = World::new(&nobody);
    world.login("one", "me", NOON + 7200);
    let keyring = world.open(&[]).await.unwrap();
    assert_eq!(keyring.identity(), &Identity::Unnamed);
    assert_eq!(signs_as(&keyring).await, "one");
    assert_eq!(keyring.expiry().unwrap().left, TimeDelta::hours(2));

    // tccli was used meanwhile.
    world.login("two", "me", NOON + 14_400);
    world.set(NOON + 6900);
    signs_as(&keyring).await;
    comes_to(&keyring, "two").await;

    world.set(NOON + 14_400);
    let error = keyring.for_call().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the login of the tccli profile default ended at 2025-10-09T12:53:20Z\nhint: log in again with tccli: tccli auth login --profile default"
    );
    assert!(!error.may_pass());
    let error = world.open(&[]).await.unwrap_err();
    assert!(error.to_string().contains("log in again"), "{error}");

    world.login("three", "somebody-else", NOON + 30_000);
    let error = keyring.for_call().await.unwrap_err();
    assert!(error.to_string().contains("is another one"), "{error}");
    assert!(nobody.asked().is_empty());
}

#[test]
fn debug_shows_nothing() {
    let credentials = Credentials::new("AKIDhush", "hush", Some("hush")).unwrap();
    let keyring = Keyring::fixed(credentials);
    let shown = format!(
        "{keyring:?} {:?} {:?}",
        keyring.current(),
        keyring.provider()
    );
    assert!(!shown.contains("hush"), "{shown}");
}

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

const ROLE: [(&str, &str); 3] = [
    ("TENCENTCLOUD_SECRET_ID", "AKIDfound"),
    ("TENCENTCLOUD_SECRET_KEY", "hush-key"),
    ("TENCENTCLOUD_ROLE_ARN", ARN),
];

fn refused(code: &str) -> String {
    refused_with(code, "no")
}

fn refused_with(code: &str, message: &str) -> String {
    serde_json::json!({
        "Response": { "Error": { "Code": code, "Message": message }, "RequestId": "r" }
    })
    .to_string()
}

/// A home without files, a clock that stands, and one double for every issuer.
struct World {
    home: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    issuers: Issuers,
}

impl World {
    fn new(double: &Double) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            clock: Arc::new(AtomicI64::new(NOON)),
            issuers: Issuers {
                metadata: double.url().parse().unwrap(),
                sts: Endpoint::parse(&double.url()).unwrap(),
            },
        }
    }

    fn set(&self, seconds: i64) {
        self.clock.store(seconds, Ordering::Relaxed);
    }

    async fn open(&self, variables: &[(&str, &str)]) -> Result<Arc<Keyring>, OpenError> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        let home = self.home.path();
        let variable = |name: &str| variables.get(name).map(OsString::from);
        let found = find_in(&variable, Some(home), &home.join("system")).unwrap();
        let clock = Arc::clone(&self.clock);
        let settings = ReachSettings {
            extra_ca: None,
            wall_clock: Arc::new(move || moment(clock.load(Ordering::Relaxed))),
        };
        let issuers = self.issuers.clone();
        Found { issuers, ..found }.open(settings).await
    }

    fn login(&self, name: &str, open_id: &str, expires_at: i64) {
        let directory = self.home.path().join(".tccli");
        std::fs::create_dir_all(&directory).unwrap();
        let text = format!(
            r#"{{"type":"oauth","secretId":"AKID{name}","secretKey":"hush-key-{name}","token":"hush-token-{name}",
            "expiresAt":{expires_at},"oauth":{{"openId":"{open_id}","accessToken":"hush"}}}}"#
        );
        std::fs::write(directory.join("default.credential"), text).unwrap();
    }
}

/// The name of the keys that a call would be signed with now; id, key and token must agree.
async fn signs_as(keyring: &Arc<Keyring>) -> String {
    let keys = keyring.for_call().await.unwrap();
    let token = keys.token().expect("they are temporary");
    assert!(token.is_sensitive());
    let name = token.to_str().unwrap().strip_prefix("hush-token-").unwrap();
    let request = Unsigned {
        method: "POST",
        path: "/",
        query: "",
        headers: &[],
        payload: Payload::Signed(b""),
    };
    let id = format!("AKID{name}");
    let alike = Signer::new(&id, format!("hush-key-{name}").into(), SERVICE);
    let at = moment(NOON);
    let signed = keys.signer().authorization(&request, at);
    assert_eq!(signed, alike.authorization(&request, at));
    name.to_owned()
}

/// Waits until the keys of this name are in use.
async fn comes_to(keyring: &Arc<Keyring>, name: &str) {
    let deadline = Instant::now() + std::time::Duration::from_secs(20);
    while signs_as(keyring).await != name {
        assert!(Instant::now() < deadline, "the keys {name} never came");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + std::time::Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "it never came to that");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}
