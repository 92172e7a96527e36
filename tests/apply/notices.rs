//! Notices (`--notify-url`): only what changes is told, to whoever listens, and nobody's data.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::Value;

use crate::support::{Bench, unlimited, users};

/// A webhook that notes what it is sent and answers what it shall.
struct Hook {
    url: String,
    heard: Receiver<Value>,
}

impl Hook {
    fn answering(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!(
            "http://{}/hush-path?key=hush",
            listener.local_addr().unwrap()
        );
        let (tell, heard) = channel();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    let line = line.trim().to_lowercase();
                    if let Some(n) = line.strip_prefix("content-length: ") {
                        length = n.parse().unwrap();
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let n = answer.len();
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {n}\r\nConnection: close\r\n\r\n");
                stream.write_all((head + answer).as_bytes()).unwrap();
                tell.send(serde_json::from_slice(&body).unwrap()).unwrap();
            }
        });
        Self { url, heard }
    }
}

#[test]
fn only_a_change_is_told_and_what_did_not_arrive_is_told_later() {
    let mut bench = Bench::new(unlimited());
    let hook = Hook::answering(&[r#"{"errcode":93000}"#, r#"{"errcode":0}"#, ""]);
    bench.set("LCIC_SYNC_NOTIFY_URL", format!("wecom+{}", hook.url));
    let good = users(3, "a");
    let bad = good.clone() + "hush-user,,\n";
    let apply = |text: &str| {
        bench.write("users.csv", text);
        let done = bench.apply(&["users.csv"]);
        assert!(!done.stderr.contains("hush"), "{}", done.stderr);
        (done.code(), done.stderr)
    };
    assert_eq!(apply(&good).0, 0, "all is well, and was: nothing to tell");
    let (code, told) = apply(&bad);
    assert_eq!(code, 3, "the notice changes nothing");
    assert!(
        told.contains(
            "warning: the notice to http://127.0.0.1/… did not arrive: refused with code 93000"
        ),
        "{told}"
    );
    apply(&bad);
    apply(&bad);
    apply(&good);
    apply(&good);
    let heard: Vec<Value> = hook.heard.iter().collect();
    let texts: Vec<&str> = heard
        .iter()
        .map(|body| body["text"]["content"].as_str().unwrap())
        .collect();
    assert!(
        texts[0].starts_with("lcic-sync: a person is needed (exit 3"),
        "{}",
        texts[0]
    );
    assert!(
        texts[1].contains("\n4 rows: 3 unchanged, 1 invalid\n1 × sets nothing\nrun "),
        "{}",
        texts[1]
    );
    assert!(texts[2].starts_with("lcic-sync: recovered"), "{}", texts[2]);
    assert_eq!(texts.len(), 3);
    assert!(
        texts
            .iter()
            .all(|text| !text.contains("hush") && !text.contains("users.csv"))
    );
}

#[test]
fn a_run_that_found_no_keys_is_told_as_well_and_nobody_listening_fails_no_run() {
    let mut bench = Bench::new(unlimited());
    bench.write("users.csv", users(1, "a"));
    let hook = Hook::answering(&[""]);
    bench.set("LCIC_SYNC_NOTIFY_URL", &hook.url);
    bench.set("TENCENTCLOUD_SECRET_ID", "");
    bench.set("TENCENTCLOUD_SECRET_KEY", "only half of it");
    assert_eq!(bench.apply(&["users.csv"]).code(), 2);
    let heard = hook.heard.recv().unwrap();
    assert_eq!(
        (&heard["state"], &heard["exit_code"]),
        (&"bad".into(), &2.into())
    );

    bench.set(
        "TENCENTCLOUD_SECRET_ID",
        lcic_sync::simulator::Key::LOCAL_ID,
    );
    bench.set(
        "TENCENTCLOUD_SECRET_KEY",
        lcic_sync::simulator::Key::LOCAL_SECRET,
    );
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.checked_code(), 0);
    assert!(done.stderr.contains("did not arrive"), "{}", done.stderr);
    for wrong in ["ftp://h/hush", "hush"] {
        let done = bench.apply(&["--notify-url", wrong, "users.csv"]);
        assert_eq!(done.code(), 2);
        assert!(
            done.stderr
                .contains("--notify-url: found \"…\", expected an http"),
            "{}",
            done.stderr
        );
        assert!(!done.stderr.contains("hush"), "{}", done.stderr);
    }
}
