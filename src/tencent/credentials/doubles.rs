//! A double of whoever gives temporary keys, and of the service that takes them: answers what the
//! test says and remembers what it was asked.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET /path HTTP/1.1`.
    pub line: String,
    /// In lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name)?;
        Some(&found.1)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This status and body.
    Text(u16, String),
    /// The same, with a `Date`.
    Dated(String, String),
    /// None, until the client gives up.
    Silence,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Double {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Double {
    /// Starts one. `answer` gets the number of the request, from 0, and the request.
    pub fn start(answer: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let double = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
        };
        let (asked, answer) = (Arc::clone(&double.asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(request) = read(&mut stream) else {
                        return;
                    };
                    let number = {
                        let mut asked = asked.lock().unwrap();
                        asked.push(request.clone());
                        asked.len() - 1
                    };
                    let (status, date, body) = match answer(number, &request) {
                        Answer::Text(status, body) => (status, String::new(), body),
                        Answer::Dated(date, body) => (200, format!("Date: {date}\r\n"), body),
                        Answer::Silence => {
                            let _ = stream.read(&mut [0]);
                            return;
                        }
                    };
                    let length = body.len();
                    let _ = write!(
                        stream,
                        "HTTP/1.1 {status} X\r\n{date}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                    );
                });
            }
        });
        double
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut asked = Asked {
        line,
        headers,
        body: String::new(),
    };
    let length = asked.header("content-length");
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).ok()?;
    Some(asked)
}

/// What a metadata service says about keys.
pub fn machine_keys(name: &str, expires_at: i64) -> String {
    format!(
        r#"{{"TmpSecretId":"AKID{name}","TmpSecretKey":"hush-key-{name}","Token":"hush-token-{name}","ExpiredTime":{expires_at},"Expiration":"x","Code":"Success"}}"#
    )
}

/// What STS says.
pub fn role_keys(name: &str, expires_at: i64) -> String {
    format!(
        r#"{{"Response":{{"Credentials":{{"Token":"hush-token-{name}","TmpSecretId":"AKID{name}","TmpSecretKey":"hush-key-{name}"}},"ExpiredTime":{expires_at},"Expiration":"x","RequestId":"r-sts"}}}}"#
    )
}

/// A metadata service of a machine with the role `sync`; `keys` says what it gives at the n-th
/// time, from 0.
pub fn metadata(keys: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Double {
    let given = Mutex::new(0);
    Double::start(move |_, asked| {
        let path = "GET /latest/meta-data/cam/security-credentials/";
        if asked.line == format!("{path} HTTP/1.1") {
            return Answer::Text(200, "sync".into());
        }
        if asked.line != format!("{path}sync HTTP/1.1") {
            return Answer::Text(404, "<h1>404</h1>".into());
        }
        let mut given = given.lock().unwrap();
        *given += 1;
        keys(*given - 1)
    })
}
