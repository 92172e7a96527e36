//! Tells a monitor of the start and the end of a run, as healthchecks.io and what speaks like it
//! take it: `<url>/start`, then `<url>/<exit code>`, both with the same `rid`. The monitor raises
//! the alarm when one of them does not come, which no run can do about itself.
//!
//! **Invariants.** A ping never changes how a run ends and never keeps it for long. Its body holds
//! counts and the name of the run, nothing of persons. The URL is in no message.

use reqwest::{Client, Url};
use tokio::task::JoinHandle;

use super::exit::Exit;
use super::printer::Printer;
use super::settings::Settings;
use crate::lang::Lang;
use crate::report::summary::Summary;
use crate::report::words::outcomes;
use crate::tencent::http::causes;

/// A run that a monitor has been told of.
pub struct Ping {
    client: Client,
    url: Url,
    rid: String,
    /// The start's own ping, which nobody waits for until the end.
    start: JoinHandle<Result<(), String>>,
}

impl Ping {
    /// Tells of the start, if there is somebody to be told.
    pub fn start(settings: &Settings, printer: &Printer) -> Option<Self> {
        let to = settings.unattended.ping_url.as_ref()?;
        let client = to
            .client(settings.ca_file.as_deref())
            .map_err(|error| printer.warn(&printer.lang().no_pings(error)))
            .ok()?;
        let url = to.url();
        let rid = rid(rand::random());
        let start = send(client.clone(), with(&url, "start", &rid), String::new());
        Some(Self {
            start: tokio::spawn(start),
            client,
            url,
            rid,
        })
    }

    /// Tells how it ended.
    pub async fn end(self, exit: Exit, summary: Option<&Summary>, printer: &Printer) {
        let told = self.start.await.unwrap_or(Ok(()));
        let number = exit.number();
        let body = match summary {
            Some(summary) => format!(
                "\n{}\nrun {}",
                outcomes(&summary.counts, Lang::En),
                summary.run_id
            ),
            None => String::new(),
        };
        let body = format!("exit {number}: {}{body}\n", exit.meaning(Lang::En));
        let url = with(&self.url, &number.to_string(), &self.rid);
        let ended = send(self.client, url, body).await;
        let lang = printer.lang();
        let start = told.err().map(|seen| lang.start_undelivered(seen));
        let end = ended.err().map(|seen| lang.end_undelivered(seen));
        for warning in [start, end].into_iter().flatten() {
            printer.warn(&warning);
        }
    }
}

async fn send(client: Client, url: Url, body: String) -> Result<(), String> {
    let answer = client.post(url).body(body).send().await;
    let status = answer.map_err(|error| causes(&error))?.status();
    match status.is_success() {
        true => Ok(()),
        false => Err(format!("http {}", status.as_u16())),
    }
}

/// The monitor's URL, extended by what there is to tell.
fn with(url: &Url, what: &str, rid: &str) -> Url {
    let mut url = url.clone();
    url.path_segments_mut()
        .expect("http has a path")
        .pop_if_empty()
        .push(what);
    url.query_pairs_mut().append_pair("rid", rid);
    url
}

/// A random UUID, by which start and end are known to belong together.
fn rid(mut random: [u8; 16]) -> String {
    random[6] = random[6] & 0x0F | 0x40;
    random[8] = random[8] & 0x3F | 0x80;
    let hex = hex::encode(random);
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_comes_behind_the_path_and_before_the_query() {
        let rid = rid([0xFF; 16]);
        assert_eq!(rid, "ffffffff-ffff-4fff-bfff-ffffffffffff");
        for (url, expected) in [
            ("https://hc-ping.com/a-b", "https://hc-ping.com/a-b/3?rid="),
            ("https://h/key/slug/", "https://h/key/slug/3?rid="),
            (
                "https://h/key/slug?create=1",
                "https://h/key/slug/3?create=1&rid=",
            ),
        ] {
            let url = with(&Url::parse(url).unwrap(), "3", &rid);
            assert_eq!(url.as_str(), format!("{expected}{rid}"));
        }
    }
}
