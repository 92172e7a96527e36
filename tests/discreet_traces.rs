//! With every target at trace level, through `tracing` and through `log`, nothing tells the keys,
//! the token, the signature or whose profile is set to what. In a file of its own because loggers
//! are for a whole process.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use lcic_sync::model::{UserId, Values};
use lcic_sync::tencent::client::{HttpSettings, HttpTransport, Transport};
use lcic_sync::tencent::credentials::{Credentials, Keyring};
use lcic_sync::tencent::endpoint::Endpoint;
use lcic_sync::tencent::verdict;
use tracing_subscriber::filter::LevelFilter;

const SECRETS: [&str; 7] = [
    "AKIDneverseen",
    "hush-key",
    "hush-token",
    "hush-user",
    "hush-name",
    "hush-avatar",
    "Signature=",
];

#[tokio::test]
async fn traces_of_calls_tell_no_secret_and_no_name() {
    let heard = Heard::default();
    let writer = heard.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .init();
    log::set_boxed_logger(Box::new(heard.clone())).unwrap();
    log::set_max_level(log::LevelFilter::Trace);

    // An accepted call, one that is answered by a page that repeats it, one that is cut off, and
    // one that finds nobody.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut server = Some(thread::spawn(move || serve(&listener)));
    let credentials = Credentials::new("AKIDneverseen", "hush-key", Some("hush-token")).unwrap();
    let transport = HttpTransport::new(HttpSettings {
        endpoint: Endpoint::parse(&endpoint).unwrap(),
        keys: Keyring::fixed(credentials),
        timeout: Duration::from_secs(10),
        concurrency: 1,
        extra_ca: None,
        wall_clock: Arc::new(chrono::Utc::now),
    })
    .unwrap();
    let mut told = String::new();
    for turn in 0..4 {
        if turn == 3 {
            let server = server.take().expect("it is waited for once");
            server.join().expect("the server saw what it expected");
        }
        let send = Values {
            nickname: Some("hush-name".into()),
            avatar: Some("https://cdn.example.com/hush-avatar.png".into()),
        };
        let user = UserId::new("hush-user").unwrap();
        let result = transport.modify(&user, &send).await;
        told += &format!("{result:?}\n{:?}\n", verdict(&result));
        if let Err(error) = result {
            told += &format!("{error}\n");
        }
    }

    let heard = String::from_utf8(heard.0.lock().unwrap().clone()).unwrap();
    assert!(heard.contains("reqwest"), "log was heard: {heard}");
    assert!(heard.contains("hyper_util"), "tracing was heard: {heard}");
    assert!(told.contains("r-1") && told.contains("no answer") && told.contains("http 502"));
    assert!(told.contains("connection failed"), "{told}");
    for secret in SECRETS {
        assert!(!heard.contains(secret), "{secret} in: {heard}");
        assert!(!told.contains(secret), "{secret} in: {told}");
    }
}

/// Accepts three connections and then closes its door.
fn serve(listener: &TcpListener) {
    for turn in 0..3 {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut chunk = [0; 4096];
        while !request.ends_with(b"}") {
            let read = stream.read(&mut chunk).unwrap();
            request.extend_from_slice(&chunk[..read]);
        }
        let request = String::from_utf8_lossy(&request);
        // What is kept quiet did travel.
        assert!(
            SECRETS
                .iter()
                .all(|s| *s == "hush-key" || request.contains(s))
        );
        let (status, body) = match turn {
            0 => (200, r#"{"Response":{"RequestId":"r-1"}}"#),
            1 => (502, &*request),
            _ => return,
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

/// Everything that was logged.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl log::Log for Heard {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}\n", record.target(), record.args());
        self.0.lock().unwrap().extend_from_slice(line.as_bytes());
    }

    fn flush(&self) {}
}
