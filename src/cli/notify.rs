//! Tells a chat group when runs begin to need a person, and when they no longer do: WeCom,
//! DingTalk, Feishu, or anything that takes a JSON object. Only a change is told; how it stood
//! last is one word in `<state-dir>/notified`, written when the notice has arrived, so one that did
//! not is tried again by the next run.
//!
//! **Invariants.** A notice never changes how a run ends and never keeps it for long. It holds
//! counts, codes, flags, the names of the run and the machine, nothing of persons. The URL is in no message.

use std::fmt;
use std::fs;
use std::path::Path;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::exit::Exit;
use super::printer::Printer;
use super::secret_url::SecretUrl;
use super::settings::Settings;
use crate::lang::{Lang, thousands};
use crate::report::summary::Summary;
use crate::report::words::{clean, outcomes, verdict};
use crate::state::make_private_dir;
use crate::tencent::http::{self, causes};

/// Codes that a notice names.
const N_CODES: usize = 3;
/// The file in the state directory.
const FILE_NAME: &str = "notified";

/// Where notices go.
#[derive(Debug, Clone)]
pub struct NotifyUrl {
    url: SecretUrl,
    form: Form,
}

/// What a receiver takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// WeCom and DingTalk: `{"msgtype": "text", "text": {"content": …}}`.
    MsgType,
    /// Feishu and Lark: `{"msg_type": "text", "content": {"text": …}}`.
    Feishu,
    /// Fields for a program.
    Json,
}

impl NotifyUrl {
    /// Reads a URL; the form follows from its host, unless a prefix like `feishu+` names it.
    pub fn read(text: &str) -> Option<Self> {
        const PREFIXES: [(&str, Form); 4] = [
            ("wecom+", Form::MsgType),
            ("dingtalk+", Form::MsgType),
            ("feishu+", Form::Feishu),
            ("json+", Form::Json),
        ];
        let named = PREFIXES.iter().find_map(|(prefix, form)| {
            let url = text.strip_prefix(prefix)?;
            Some((url, *form))
        });
        let (text, named) = named.map_or((text, None), |(url, form)| (url, Some(form)));
        let url = SecretUrl::read(text)?;
        let form = match url.url().host_str()? {
            "qyapi.weixin.qq.com" | "oapi.dingtalk.com" => Form::MsgType,
            "open.feishu.cn" | "open.larksuite.com" => Form::Feishu,
            _ => Form::Json,
        };
        let form = named.unwrap_or(form);
        Some(Self { url, form })
    }
}

impl fmt::Display for NotifyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// How runs stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    /// A person is needed.
    Bad,
}

impl Standing {
    /// How a run leaves things; nothing where it says nothing about them: a person stopped it or
    /// wished it to stop, or another run is at work.
    fn after(exit: Exit, summary: Option<&Summary>) -> Option<Self> {
        let by = summary.and_then(|summary| summary.stopped_by.as_deref());
        match exit {
            Exit::Done => Some(Self::Good),
            Exit::Interrupted | Exit::Terminated | Exit::Locked => None,
            _ if by == Some("limit") => None,
            _ => Some(Self::Bad),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// Tells of a run's end, if anybody shall be told and it is news.
pub async fn tell(settings: &Settings, exit: Exit, summary: Option<&Summary>, printer: &Printer) {
    let Some(to) = &settings.notify_url else {
        return;
    };
    let Some(now) = Standing::after(exit, summary) else {
        return;
    };
    let path = settings.state_dir.join(FILE_NAME);
    // Who was never told anything believes that all is well.
    let was_bad = fs::read_to_string(&path).is_ok_and(|text| text.trim() == Standing::Bad.name());
    if was_bad == (now == Standing::Bad) {
        return;
    }
    let lang = settings.lang;
    let body = body(to.form, now, exit, summary, &host(), lang);
    let told = match post(&to.url, &body, settings.ca_file.as_deref(), lang).await {
        Ok(()) => keep(&path, now).map_err(|error| format!("{}: {error}", path.display())),
        Err(seen) => Err(lang.notice_undelivered(to, clean(&seen))),
    };
    if let Err(told) = told {
        printer.warn(&told);
    }
}

fn keep(path: &Path, now: Standing) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), make_private_dir)?;
    fs::write(path, format!("{}\n", now.name()))
}

