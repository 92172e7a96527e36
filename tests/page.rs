//! The page of a real run, in a real browser: Debian's `chromium`, spoken to over its debugging
//! pipe. Where there is none this says so and is skipped.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use lcic_sync::simulator::Config;
use lcic_sync::simulator::faults::Faults;
use serde_json::{Value, json};
use support::Bench;
use tempfile::TempDir;

#[test]
fn the_page_works_in_a_browser_and_asks_nobody_for_anything() {
    let faults = serde_json::from_str::<Faults>(
        r#"{"script": [
            {"user": "u3", "times": "forever", "fault": {"kind": "error", "code": "ResourceNotFound.User"}},
            {"user": "u20", "times": "forever", "fault": {"kind": "error", "code": "InvalidParameter.Content"}}]}"#,
    );
    let bench = Bench::new(Config {
        faults: faults.unwrap(),
        ..support::unlimited()
    });
    // No UserId, and a nickname that would like to be more than one.
    let hostile =
        ",\"\"\"><script>document.title='hacked'</script><img src=https://x.example/i.png>\",\n";
    let file = support::users(30, "a") + "bad,,\n" + hostile;
    bench.write("users.csv", file);
    let done = bench.apply(&["--rate", "300", "users.csv"]);
    assert_eq!(done.checked_code(), 3, "{}", done.stderr);
    let page = done.run().file("report.html");
    assert!(page.is_file(), "{}", done.stderr);

    let Some(mut browser) = Browser::start() else {
        eprintln!("skipped: there is no chromium here (apt-get install chromium)");
        return;
    };
    browser.open(&page);

    let is = |browser: &mut Browser, script: &str, expected: Value| {
        assert_eq!(browser.value(script), expected, "{script}");
    };
    // Drawn, and in one of two sizes.
    is(
        &mut browser,
        "[...document.querySelectorAll('.chart')].map(c => c.checkVisibility())",
        json!([true, false, true, false]),
    );
    is(
        &mut browser,
        "document.querySelectorAll('.wide.chart rect[fill=\"#2F6FDE\"]').length > 2",
        json!(true),
    );
    is(
        &mut browser,
        "document.querySelector('.wide.chart svg').getBoundingClientRect().width > 500",
        json!(true),
    );
    // What people wrote stays text.
    is(
        &mut browser,
        "document.title.startsWith('4 rows need work')",
        json!(true),
    );
    is(
        &mut browser,
        "document.images.length + document.scripts.length",
        json!(1),
    );
    // Rows stand in the order of the file; a click sorts, another one the other way round.
    let users = "[...rows.tBodies[0].rows].filter(r => !r.hidden).map(r => r.cells[0].textContent)";
    is(&mut browser, users, json!(["u3", "u20", "bad", ""]));
    let sort = "rows.tHead.rows[0].cells[0].firstElementChild.click()";
    is(
        &mut browser,
        &format!("{sort}; {users}"),
        json!(["", "bad", "u3", "u20"]),
    );
    is(
        &mut browser,
        &format!("{sort}; {users}"),
        json!(["u20", "u3", "bad", ""]),
    );
    // Search: all words must be there, in any case.
    let search = |words: &str| {
        format!("search.value = '{words}'; search.dispatchEvent(new Event('input')); {users}")
    };
    is(&mut browser, &search("CONTENT failed"), json!(["u20"]));
    is(&mut browser, "shown.value", json!("1 of 4"));
    is(&mut browser, &search("<SCRIPT>"), json!([""]));
    is(&mut browser, &search("nobody"), json!([]));
    is(&mut browser, &search(""), json!(["u20", "u3", "bad", ""]));
    // A click on a RequestId selects it, whether or not it may be copied.
    is(
        &mut browser,
        "document.querySelector('.copy').click(); getSelection().toString() == document.querySelector('.copy').textContent",
        json!(true),
    );
    // A phone has the other chart and no need to scroll sideways.
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true}),
    );
    is(
        &mut browser,
        "[...document.querySelectorAll('.chart')].map(c => c.checkVisibility())",
        json!([false, true, false, true]),
    );
    is(
        &mut browser,
        "document.documentElement.scrollWidth",
        json!(390),
    );
    // Nothing is cut off on the smallest, where a code is wider than it. A long cell is clamped
    // until it is clicked.
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        json!({"width": 320, "height": 568, "deviceScaleFactor": 1, "mobile": true}),
    );
    is(
        &mut browser,
        "document.querySelectorAll('td code:not(.copy)').forEach(c => c.textContent = 'InvalidParameterValue.'.repeat(3));
         [...document.querySelectorAll('td')].filter(c => c.getBoundingClientRect().right > 320 || c.scrollWidth > c.clientWidth).length",
        json!(0),
    );
    is(
        &mut browser,
        "cell = rows.querySelector('bdi'); cell.textContent = 'long '.repeat(500); getSelection().removeAllRanges();
         low = cell.offsetHeight; cell.click(); [low < 100, cell.offsetHeight > 100]",
        json!([true, true]),
    );

    assert_eq!(
        browser.requests,
        [format!("file://{}", page.display())],
        "it loads itself alone"
    );
    assert_eq!(browser.complaints, Vec::<Value>::new());

    // A request, and an error, would have been seen.
    browser.value("fetch('https://x.example/').catch(() => {}); setTimeout(() => nowhere(), 0); 1");
    browser.value("new Promise(done => setTimeout(done, 100, 1))");
    assert!(!browser.complaints.is_empty());
}

