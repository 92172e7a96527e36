use super::*;
use crate::report::summary::tests::sample;

fn sample_timeline() -> Timeline {
    serde_json::from_str(include_str!("../../../samples/timeline.json")).unwrap()
}

/// The page of a run that left these.
fn page_of(summary: &Summary, failures: &str, timeline: Option<&Timeline>) -> String {
    page_in(Lang::En, summary, failures, timeline)
}

fn page_in(lang: Lang, summary: &Summary, failures: &str, timeline: Option<&Timeline>) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(FAILURES), failures).unwrap();
    summary.save(directory.path()).unwrap();
    if let Some(timeline) = timeline {
        timeline.save(directory.path()).unwrap();
    }
    let path = make(directory.path(), lang).unwrap();
    std::fs::read_to_string(path).unwrap()
}

fn page(failures: &str, timeline: Option<&Timeline>) -> String {
    page_of(&sample(), failures, timeline)
}

const HEADER: &str =
    "UserId,Nickname,Avatar,_outcome,_code,_message,_request_id,_file,_line,_run,_at\n";

#[test]
fn what_people_wrote_stays_text() {
    let row = "\"\"\"><script>alert(1)</script>\",\"<img src=x onerror=alert(2)>\",'&,failed,\
               <b>Code,</style></script>,<i>id,<u>.csv,7,r,t\n";
    let page = page(&format!("{HEADER}{row}"), None);
    assert_eq!(page.matches("<script").count(), 1, "its own");
    for tag in ["<img", "<b>", "<i>", "<u>"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(page.contains("&#60;img src=x onerror=alert(2)&#62;"));
}

#[test]
fn rows_are_shown_with_their_own_columns_and_the_rest_is_counted() {
    let header = HEADER.replace("Avatar", "Avatar,Class");
    let row =
        |n: usize| format!("u{n},N,A,3b,failed,ResourceNotFound.User,m,id-{n},f.csv,{n},r,t\n");
    let rows: String = (0..MOST_ROWS + 2000).map(row).collect();
    let mut summary = sample();
    summary.counts.failed = MOST_ROWS as u64 + 2000;
    summary.counts.invalid = 0;
    summary.counts.unknown = 0;
    let page = page_of(&summary, &(header + &rows), None);
    assert!(page.contains("<td data-label=\"Class\"><bdi>3b</bdi></td>"));
    assert!(page.contains("f.csv:2999<") && !page.contains("f.csv:3000<"));
    assert!(page.contains("3,000 are shown here; 2,000 more are in failures.csv."));
}

#[test]
fn charts_are_there_where_there_is_something_to_draw() {
    let with = page(HEADER, Some(&sample_timeline()));
    assert_eq!(with.matches("<svg width").count(), 4);
    for colour in ["#2F6FDE", "#E0A100", "#D64545", "#F6DCDC"] {
        assert!(
            with.contains(&format!("fill=\"{colour}\" stroke=\"none\"")),
            "{colour}"
        );
    }
    assert!(with.contains("For 12 s the service failed for everybody."));
    let without = page(HEADER, None);
    assert!(!without.contains("<svg width") && !without.contains("Over time"));
    assert!(page(HEADER, Some(&Timeline::default())).contains("<p>None.</p>"));
}

#[test]
fn a_code_stands_once_with_its_rows_its_calls_and_what_to_do() {
    let lines = codes(&sample(), Lang::En);
    let told: Vec<(&str, u64, u64)> = lines
        .iter()
        .map(|line| (line.code.as_str(), line.rows, line.calls))
        .collect();
    assert_eq!(
        told,
        [
            ("ResourceNotFound.User", 2, 2),
            ("no answer", 1, 16),
            ("no UserId", 1, 0),
            ("sets nothing", 1, 0),
            ("RequestLimitExceeded", 0, 3),
        ]
    );
    assert!(lines.iter().all(|line| !line.advice.is_empty()));
}

#[test]
fn a_run_without_a_summary_has_no_page_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let error = make(directory.path(), Lang::En).unwrap_err().to_string();
    assert!(error.contains("no summary.json"), "{error}");
    sample().save(directory.path()).unwrap();
    std::fs::write(directory.path().join(timeline::FILE_NAME), "{}").unwrap();
    let error = make(directory.path(), Lang::En).unwrap_err().to_string();
    assert!(error.starts_with("timeline.json: "), "{error}");
}

