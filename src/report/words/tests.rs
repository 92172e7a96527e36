use super::*;
use crate::model::{Counts, RowRef};
use crate::report::summary::tests::sample;
use crate::report::summary::{Calls, Failures};

fn repeat(flags: &[(&str, Option<&str>)], file: &str) -> Repeat {
    Repeat {
        flags: flags
            .iter()
            .map(|(name, value)| ((*name).into(), value.map(Into::into)))
            .collect(),
        files: vec![file.into()],
    }
}

/// A run that ended well, with these rows.
fn run(counts: Counts, exit_code: u8) -> Summary {
    Summary {
        counts: Counts {
            read: counts.settled(),
            ..counts
        },
        seconds: 9.95,
        calls: Calls {
            total: 195,
            accepted: counts.applied,
            ..Calls::default()
        },
        stopped_by: None,
        message: None,
        failures: Vec::new(),
        exit_code,
        ..sample()
    }
}

fn stopped(by: &str, message: &str, counts: Counts, exit_code: u8) -> Summary {
    Summary {
        stopped_by: Some(by.into()),
        message: Some(message.into()),
        ..run(counts, exit_code)
    }
}

const DIRECTORY: &str = "/r/20260301T020000Z-k3xq";

fn said(summary: &Summary, repeat: &Repeat) -> String {
    last_words(summary, Path::new(DIRECTORY), repeat, Lang::En)
}

#[test]
fn all_went_well() {
    let counts = Counts {
        applied: 1195,
        unchanged: 3,
        superseded: 2,
        ..Counts::default()
    };
    assert_eq!(
        said(&run(counts, 0), &repeat(&[], "users.csv")),
        "\
1,200 rows: 1,195 applied, 3 unchanged, 2 superseded
195 calls in 10 s, at 20.0 a second while sending
Row by row: /r/20260301T020000Z-k3xq/results.csv
As a page: /r/20260301T020000Z-k3xq/report.html
"
    );
}

#[test]
fn some_rows_failed() {
    let counts = Counts {
        applied: 180,
        failed: 2,
        invalid: 1,
        ..Counts::default()
    };
    let mut summary = run(counts, 3);
    summary.calls.throttled = 3;
    summary.failures = vec![
        Failures {
            code: "ResourceNotFound.User".into(),
            rows: 2,
        },
        Failures {
            code: "no UserId".into(),
            rows: 1,
        },
    ];
    let repeat = repeat(
        &[("--site", Some("intl")), ("--limit", Some("500"))],
        "u.csv",
    );
    assert_eq!(
        said(&summary, &repeat),
        "\
183 rows: 180 applied, 2 failed, 1 invalid
195 calls in 10 s, at 20.0 a second while sending; 3 over the quota, which cost no try
2 failed and 1 invalid rows stand in failures.csv, each with its reason:
  2 × ResourceNotFound.User: there is no such user; check the UserId, and that it belongs to this account
  1 × no UserId: the row does not say whose profile it is; fill in its UserId, or take the row out
Put them right there, then:
  lcic-sync apply --site intl /r/20260301T020000Z-k3xq/failures.csv
Row by row: /r/20260301T020000Z-k3xq/results.csv
As a page: /r/20260301T020000Z-k3xq/report.html
"
    );
}

#[test]
fn an_outage_leaves_rows_in_doubt_and_rows_to_mend() {
    let summary = Summary { ..sample() };
    assert_eq!(
        said(&summary, &repeat(&[("--rate", Some("15"))], "my users.csv")),
        "\
200 rows: 120 applied, 30 unchanged, 2 failed, 2 invalid, 3 superseded, 1 unknown, 42 pending
141 calls in 31 min 7 s, at 20.0 a second while sending; 3 over the quota, which cost no try
Stopped: the service accepted nothing for too long
  no answer: connection timed out
  that is: the call left and was not answered in time or in full; the change may have been made; run again: setting the same values twice is harmless
1 row is in doubt: sent, but no answer came back, so the service may hold it or not. Sending it again does no harm.
To go on, give the same command again:
  lcic-sync apply --rate 15 'my users.csv'
2 failed and 2 invalid rows stand in failures.csv as far as this run got, each with its reason:
  2 × ResourceNotFound.User: there is no such user; check the UserId, and that it belongs to this account
  1 × no UserId: the row does not say whose profile it is; fill in its UserId, or take the row out
  1 × no answer: the call left and was not answered in time or in full; the change may have been made; run again: setting the same values twice is harmless
  and 1 other code
Put them right there, then:
  lcic-sync apply --rate 15 /r/20260301T020000Z-k3xq/failures.csv
Row by row: /r/20260301T020000Z-k3xq/results.csv
As a page: /r/20260301T020000Z-k3xq/report.html
"
    );
}