/// The name of this machine: the group may hear of several.
fn host() -> String {
    clean(&rustix::system::uname().nodename().to_string_lossy())
}

fn body(
    form: Form,
    now: Standing,
    exit: Exit,
    summary: Option<&Summary>,
    host: &str,
    lang: Lang,
) -> Value {
    let text = text(now, exit, summary, host, lang);
    match form {
        Form::MsgType => json!({ "msgtype": "text", "text": { "content": text } }),
        Form::Feishu => json!({ "msg_type": "text", "content": { "text": text } }),
        Form::Json => json!({
            "schema_version": 1,
            "state": now.name(),
            "exit_code": exit.number(),
            "host": host,
            "run_id": summary.map(|summary| &summary.run_id),
            "counts": summary.map(|summary| summary.counts),
            "text": text,
        }),
    }
}

/// What people read. Of the summary's own message only what names no files.
fn text(now: Standing, exit: Exit, summary: Option<&Summary>, host: &str, lang: Lang) -> String {
    let message = summary.and_then(|summary| summary.message.as_deref());
    let reason = message.and_then(|message| lang.retold_in_public(message));
    let reason = reason.as_deref().unwrap_or(exit.meaning(lang));
    let mut lines = vec![match now {
        Standing::Good => lang.recovered().to_owned(),
        Standing::Bad => lang.needs_person(exit.number(), reason),
    }];
    if let Some(summary) = summary {
        if now == Standing::Bad {
            lines.push(verdict(summary, lang));
        }
        // What was not read can't be told as "no rows".
        if summary.counts.read > 0 || now == Standing::Good {
            lines.push(outcomes(&summary.counts, lang));
        }
        let codes = summary.failures.iter().take(N_CODES);
        lines.extend(
            codes.map(|failures| {
                format!("{} × {}", thousands(failures.rows), clean(&failures.code))
            }),
        );
        lines.push(lang.run_on(&summary.run_id, host));
    } else {
        lines.push(lang.on_host(host));
    }
    lines.join("\n")
}

