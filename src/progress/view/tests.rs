use super::*;
use crate::event::StopCause;
use crate::model::{Fault, Passing, RowRef};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn view(rows: u64, changes: u64) -> View {
    view_in(Lang::En, rows, changes)
}

fn view_in(lang: Lang, rows: u64, changes: u64) -> View {
    let mut view = View::new(Rate::per_second(20.0).unwrap(), lang);
    let started = Event::RunStarted {
        rows,
        rows_to_send: rows,
        changes,
    };
    view.on(Duration::ZERO, &started);
    view
}

fn settled(outcome: Outcome, rows: u64) -> Event {
    Event::RowsSettled {
        outcome,
        rows,
        at: None,
        code: None,
    }
}

fn answered(answer: Answer) -> Event {
    Event::CallAnswered {
        answer,
        latency: seconds(0.1),
        at: RowRef { file: 0, line: 2 },
        code: None,
    }
}

const SENT: Event = Event::CallSent { attempt: 1 };
const SENT_AGAIN: Event = Event::CallSent { attempt: 2 };

#[test]
fn nothing_wraps_in_80_columns_even_with_a_million_rows() {
    let mut view = view(1_000_000, 1_000_000);
    for outcome in [Outcome::Applied, Outcome::Failed] {
        view.on(Duration::ZERO, &settled(outcome, 499_999));
    }
    view.changes_settled = 0;
    view.retrying = 10_000;
    for _ in 0..50_000 {
        view.on(seconds(1.0), &SENT);
    }
    for why in [Why::Backoff, Why::Cooldown, Why::Probe] {
        let until = seconds(300.0);
        view.on(seconds(1.5), &Event::Waiting { why, until });
        // The bar, its brackets and a blank come before the headline.
        let lines = [
            format!("[{}] {}", "=".repeat(20), view.headline(seconds(1.5))),
            view.numbers(),
            view.waiting(seconds(1.5)).unwrap(),
        ];
        for line in lines {
            assert!(line.chars().count() < 80, "{line}");
        }
    }
}

#[test]
fn the_pace_is_that_of_the_last_five_seconds() {
    let mut view = view(1000, 1000);
    assert_eq!(view.pace(seconds(3.0)), 0.0);
    for call in 0..200 {
        view.on(seconds(10.0 + f64::from(call) / 20.0), &SENT);
    }
    let table = [(19.95, 20.0), (22.45, 10.0), (30.0, 0.0)];
    for (at, expected) in table {
        let found = view.pace(seconds(at));
        assert!((found - expected).abs() <= 0.5, "at {at}: {found}");
    }
    assert!(view.recent.len() <= 52, "old calls are forgotten");
}

#[test]
fn the_time_left_is_reckoned_with_the_slower_of_rate_and_pace() {
    let mut view = view(1000, 1000);
    // Nothing has left yet: the rate.
    assert_eq!(view.left(Duration::ZERO), Some(seconds(50.0)));
    for call in 0..100 {
        view.on(seconds(f64::from(call) / 10.0), &SENT);
        view.on(
            seconds(f64::from(call) / 10.0),
            &settled(Outcome::Applied, 1),
        );
    }
    // Ten a second leave, twenty may.
    assert_eq!(view.left(seconds(9.95)), Some(seconds(90.0)));
    // What is unchanged or invalid costs no call.
    view.on(seconds(9.95), &settled(Outcome::Unchanged, 500));
    assert_eq!(view.left(seconds(9.95)), Some(seconds(90.0)));
    let fault = Fault::ours("no answer", "");
    view.on(seconds(9.95), &Event::OutageBegan { fault });
    assert_eq!(view.left(seconds(9.95)), None);
}

#[test]
fn who_failed_is_retrying_until_sent_again_or_out_of_tries() {
    let again = || answered(Answer::Again(Passing::Busy));
    let table: [(&[Event], u64); 5] = [
        (&[again(), again()], 2),
        (&[again(), again(), SENT_AGAIN], 1),
        // One runs out of tries.
        (&[again(), again(), settled(Outcome::Failed, 2)], 1),
        // A third one is refused, the two still wait.
        (
            &[
                again(),
                again(),
                answered(Answer::Refused),
                settled(Outcome::Failed, 1),
            ],
            2,
        ),
        (
            &[
                again(),
                answered(Answer::Accepted),
                settled(Outcome::Applied, 1),
                settled(Outcome::Pending, 3),
            ],
            1,
        ),
    ];
    for (events, expected) in table {
        let mut view = view(10, 10);
        for event in events {
            view.on(seconds(1.0), event);
        }
        assert_eq!(view.retrying, expected, "{events:?}");
    }
}