#[test]
fn a_key_is_not_accepted() {
    let counts = Counts {
        pending: 10,
        ..Counts::default()
    };
    let message = "AuthFailure.SecretIdNotFound: not found (RequestId 1)";
    let mut summary = stopped("key", message, counts, 7);
    summary.calls.total = 1;
    assert_eq!(
        said(&summary, &repeat(&[], "users.csv")),
        "\
10 rows: 10 pending
1 call in 10 s
Stopped: the key, its permission or the signature is not accepted
  AuthFailure.SecretIdNotFound: not found (RequestId 1)
  that is: the key is deleted, disabled or mistyped; check the SecretId, also for blanks around it, and the state of the key in the console
When the key is put right, give the same command again:
  lcic-sync apply users.csv
Row by row: /r/20260301T020000Z-k3xq/results.csv
As a page: /r/20260301T020000Z-k3xq/report.html
"
    );
}

#[test]
fn a_signal_with_something_left_and_with_nothing_left() {
    let counts = Counts {
        applied: 5,
        pending: 7,
        ..Counts::default()
    };
    let words = said(
        &stopped("signal", "SIGINT (Ctrl-C)", counts, 130),
        &repeat(&[("--all", None)], "-"),
    );
    let expected = "\
Stopped by a signal
  SIGINT (Ctrl-C)
To go on, give the same command again, with the same text on standard input:
  lcic-sync apply --all -
Because of --all it sends again what was applied now.
";
    assert!(words.contains(expected), "{words}");

    let counts = Counts {
        applied: 12,
        ..Counts::default()
    };
    let words = said(
        &stopped("signal", "SIGTERM", counts, 0),
        &repeat(&[], "users.csv"),
    );
    assert!(
        !words.contains("signal") && !words.contains("lcic-sync apply"),
        "{words}"
    );
}

#[test]
fn nothing_to_do() {
    let counts = Counts {
        unchanged: 200,
        ..Counts::default()
    };
    let mut summary = run(counts, 0);
    summary.calls = Calls::default();
    assert_eq!(
        said(&summary, &repeat(&[], "users.csv")),
        "200 rows: 200 unchanged\nNothing was sent.\n"
    );
    summary.counts = Counts::default();
    assert_eq!(
        said(&summary, &repeat(&[], "users.csv")),
        "No rows in the input: nothing to do.\n"
    );
}

#[test]
fn a_limit_is_no_accident() {
    let counts = Counts {
        applied: 10,
        pending: 90,
        ..Counts::default()
    };
    let summary = Summary {
        stopped_by: Some("limit".into()),
        ..run(counts, 5)
    };
    let repeat = repeat(&[("--limit", Some("10"))], "users.csv");
    let words = said(&summary, &repeat);
    let expected = "\
Stopped at the limit, as wished
To go on, give the same command again:
  lcic-sync apply --limit 10 users.csv
";
    assert!(words.contains(expected), "{words}");
}

#[test]
fn refused_before_sending() {
    let summary = stopped("refused", "users.csv: is empty", Counts::default(), 4);
    assert_eq!(
        said(&summary, &repeat(&[], "users.csv")),
        "\
Refused before anything was sent
  users.csv: is empty
When that is put right, give the same command again:
  lcic-sync apply users.csv
"
    );
}

#[test]
fn a_bug_asks_for_a_report_and_nothing_else() {
    let counts = Counts {
        applied: 9,
        failed: 1,
        ..Counts::default()
    };
    let words = said(&run(counts, 1), &repeat(&[], "users.csv"));
    assert!(words.contains("Please report this, with /r/20260301T020000Z-k3xq/summary.json"));
    assert!(!words.contains("failures.csv"), "{words}");
}

#[test]
fn a_refusals_message_is_not_told_because_it_may_name_the_user() {
    let fault = || Fault {
        code: "ResourceNotFound.User".into(),
        message: "user 2kJJBH not found".into(),
        request_id: None,
    };
    let cause = StopCause::SameRefusal {
        fault: fault(),
        rows: 50,
    };
    assert_eq!(
        reason(&cause),
        "50 rows in a row were refused with ResourceNotFound.User"
    );
    let at = "a.csv: line 17".into();
    assert_eq!(
        reason(&StopCause::InputChanged(at)),
        "a.csv: line 17: the input changed while it was read"
    );
    assert_eq!(reason(&StopCause::Signal(2)), "SIGINT (Ctrl-C)");
    let said = reason(&StopCause::Outage(Fault::ours("no answer", "time-out")));
    assert_eq!(said, "no answer: time-out");
}