/// Posts once, and looks whether it was taken: the chats answer 200 and say no inside.
async fn post(
    url: &SecretUrl,
    body: &Value,
    ca_file: Option<&Path>,
    lang: Lang,
) -> Result<(), String> {
    let client = url.client(ca_file)?;
    let request = client
        .post(url.url())
        .header(CONTENT_TYPE, "application/json");
    let answer = request.body(body.to_string()).send().await;
    let mut answer = answer.map_err(|error| causes(&error))?;
    if !answer.status().is_success() {
        return Err(format!("http {}", answer.status().as_u16()));
    }
    let text = http::body(&mut answer)
        .await
        .map_err(|error| causes(&error))?;
    let said: Value = serde_json::from_slice(&text.unwrap_or_default()).unwrap_or_default();
    let codes = ["errcode", "code", "StatusCode"].map(|name| said[name].as_i64().unwrap_or(0));
    match codes.into_iter().find(|code| *code != 0) {
        Some(code) => Err(lang.refused_with(code)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::tests::sample;

    #[test]
    fn the_form_follows_from_the_host_or_from_the_prefix() {
        for (url, form) in [
            (
                "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k",
                Form::MsgType,
            ),
            (
                "https://oapi.dingtalk.com/robot/send?access_token=t",
                Form::MsgType,
            ),
            (
                "https://open.feishu.cn/open-apis/bot/v2/hook/h",
                Form::Feishu,
            ),
            ("https://hooks.example.com/x", Form::Json),
            ("feishu+https://proxy.example.com/x", Form::Feishu),
            ("wecom+http://127.0.0.1:9/x", Form::MsgType),
            ("json+https://open.feishu.cn/x", Form::Json),
        ] {
            let read = NotifyUrl::read(url).unwrap();
            assert_eq!(read.form, form, "{url}");
            assert!(!read.url.url().as_str().contains('+'), "{url}");
        }
        for url in ["", "ftp://h/x", "slack+https://h/x", "https://"] {
            assert!(NotifyUrl::read(url).is_none(), "{url}");
        }
        let url = NotifyUrl::read("https://user:hush@h.example/hush?key=hush").unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "https://h.example/… NotifyUrl { url: SecretUrl(https://h.example/…), form: Json }"
        );
    }

    #[test]
    fn a_person_is_needed_unless_all_is_well_or_a_person_was_there() {
        let limited = Summary {
            stopped_by: Some("limit".into()),
            ..sample()
        };
        for (exit, summary, expected) in [
            (Exit::Done, None, Some(Standing::Good)),
            (Exit::SomeFailed, None, Some(Standing::Bad)),
            (Exit::StoppedEarly, Some(&sample()), Some(Standing::Bad)),
            (Exit::StoppedEarly, Some(&limited), None),
            (Exit::Usage, None, Some(Standing::Bad)),
            (Exit::Interrupted, None, None),
            (Exit::Locked, None, None),
        ] {
            assert_eq!(Standing::after(exit, summary), expected, "{exit:?}");
        }
    }

    #[test]
    fn a_notice_says_what_happened_and_names_nobody() {
        let summary = sample();
        let in_words = |lang| {
            text(
                Standing::Bad,
                Exit::StoppedEarly,
                Some(&summary),
                "sync-1",
                lang,
            )
        };
        assert_eq!(
            in_words(Lang::En),
            "lcic-sync: a person is needed (exit 5: stopped early or in doubt; the same command goes on)\n\
             Stopped: the service accepted nothing for too long\n\
             200 rows: 120 applied, 30 unchanged, 2 failed, 2 invalid, 3 superseded, 1 unknown, 42 pending\n\
             2 × ResourceNotFound.User\n1 × no UserId\n1 × no answer\n\
             run 20260301T020000Z-k3xq on sync-1"
        );
        assert_eq!(
            in_words(Lang::Zh),
            "lcic-sync：需要人工处理（退出码 5：提前停止或结果未知；再次执行同一命令即可继续）\n\
             已停止：服务端长时间未接受任何请求\n\
             200 行：已更新 120，无变化 30，失败 2，无效 2，被覆盖 3，结果未知 1，未处理 42\n\
             2 × ResourceNotFound.User\n1 × no UserId\n1 × no answer\n\
             运行 20260301T020000Z-k3xq（主机 sync-1）"
        );
        let body = |form| {
            body(
                form,
                Standing::Good,
                Exit::Done,
                Some(&summary),
                "sync-1",
                Lang::En,
            )
        };
        assert!(
            body(Form::MsgType)["text"]["content"]
                .as_str()
                .unwrap()
                .contains("recovered")
        );
        assert!(
            body(Form::Feishu)["content"]["text"]
                .as_str()
                .unwrap()
                .contains("recovered")
        );
        assert_eq!(body(Form::Json)["state"], "good");
        assert_eq!(body(Form::Json)["counts"]["read"], 200);
        assert_eq!(body(Form::Json)["host"], "sync-1");
    }

    #[test]
    fn a_refusal_is_told_with_its_reason_unless_that_names_files() {
        let refused = |message: String| Summary {
            counts: Default::default(),
            failures: Vec::new(),
            stopped_by: Some("refused".into()),
            exit_code: 4,
            message: Some(message),
            ..sample()
        };
        let told = |message, lang| {
            let summary = refused(message);
            text(Standing::Bad, Exit::Refused, Some(&summary), "sync-1", lang)
        };
        let guarded = Lang::En.too_many_changes("60 changes", "59", "59");
        assert_eq!(
            told(guarded.clone(), Lang::En),
            "lcic-sync: a person is needed (exit 4: 60 changes, and --max-changes 59 allows 59)\n\
             Refused before anything was sent\nrun 20260301T020000Z-k3xq on sync-1"
        );
        assert_eq!(
            told(guarded, Lang::Zh),
            "lcic-sync：需要人工处理（退出码 4：60 项变更，而 --max-changes 59 只允许 59 项）\n\
             已拒绝执行，未发送任何请求\n运行 20260301T020000Z-k3xq（主机 sync-1）"
        );
        let others = Lang::En.other_account("/home/wang/ledger", "AKID…1 at h", "AKID…2 at h");
        for message in [others, "/home/wang/users.csv: not found".into()] {
            for lang in Lang::ALL {
                let told = told(message.clone(), lang);
                assert!(!told.contains("wang") && !told.contains("AKID"), "{told}");
            }
        }
    }
}