#[test]
fn a_page_in_chinese_works_as_well() {
    let faults = serde_json::from_str::<Faults>(
        r#"{"script": [
            {"user": "u3", "times": "forever", "fault": {"kind": "error", "code": "ResourceNotFound.User"}}]}"#,
    );
    let bench = Bench::new(Config {
        faults: faults.unwrap(),
        ..support::unlimited()
    });
    bench.write("users.csv", support::users(30, "a") + "bad,,\n");
    let done = bench.apply(&["--rate", "300", "users.csv"]);
    assert_eq!(done.checked_code(), 3, "{}", done.stderr);
    // Of a run that spoke English.
    let told = bench.run(&["report", "--lang", "zh", "--state-dir", "state"]);
    assert_eq!(told.code(), 0, "{}", told.stderr);

    let Some(mut browser) = Browser::start() else {
        eprintln!("skipped: there is no chromium here (apt-get install chromium)");
        return;
    };
    browser.open(&done.run().file("report.html"));
    let search = |words: &str| {
        format!("search.value = '{words}'; search.dispatchEvent(new Event('input')); shown.value")
    };
    for (script, expected) in [
        ("document.documentElement.lang".into(), "zh-CN"),
        (
            "document.title.split(' · ')[0]".into(),
            "2 行需要处理，其余均已与文件一致",
        ),
        (
            "document.querySelector('h2').textContent".into(),
            "各行结果",
        ),
        (search("失败 u3"), "1 / 2 行"),
        (search(""), "2 / 2 行"),
        (
            "document.querySelector('.copy').classList.add('copied');
             getComputedStyle(document.querySelector('.copied'), '::after').content"
                .into(),
            "\" 已复制\"",
        ),
    ] {
        assert_eq!(browser.value(&script), expected, "{script}");
    }
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true}),
    );
    for (script, expected) in [
        (
            "getComputedStyle(rows.tHead.rows[0], '::before').content",
            json!("\"排序\""),
        ),
        ("document.documentElement.scrollWidth", json!(390)),
    ] {
        assert_eq!(browser.value(script), expected, "{script}");
    }
    assert_eq!(browser.complaints, Vec::<Value>::new());
}