#[test]
fn text_from_outside_does_not_steer_the_terminal() {
    assert_eq!(clean("a\x1b[2Jb\r\nc\u{202E}d"), "a [2Jb  c d");
    assert_eq!(clean(&"x".repeat(400)).chars().count(), 301);
}

#[test]
fn a_run_is_told_in_chinese() {
    let repeat = repeat(&[("--rate", Some("15"))], "用户 1.csv");
    assert_eq!(
        last_words(&sample(), Path::new(DIRECTORY), &repeat, Lang::Zh),
        "\
200 行：已更新 120，无变化 30，失败 2，无效 2，被覆盖 3，结果未知 1，未处理 42
141 次请求，耗时 31 分 7 秒，发送时平均每秒 20.0 次；其中 3 次超出频率限制，不计入尝试次数
已停止：服务端长时间未接受任何请求
  no answer: connection timed out
  即：请求已发出，但没有按时收到完整响应，变更可能已经生效；重新运行即可：重复设置相同的值没有副作用
1 行结果未知：请求已发出，但没有收到响应，服务端可能已更新，也可能没有。重复发送没有副作用。
如需继续，请再次执行同一命令：
  lcic-sync apply --rate 15 '用户 1.csv'
失败 2 行、无效 2 行，已列入 failures.csv（以本次运行的进度为限），每行附有原因：
  2 × ResourceNotFound.User：用户不存在；检查用户 ID，并确认它属于该账号
  1 × no UserId：该行没有说明是哪个用户；填写用户 ID，或删除该行
  1 × no answer：请求已发出，但没有按时收到完整响应，变更可能已经生效；重新运行即可：重复设置相同的值没有副作用
  以及另外 1 种错误码
请在该文件中改正，然后执行：
  lcic-sync apply --rate 15 /r/20260301T020000Z-k3xq/failures.csv
逐行结果：/r/20260301T020000Z-k3xq/results.csv
报告页面：/r/20260301T020000Z-k3xq/report.html
"
    );
    let counts = Counts {
        applied: 12,
        ..Counts::default()
    };
    assert_eq!(
        verdict(&run(counts, 0), Lang::Zh),
        "所有用户资料均与文件一致"
    );
}

#[test]
fn a_reason_on_record_is_told_in_chinese_where_it_is_a_sentence_of_ours() {
    let fault = || Fault::ours("no answer", "time-out");
    let first = RowRef { file: 1, line: 17 };
    let table = [
        (StopCause::Signal(9), "信号 9"),
        (StopCause::Signal(2), "SIGINT (Ctrl-C)"),
        (StopCause::Outage(fault()), "no answer: time-out"),
        (
            StopCause::SameRefusal {
                fault: Fault::ours("InvalidParameter.Content", ""),
                rows: 50,
            },
            "连续 50 行被拒绝：InvalidParameter.Content",
        ),
        (
            StopCause::NotRecorded("disk full".into()),
            "无法写入记录：disk full",
        ),
        (
            StopCause::InputChanged("a: b.csv: line 17".into()),
            "a: b.csv 第 17 行：输入在读取期间发生了变化",
        ),
        (
            StopCause::TimeUp("no new call after 06:00 +08:00".into()),
            "06:00 +08:00 之后不再发起请求",
        ),
        (
            StopCause::Canary(CanaryFailure::NotShown {
                users: 2,
                of: 1000,
                first,
            }),
            "回读 1,000 个用户，其中 2 个的变更已被接受却未显示，首个位于第 2 个 FILE 的第 17 行；灰度范围之外没有发送",
        ),
        (
            StopCause::Canary(CanaryFailure::NoneAccepted { of: 1 }),
            "无法验证：1 项变更均未被接受；灰度范围之外没有发送",
        ),
        (
            StopCause::Canary(CanaryFailure::Unread(fault())),
            "无法验证：no answer: time-out；灰度变更已被接受，灰度范围之外没有发送\n提示：回读需要 lcic:DescribeUser 权限",
        ),
    ];
    for (cause, expected) in table {
        assert_eq!(Lang::Zh.retold(&reason(&cause)), expected);
        assert_eq!(Lang::En.retold(&reason(&cause)), reason(&cause));
    }
}