#[test]
fn the_strangest_timelines_can_be_drawn() {
    let one = |slice_s, sent, accepted| {
        let mut timeline = Timeline::default();
        timeline.slice_s = slice_s;
        timeline.slices.push(Default::default());
        timeline.slices[0].sent = sent;
        timeline.slices[0].accepted = accepted;
        timeline.latency[120] = accepted;
        timeline
    };
    for timeline in [one(1, 1, 0), one(1, 1, 1), one(1 << 20, u64::MAX, u64::MAX)] {
        for rate in [0.0, 0.1, 1_000_000.0] {
            let mut summary = sample();
            summary.pace.rate = rate;
            let page = page_of(&summary, HEADER, Some(&timeline));
            assert!(page.contains("Over time"));
            // Of a killed run nobody knows what was allowed.
            assert_eq!(page.contains(" were allowed"), rate > 0.0);
        }
    }
}

#[test]
fn a_page_in_chinese_has_no_english_but_codes() {
    let mut summary = sample();
    summary.pace.lowest = 5.0;
    let row = "u1,李娜,,failed,ResourceNotFound.User,没有该用户,id-1,u.csv,2,r,t\n";
    let failures = format!("{HEADER}{row}");
    let page = page_in(Lang::Zh, &summary, &failures, Some(&sample_timeline()));
    assert!(page.contains("<html lang=\"zh-CN\">"));
    assert!(page.contains("<title>已停止：服务端长时间未接受任何请求 · lcic-sync "));
    // Of what is between tags, outside of style and script.
    let body = page.split("<body>").nth(1).unwrap();
    let body = body.split("<script").next().unwrap();
    let texts = body.split('<').filter_map(|tag| tag.split_once('>'));
    let texts = texts.flat_map(|(_, text)| text.split(|c: char| !c.is_ascii_alphanumeric()));
    let words: std::collections::BTreeSet<&str> = texts
        .filter(|word| word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        .collect();
    // Paths, addresses, codes and what a call failed with are as they are.
    let known = "answer apply connection failures http https lcic ledger nothing school sets \
                 state sync tencentcloudapi timed users";
    let known: std::collections::BTreeSet<&str> = known.split_whitespace().collect();
    let english: Vec<&&str> = words.difference(&known).collect();
    assert_eq!(english, [&""; 0]);
}

#[test]
fn a_killed_run_says_where_its_rows_in_doubt_are_and_draws_no_limit() {
    let mut summary = sample();
    summary.stopped_by = Some("killed".into());
    (summary.counts.failed, summary.counts.invalid) = (0, 0);
    summary.pace.rate = 0.0;
    let page = page_of(&summary, HEADER, Some(&sample_timeline()));
    assert!(page.contains("The rows in doubt are not in failures.csv"));
    assert!(!page.contains("<p>None.</p>") && !page.contains("key quota"));
    summary.stopped_by = Some("outage".into());
    summary.pace.rate = 20.0;
    let row = "u1,N,A,unknown,no answer,m,id-1,f.csv,1,r,t\n";
    let page = page_of(
        &summary,
        &format!("{HEADER}{row}"),
        Some(&sample_timeline()),
    );
    assert!(page.contains("key quota"));
    assert!(page.contains("<p>Rows whose outcome is unknown need no mending: "));
}

#[test]
fn the_verdict_stands_once() {
    let page = page(HEADER, None);
    let verdict = "Stopped: the service accepted nothing for too long";
    assert_eq!(page.matches(verdict).count(), 2, "title and heading");
    // What stopped it is still told.
    let reason = sample().message.unwrap();
    assert!(page.contains(&reason), "{reason}");
}

#[test]
fn a_search_among_some_of_the_rows_says_so() {
    let row = "u1,N,A,failed,ResourceNotFound.User,m,id-1,f.csv,1,r,t\n";
    let mut summary = sample();
    let rows = format!("{HEADER}{row}");
    let page = page_in(Lang::Zh, &summary, &rows, None);
    assert!(page.contains("在显示的 {all} 行中找到 {shown} 行；其余请在 failures.csv 中查找"));
    (summary.counts.failed, summary.counts.invalid) = (1, 0);
    summary.counts.unknown = 0;
    let page = page_in(Lang::Zh, &summary, &rows, None);
    assert!(page.contains("\"{shown} / {all} 行\""));
}