#[test]
fn a_kept_run_is_rendered_again_and_a_missing_one_is_told() {
    let bench = Bench::new(support::unlimited());
    bench.write("users.csv", support::users(3, "a"));
    let done = bench.apply(&["users.csv"]);
    let page = done.run().file("report.html");
    let first = std::fs::read_to_string(&page).unwrap();
    std::fs::remove_file(&page).unwrap();

    let told = bench.run(&["report", "--state-dir", "state"]);
    assert_eq!(told.code(), 0, "{}", told.stderr);
    assert!(
        told.stdout.ends_with("state/reports/latest/report.html\n"),
        "{}",
        told.stdout
    );
    assert_eq!(std::fs::read_to_string(&page).unwrap(), first);

    let missing = bench.run(&["report", "--state-dir", "state", "nothing"]);
    assert_eq!(missing.code(), 2);
    assert!(
        missing.stderr.contains("there is no run "),
        "{}",
        missing.stderr
    );
    assert!(missing.stderr.contains("\nhint: "), "{}", missing.stderr);
}

#[test]
fn a_page_that_cannot_be_made_fails_no_run() {
    let bench = Bench::new(support::unlimited());
    bench.write("users.csv", support::users(400, "a"));
    let going = bench.start(&["--rate", "200", "users.csv"]);
    bench.until("a call", |stats| stats.calls > 0);
    let run_id = bench.run_ids().pop_first().unwrap();
    // Nothing can be renamed over a directory.
    let in_its_place = bench.run_of(&run_id).file("report.html");
    std::fs::create_dir(in_its_place).unwrap();
    let done = going.wait();
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert!(
        done.stderr.contains("warning: ") && done.stderr.contains("report.html could not be made"),
        "{}",
        done.stderr
    );
}

/// A page in a browser without a window.
struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    n_calls: u64,
    /// What was asked for, by any means.
    requests: Vec<String>,
    /// Errors and lines on the console.
    complaints: Vec<Value>,
    is_loaded: bool,
    _profile: TempDir,
}

impl Browser {
    fn start() -> Option<Self> {
        let found = Command::new("chromium")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        found.ok().filter(|status| status.success())?;
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1", "sh"])
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args(["--remote-debugging-pipe", "--window-size=1200,900"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut browser = Self {
            to: child.stdin.take().unwrap(),
            from: BufReader::new(child.stdout.take().unwrap()),
            child,
            session: None,
            n_calls: 0,
            requests: Vec::new(),
            complaints: Vec::new(),
            is_loaded: false,
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().map(Into::into);
        Some(browser)
    }

    fn open(&mut self, page: &Path) {
        for part in ["Network", "Runtime", "Log", "Page"] {
            self.call(&format!("{part}.enable"), json!({}));
        }
        self.call(
            "Page.navigate",
            json!({"url": format!("file://{}", page.display())}),
        );
        while !self.is_loaded {
            self.hear();
        }
    }

    /// What a script comes to.
    fn value(&mut self, script: &str) -> Value {
        let script = json!({"expression": script, "returnByValue": true, "awaitPromise": true});
        let found = self.call("Runtime.evaluate", script);
        found["result"]["value"].clone()
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.n_calls += 1;
        let mut call = json!({"id": self.n_calls, "method": method, "params": params});
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{call}\0").as_bytes()).unwrap();
        loop {
            let answer = self.hear();
            if answer["id"] == self.n_calls {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    fn hear(&mut self) -> Value {
        let mut text = Vec::new();
        self.from.read_until(0, &mut text).unwrap();
        let text = text.strip_suffix(&[0]).expect("the browser lives");
        let heard: Value = serde_json::from_slice(text).unwrap();
        match heard["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                let url = heard["params"]["request"]["url"].as_str().unwrap();
                // Its empty icon is in the page itself.
                if !url.starts_with("data:") {
                    self.requests.push(url.into());
                }
            }
            Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded") => {
                self.complaints.push(heard["params"].clone());
            }
            Some("Page.loadEventFired") => self.is_loaded = true,
            _ => {}
        }
        heard
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
