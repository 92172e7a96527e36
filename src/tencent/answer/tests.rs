use proptest::prelude::*;

use super::*;

#[test]
fn the_envelope_is_believed_whatever_the_status() {
    for status in [200, 201, 302, 400, 403, 407, 429, 500, 502] {
        assert_eq!(
            of(status, r#"{"Response":{"RequestId":"r-1"}}"#),
            "accepted r-1"
        );
        assert_eq!(
            of(
                status,
                r#"{"Response":{"Error":{"Code":"ResourceNotFound.User","Message":"no"},"RequestId":"r-2"}}"#
            ),
            "refused ResourceNotFound.User/no/r-2"
        );
    }
}

#[test]
fn success_needs_a_request_id_and_no_error() {
    let cases = [
        (r#"{"Response":{"RequestId":"r"}}"#, "accepted r"),
        (
            r#" {"Response":{"RequestId":"r","Extra":1}} "#,
            "accepted r",
        ),
        ("\u{FEFF}{\"Response\":{\"RequestId\":\"r\"}}", "accepted r"),
        (
            r#"{"Response":{"Error":null,"RequestId":"r"}}"#,
            "accepted r",
        ),
        (r#"{"Response":{"RequestId":""}}"#, "garbage"),
        (r#"{"Response":{"RequestId":" \u0000 "}}"#, "garbage"),
        (r#"{"Response":{"RequestId":null}}"#, "garbage"),
        (r#"{"Response":{"RequestId":7}}"#, "garbage"),
        (r#"{"Response":{}}"#, "garbage"),
        (r#"{"Response":null}"#, "garbage"),
        (r#"{"Response":"RequestId"}"#, "garbage"),
        (r#"{"Response":[{"RequestId":"r"}]}"#, "garbage"),
        (r#"{"Response":{"Error":null}}"#, "garbage"),
        (r#"{"Response":{"Error":{},"RequestId":"r"}}"#, "garbage"),
        (r#"{"Response":{"Error":"","RequestId":"r"}}"#, "garbage"),
        (r#"{"Response":{"Error":[],"RequestId":"r"}}"#, "garbage"),
        (r#"{"Response":{"Error":false,"RequestId":"r"}}"#, "garbage"),
        (
            r#"{"Response":{"Error":{"Message":"m"},"RequestId":"r"}}"#,
            "garbage",
        ),
        (
            r#"{"Response":{"Error":{"Code":"","Message":"m"},"RequestId":"r"}}"#,
            "garbage",
        ),
        (
            r#"{"Response":{"Error":{"Code":404,"Message":"m"},"RequestId":"r"}}"#,
            "garbage",
        ),
        // Not even the form of an envelope.
        (r#"{"RequestId":"r"}"#, "other"),
        (r#"{"response":{"RequestId":"r"}}"#, "other"),
        (r#"[{"Response":{"RequestId":"r"}}]"#, "other"),
        (r#"{"Response":{"RequestId":"r"}"#, "other"),
        (r#"{"Response":{"RequestId":"r"}}}"#, "other"),
        ("", "other"),
        ("null", "other"),
        ("OK", "other"),
    ];
    for (body, expected) in cases {
        let found = of(200, body);
        match expected {
            "garbage" => assert!(
                found.starts_with("NoAnswer not the service/http 200, an answer that says"),
                "{body}: {found}"
            ),
            "other" => assert!(
                found.starts_with("NoAnswer not the service/http 200, ")
                    && !found.contains("an answer that says"),
                "{body}: {found}"
            ),
            _ => assert_eq!(found, expected, "{body}"),
        }
    }
}

#[test]
fn a_message_or_a_request_id_may_be_missing() {
    assert_eq!(
        of(200, r#"{"Response":{"Error":{"Code":"OperationDenied"}}}"#),
        "refused OperationDenied//-"
    );
    assert_eq!(
        of(
            200,
            r#"{"Response":{"Error":{"Code":"OperationDenied","Message":["m"]},"RequestId":5}}"#
        ),
        "refused OperationDenied//-"
    );
}

#[test]
fn a_message_that_ends_in_half_a_character_does_not_hide_the_refusal() {
    let envelope = |message: &[u8]| {
        let mut body = br#"{"Response":{"RequestId":"r","Error":{"Message":""#.to_vec();
        body.extend_from_slice(message);
        body.extend_from_slice(br#"","Code":"InvalidParameter.Content"}}}"#);
        told(&verdict(&Ok(Reply::new(200, body))))
    };
    for (message, expected) in [
        (b"a\xE5\xBC".as_slice(), "a\u{FFFD}"),
        (br"a\ud83d", "a\u{FFFD}"),
        (br"a\uD83D!\uDE00", "a\u{FFFD}!\u{FFFD}"),
        (br"a\\ud83d\n\ude00", r"a\ud83d �"),
        (br"a\ud83d\ude00", "a😀"),
    ] {
        let expected = format!("refused InvalidParameter.Content/{expected}/r");
        assert_eq!(envelope(message), expected);
    }
}

#[test]
fn each_class_has_its_verdict() {
    let cases = [
        ("RequestLimitExceeded", "Throttled RequestLimitExceeded/m/r"),
        (
            "RequestLimitExceeded.Whatever",
            "Throttled RequestLimitExceeded.Whatever/m/r",
        ),
        (
            "LimitExceeded.RateLimitExceeded",
            "Throttled LimitExceeded.RateLimitExceeded/m/r",
        ),
        ("LimitExceeded", "refused LimitExceeded/m/r"),
        ("InternalError", "Internal InternalError/m/r"),
        ("InternalError.Db", "Internal InternalError.Db/m/r"),
        ("ServiceUnavailable", "Internal ServiceUnavailable/m/r"),
        ("ResourceInUse", "Busy ResourceInUse/m/r"),
        ("ResourceUnavailable", "Busy ResourceUnavailable/m/r"),
        (
            "ResourceUnavailable.RoomStatistics",
            "refused ResourceUnavailable.RoomStatistics/m/r",
        ),
        ("FailedOperation", "refused FailedOperation/m/r"),
        (
            "FailedOperation.RequestTimedOut",
            "NoAnswer FailedOperation.RequestTimedOut/m/r",
        ),
        ("UnheardOf", "refused UnheardOf/m/r"),
        ("AuthFailure", "fatal Key AuthFailure/m/r"),
        (
            "AuthFailure.SignatureExpire",
            "fatal Key AuthFailure.SignatureExpire/m/r",
        ),
        ("IpNotInWhitelist", "fatal Key IpNotInWhitelist/m/r"),
        ("NoSuchVersion", "fatal Service NoSuchVersion/m/r"),
        ("UnknownParameter", "fatal Service UnknownParameter/m/r"),
        // The service can't speak in our words.
        ("no answer", "refused no answer/m/r"),
        ("http 429", "refused http 429/m/r"),
    ];
    for (code, expected) in cases {
        assert_eq!(of(200, &error(code)), expected);
    }
}

#[test]
fn the_old_style_speaks_by_its_description() {
    let cases = [
        (
            r#"{"code":4100,"message":"m","codeDesc":"AuthFailure"}"#,
            "fatal Key AuthFailure/m/-",
        ),
        (
            r#"{"code":4400,"message":"m","codeDesc":"RequestLimitExceeded"}"#,
            "Throttled RequestLimitExceeded/m/-",
        ),
        (
            r#"{"code":0,"message":"","codeDesc":"Success","RequestId":"r"}"#,
            "NoAnswer not the service/http 200, 60 bytes of other JSON/-",
        ),
        (
            r#"{"code":1,"message":"","codeDesc":"success"}"#,
            "NoAnswer not the service/http 200, 44 bytes of other JSON/-",
        ),
        (
            r#"{"code":0,"codeDesc":"AuthFailure"}"#,
            "NoAnswer not the service/http 200, 35 bytes of other JSON/-",
        ),
        // Anybody's JSON.
        (
            r#"{"code":404,"message":"not found"}"#,
            "NoAnswer not the service/http 200, 34 bytes of other JSON/-",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(of(200, body), expected);
    }
}

#[test]
fn without_an_envelope_the_status_decides() {
    let page = "<html><head><title>\n Some Gateway </title></head>you sent: zhangsan</html>";
    let cases = [
        (
            200,
            "NoAnswer not the service/http 200, a page with the title \"Some Gateway\"/-",
        ),
        (
            204,
            "NoAnswer not the service/http 204, a page with the title \"Some Gateway\"/-",
        ),
        (
            101,
            "NoAnswer not the service/http 101, a page with the title \"Some Gateway\"/-",
        ),
        (
            999,
            "NoAnswer not the service/http 999, a page with the title \"Some Gateway\"/-",
        ),
        (
            302,
            "fatal Service http 302/a redirection, a page with the title \"Some Gateway\"/-",
        ),
        (
            307,
            "fatal Service http 307/a redirection, a page with the title \"Some Gateway\"/-",
        ),
        (
            400,
            "fatal Service http 400/a page with the title \"Some Gateway\"/-",
        ),
        (
            404,
            "fatal Service http 404/a page with the title \"Some Gateway\"/-",
        ),
        (
            407,
            "fatal Service http 407/a proxy on the way asks for a user and a password/-",
        ),
        (
            408,
            "NoAnswer http 408/a page with the title \"Some Gateway\"/-",
        ),
        (
            429,
            "Throttled http 429/a page with the title \"Some Gateway\"/-",
        ),
        (
            500,
            "NoAnswer http 500/a page with the title \"Some Gateway\"/-",
        ),
        (
            502,
            "NoAnswer http 502/a page with the title \"Some Gateway\"/-",
        ),
        (
            599,
            "NoAnswer http 599/a page with the title \"Some Gateway\"/-",
        ),
    ];
    for (status, expected) in cases {
        assert_eq!(of(status, page), expected);
    }
}

#[test]
fn a_body_that_is_no_envelope_is_described_and_never_quoted() {
    let cases = [
        ("", "an empty body"),
        ("zhangsan", "8 bytes that are no JSON"),
        (r#"{"you sent":"zhangsan"}"#, "23 bytes of other JSON"),
        ("<html>zhangsan</html>", "a page without a title"),
        ("<html><title></title>zhangsan", "a page without a title"),
        ("<TITLE>zhangsan", "a page without a title"),
        (
            "<TITLE lang=\"zh\">网关\u{1b}[2J错误</TITLE>zhangsan",
            "a page with the title \"网关[2J错误\"",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(of(502, body), format!("NoAnswer http 502/{expected}/-"));
    }
    let oversized = Reply {
        oversized: true,
        ..Reply::new(403, "")
    };
    assert_eq!(
        told(&verdict(&Ok(oversized))),
        "fatal Service http 403/a body of more than 64 KB/-"
    );
}

#[test]
fn a_proxy_and_the_target_of_a_redirection_are_named() {
    let proxied = Reply {
        proxy: Some("proxy.corp:3128".into()),
        ..Reply::new(407, "")
    };
    assert_eq!(
        told(&verdict(&Ok(proxied))),
        "fatal Service http 407/proxy.corp:3128 asks for a user and a password/-"
    );
    let redirected = Reply {
        redirected_to: Some("login.hotel.example".to_owned()),
        ..Reply::new(302, "")
    };
    assert_eq!(
        told(&verdict(&Ok(redirected))),
        "fatal Service http 302/redirected to login.hotel.example/-"
    );
}

#[test]
fn a_wish_to_wait_is_passed_on_where_waiting_is_meant() {
    let cases = [
        (429, String::new(), true),
        (503, String::new(), true),
        (200, error("RequestLimitExceeded"), true),
        (200, error("InternalError"), true),
        (200, error("FailedOperation"), false),
        (403, String::new(), false),
    ];
    for (status, body, expected) in cases {
        let wait = Duration::from_secs(7);
        let reply = Reply {
            retry_after: Some(wait),
            ..Reply::new(status, body)
        };
        let found = match verdict(&Ok(reply)) {
            Verdict::Again { after, .. } => after,
            _ => None,
        };
        assert_eq!(found, expected.then_some(wait), "{status}");
    }
}

#[test]
fn a_corrected_clock_mends_an_expired_signature_and_nothing_else() {
    for clock in [
        ClockNote::Corrected(TimeDelta::seconds(-3600)),
        ClockNote::CorrectedBefore,
    ] {
        for (code, expected) in [
            (
                "AuthFailure.SignatureExpire",
                "Mended AuthFailure.SignatureExpire/m/r",
            ),
            (
                "AuthFailure.SignatureFailure",
                "fatal Key AuthFailure.SignatureFailure/m/r",
            ),
        ] {
            let reply = Reply {
                clock,
                ..Reply::new(200, error(code))
            };
            assert_eq!(told(&verdict(&Ok(reply))), expected);
        }
    }
    for (body, said) in [
        (error("AuthFailure.SignatureExpire"), Said::ClockWrong),
        (
            error("AuthFailure.TokenFailure"),
            Said::KeysRefused(Doubt::Token),
        ),
        (
            error("AuthFailure.TokenFailure.More"),
            Said::KeysRefused(Doubt::Token),
        ),
        (
            error("AuthFailure.SignatureFailure"),
            Said::KeysRefused(Doubt::Key),
        ),
        (
            error("AuthFailure.SecretIdNotFound"),
            Said::KeysRefused(Doubt::Key),
        ),
        (error("AuthFailure"), Said::Other),
        (error("ResourceNotFound.User"), Said::Other),
        (r#"{"Response":{"RequestId":"r"}}"#.into(), Said::Accepted),
        (r#"{"Response":{}}"#.into(), Said::Other),
        ("".into(), Said::Other),
    ] {
        assert_eq!(Reply::new(200, body.clone()).said(), said, "{body}");
    }
}

#[test]
fn errors_before_and_after_sending_are_told_apart() {
    use CallErrorKind::*;
    for (kind, expected) in [
        (NameNotFound, "NotSent name not found/d/-"),
        (ConnectionFailed, "NotSent connection failed/d/-"),
        (TlsFailed, "NotSent tls failed/d/-"),
        (ProxyFailed, "NotSent proxy failed/d/-"),
        (ProxyAuthentication, "fatal Service http 407/d/-"),
        (NotSendable, "fatal Service not sendable/d/-"),
        (NoAnswer, "NoAnswer no answer/d/-"),
    ] {
        let error = CallError::new(kind, "d");
        assert_eq!(told(&verdict(&Err(error))), expected);
    }
}

#[test]
fn messages_are_one_short_line() {
    let long = "长".repeat(400);
    let body = serde_json::json!({"Response": {
        "Error": {"Code": " Operation\u{0}Denied\n", "Message": format!("a\r\n\u{1b}[31mb\u{202E}c\u{85} {long}")},
        "RequestId": "r\u{7}-1",
    }});
    let Verdict::Refused(fault) = verdict(&Ok(Reply::new(200, body.to_string()))) else {
        panic!("a refusal");
    };
    assert_eq!(fault.code, "OperationDenied");
    assert_eq!(fault.request_id.as_deref(), Some("r-1"));
    assert_eq!(fault.message.chars().count(), MESSAGE_LENGTH);
    assert!(
        fault.message.starts_with("a  [31mbc 长"),
        "{}",
        fault.message
    );
    assert!(fault.message.ends_with("长…"));
    assert_eq!(plain("abc", 3), "abc");
    assert_eq!(plain("abcd", 3), "ab…");
}

#[test]
fn debug_does_not_show_the_body() {
    let shown = format!("{:?}", Reply::new(200, "张伟 zhangsan"));
    assert!(!shown.contains("zhangsan"), "{shown}");
    assert!(shown.contains("200"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_bytes_get_a_verdict(status: u16, body: Vec<u8>) {
        holds_to_the_rules(status, &body);
    }

    #[test]
    fn anything_like_an_envelope_gets_a_verdict(status in 100u16..600, body in like_an_envelope()) {
        holds_to_the_rules(status, body.to_string().as_bytes());
    }

    #[test]
    fn an_envelope_in_pieces_gets_a_verdict(
        status in 100u16..600,
        body in like_an_envelope(),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let mut bytes = body.to_string().into_bytes();
        let at = at.index(bytes.len());
        holds_to_the_rules(status, &bytes[..at]);
        bytes[at] = byte;
        holds_to_the_rules(status, &bytes);
    }

    #[test]
    fn plain_text_is_short_and_has_no_control_characters(text: String, length in 1usize..50) {
        let plain = plain(&text, length);
        prop_assert!(plain.chars().count() <= length);
        prop_assert!(!plain.chars().any(char::is_control));
    }
}

fn like_an_envelope() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(Value::from("")),
        Just(Value::from("r-1")),
        Just(Value::from("AuthFailure.SignatureExpire")),
        Just(Value::from(0)),
        any::<String>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let key = prop::sample::select(vec![
            "Response",
            "Error",
            "Code",
            "Message",
            "RequestId",
            "code",
            "codeDesc",
            "message",
        ]);
        prop::collection::btree_map(key, inner, 0..6)
            .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    })
}

/// Independent of the code under test: reads the body a second time, in another way.
fn holds_to_the_rules(status: u16, body: &[u8]) {
    let found = verdict(&Ok(Reply::new(status, body.to_vec())));
    if let Verdict::Accepted { request_id } = &found {
        assert!(!request_id.is_empty());
        let body = String::from_utf8_lossy(body);
        let body = body.trim_start_matches('\u{FEFF}');
        let root: Value = serde_json::from_str(body).expect("accepted, so it is JSON");
        let said = root.pointer("/Response/RequestId").and_then(Value::as_str);
        assert!(said.is_some_and(|said| !said.is_empty()));
        let error = root.pointer("/Response/Error");
        assert!(error.is_none_or(Value::is_null));
    }
    if let Verdict::Again { fault, .. } | Verdict::Fatal { fault, .. } | Verdict::Refused(fault) =
        &found
    {
        assert!(!fault.code.is_empty());
        assert!(fault.message.chars().count() <= MESSAGE_LENGTH);
    }
}

fn error(code: &str) -> String {
    serde_json::json!({"Response": {"Error": {"Code": code, "Message": "m"}, "RequestId": "r"}})
        .to_string()
}

fn of(status: u16, body: &str) -> String {
    told(&verdict(&Ok(Reply::new(status, body.to_owned()))))
}

/// A verdict on one line: `<what> <code>/<message>/<request id>`.
fn told(verdict: &Verdict) -> String {
    let (what, fault) = match verdict {
        Verdict::Accepted { request_id } => return format!("accepted {request_id}"),
        Verdict::Refused(fault) => ("refused".to_owned(), fault),
        Verdict::Again { passing, fault, .. } => (format!("{passing:?}"), fault),
        Verdict::Fatal { cause, fault } => (format!("fatal {cause:?}"), fault),
    };
    let id = fault.request_id.as_deref().unwrap_or("-");
    format!("{what} {}/{}/{id}", fault.code, fault.message)
}