#[test]
fn it_says_why_it_waits_and_until_when() {
    let mut view = view(10, 10);
    let now = seconds(100.0);
    let table = [
        (Why::Pace, 112.0, None),
        (
            Why::Probe,
            111.2,
            Some("waiting: the service does not answer, next try in 12 s"),
        ),
        (
            Why::Backoff,
            100.2,
            Some("waiting: what failed is tried again in 1 s"),
        ),
        (
            Why::Cooldown,
            160.0,
            Some("waiting: an earlier run's calls may still arrive, sending in 1 min"),
        ),
        (Why::Probe, 99.0, None),
    ];
    for (why, until, expected) in table {
        let until = seconds(until);
        view.on(now, &Event::Waiting { why, until });
        assert_eq!(view.waiting(now).as_deref(), expected, "{why:?}");
    }
    let until = seconds(112.0);
    view.on(
        now,
        &Event::Waiting {
            why: Why::Probe,
            until,
        },
    );
    let line = view.line(now);
    assert!(
        line.ends_with("; waiting: the service does not answer, next try in 12 s"),
        "{line}"
    );
    let left = |view: &View| view.left(now).unwrap();
    let waits = left(&view);
    view.on(now, &SENT);
    assert_eq!(view.waiting(now), None, "a call has left");
    assert_eq!(waits, left(&view) + seconds(12.0));
}

#[test]
fn the_line_for_a_log_says_it_all() {
    let mut view = view(1200, 1000);
    view.on(seconds(0.0), &settled(Outcome::Unchanged, 200));
    for call in 0..200 {
        view.on(seconds(f64::from(call) / 20.0), &SENT);
        view.on(seconds(f64::from(call) / 20.0), &answered(Answer::Accepted));
        view.on(
            seconds(f64::from(call) / 20.0),
            &settled(Outcome::Applied, 1),
        );
    }
    assert_eq!(
        view.line(seconds(9.95)),
        "400/1,200 rows, 200 applied, 0 failed, 0 retrying, 20.0/s, 40 s left"
    );
    let cause = StopCause::Signal(2);
    view.on(
        seconds(9.95),
        &Event::RunStopping {
            cause,
            in_flight: 3,
        },
    );
    assert_eq!(view.headline(seconds(9.95)), "400/1,200  20.0/s  stopping");
}

#[test]
fn what_a_person_must_know_is_told_at_once() {
    let fault = Fault::ours("no answer", "timed\x1b[2Jout");
    let table = [
        (
            Event::OutageBegan { fault },
            "warning: the service does not answer as it should (no answer: timed [2Jout); trying one call at a time",
        ),
        (
            Event::OutageEnded {
                after: seconds(310.0),
            },
            "the service answers again, after 5 min 10 s",
        ),
        (
            Event::ClockCorrected { seconds: 320 },
            "warning: this machine's clock is 5 min 20 s behind the service's; calls are signed for the service's clock",
        ),
        (
            Event::ClockCorrected { seconds: -320 },
            "warning: this machine's clock is 5 min 20 s ahead of the service's; calls are signed for the service's clock",
        ),
        (
            Event::RunStopping {
                cause: StopCause::Signal(2),
                in_flight: 1,
            },
            "stopping: SIGINT (Ctrl-C); waiting for 1 answer (a second signal does not wait)",
        ),
        (
            Event::RunStopping {
                cause: StopCause::Signal(15),
                in_flight: 0,
            },
            "stopping: SIGTERM",
        ),
    ];
    for (event, expected) in table {
        assert_eq!(warning(&event, Lang::En).as_deref(), Some(expected));
    }
    assert_eq!(warning(&SENT, Lang::En), None);
}

#[test]
fn progress_is_told_in_chinese_and_fits_into_80_columns() {
    let mut view = view_in(Lang::Zh, 1_000_000, 1_000_000);
    for outcome in [Outcome::Applied, Outcome::Failed] {
        view.on(Duration::ZERO, &settled(outcome, 499_999));
    }
    view.changes_settled = 0;
    for _ in 0..50_000 {
        view.on(seconds(1.0), &SENT);
    }
    for (why, expected) in [
        (Why::Backoff, "等待：4 分 59 秒后重试失败的请求"),
        (
            Why::Cooldown,
            "等待：先前运行的请求可能仍会到达，4 分 59 秒后发送",
        ),
        (Why::Probe, "等待：服务端没有响应，4 分 59 秒后再试"),
    ] {
        let until = seconds(300.0);
        view.on(seconds(1.5), &Event::Waiting { why, until });
        let waiting = view.waiting(seconds(1.5)).unwrap();
        assert_eq!(waiting, expected);
        let headline = format!("[{}] {}", "=".repeat(20), view.headline(seconds(1.5)));
        for line in [headline, view.numbers(), waiting] {
            assert!(textwrap::core::display_width(&line) < 80, "{line}");
        }
    }
    assert_eq!(
        view.line(seconds(1.5)),
        "999,998/1,000,000 行，已更新 499,999，失败 499,999，重试中 0，50,000 次/秒，剩余 13 小时 58 分；等待：服务端没有响应，4 分 59 秒后再试"
    );
    let fault = Fault::ours("no answer", "timed out");
    let told = warning(&Event::OutageBegan { fault }, Lang::Zh);
    assert_eq!(
        told.as_deref(),
        Some("警告：服务端响应异常（no answer: timed out），改为逐个尝试")
    );
    let stopping = Event::RunStopping {
        cause: StopCause::Signal(2),
        in_flight: 3,
    };
    assert_eq!(
        warning(&stopping, Lang::Zh).as_deref(),
        Some("正在停止：SIGINT (Ctrl-C)；等待 3 个响应（再次收到信号则不再等待）")
    );
}
