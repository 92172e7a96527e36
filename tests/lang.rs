//! Whole outcomes in Chinese: what a run, `plan`, `check`, `explain` and `runs` say with `--lang zh`,
//! what stays English in it, and how the locale decides.

mod support;

use lcic_sync::simulator::Config;
use lcic_sync::simulator::faults::Faults;
use support::{Bench, Done, column, unlimited};

/// A service that knows no `u3` and finds `u4` offensive.
fn picky() -> Config {
    let faults = r#"{"script": [
        {"user": "u3", "times": "forever", "fault": {"kind": "error", "code": "ResourceNotFound.User"}},
        {"user": "u4", "times": "forever", "fault": {"kind": "error", "code": "InvalidParameter.Content"}}]}"#;
    Config {
        faults: serde_json::from_str::<Faults>(faults).unwrap(),
        ..unlimited()
    }
}

const USERS: &str = "\
UserId,Nickname,Avatar
u1,张伟,https://cdn.example.com/1.png
u2,李娜,
u3,王芳,
u4,刘洋,
u5,NULL,
u6,,
u6,陈静,
u7,杨帆,
u7,杨帆帆,
";

fn has_hanzi(text: &str) -> bool {
    text.contains(|c: char| ('\u{4E00}'..='\u{9FFF}').contains(&c))
}

/// What was said, without what differs from run to run.
fn told(bench: &Bench, done: &Done) -> String {
    let told = bench.plain(&done.stderr);
    let lines = told.lines().map(|line| match line.split_once("，耗时 ") {
        Some((calls, _)) => format!("{calls}，耗时 TIME\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn a_run_and_its_plan_are_told_in_chinese() {
    let bench = Bench::new(picky());
    bench.write("users.csv", USERS);
    let url = bench.lcic.url();
    let plan = [
        "plan",
        "--lang",
        "zh",
        "--endpoint",
        &url,
        "--state-dir",
        "state",
        "users.csv",
    ];
    let plan = bench.run(&plan);
    assert_eq!(plan.code(), 3);
    let ends = |line: &&str| !line.starts_with("现在开始");
    let lines: Vec<&str> = plan.stdout.lines().filter(ends).collect();
    assert_eq!(
        bench.plain(&lines.join("\n")),
        "\
尚无台账（DIR/state/ledger.sqlite3）：所有行都会发送
9 行：待发送 5，无效 3，被覆盖 1
5 项变更待发送至 http://127.0.0.1:PORT，按每秒 20 次至少需要 0.2 秒
未发送任何请求。实际执行请用：
  lcic-sync apply --endpoint http://127.0.0.1:PORT --state-dir state --lang zh users.csv
"
    );

    let done = bench.apply(&["--lang", "zh", "users.csv"]);
    assert_eq!(done.checked_code(), 3);
    assert_eq!(
        told(&bench, &done),
        "\
新建台账 DIR/state/ledger.sqlite3：将发送所有行
2 行无效数据不会发送：
  users.csv 第 6 行：Nickname 列：空值占位词（不修改则留空，清空则用 --clear-token）
  users.csv 第 7 行：Nickname 和 Avatar 均为空
同属这些用户的另外 1 行也不会发送
9 行：5 项变更待发送至 http://127.0.0.1:PORT，按每秒 20 次至少需要 0.2 秒
9 行：已更新 3，失败 2，无效 3，被覆盖 1
5 次请求，耗时 TIME
失败 2 行、无效 3 行，已列入 failures.csv，每行附有原因：
  1 × InvalidParameter.Content：内容包含敏感词；修改该行的昵称
  1 × ResourceNotFound.User：用户不存在；检查用户 ID，并确认它属于该账号
  1 × another row of the user is invalid：该用户另有无效行，为避免只更新一部分，本行暂不发送；改正提示中所指的另一行
  以及另外 2 种错误码
请在该文件中改正，然后执行：
  lcic-sync apply --endpoint http://127.0.0.1:PORT --state-dir state --lang zh DIR/state/reports/RUN/failures.csv
逐行结果：DIR/state/reports/RUN/results.csv
报告页面：DIR/state/reports/RUN/report.html
"
    );

    // For people Chinese, for programs the stable words.
    let results = done.run().results();
    let of = |code: &str| results.iter().find(|row| row["code"] == code).unwrap();
    for (code, outcome, message) in [
        (
            "null word",
            "invalid",
            "Nickname 列：空值占位词（不修改则留空，清空则用 --clear-token）",
        ),
        ("sets nothing", "invalid", "Nickname 和 Avatar 均为空"),
        (
            "another row of the user is invalid",
            "invalid",
            "同一用户的第 7 行无效",
        ),
        ("later row", "superseded", "第 10 行设置了相同的字段"),
    ] {
        let row = of(code);
        assert_eq!(
            (row["outcome"].as_str(), row["message"].as_str()),
            (outcome, message)
        );
    }
    let failures = done.run().failures();
    let outcomes = column(&failures, "_outcome");
    assert!(
        outcomes.iter().all(|outcome| !has_hanzi(outcome)),
        "{outcomes:?}"
    );
    let summary = done.run().summary();
    assert!(!has_hanzi(&summary.to_string()), "{summary:#}");
    let page = std::fs::read_to_string(done.run().file("report.html")).unwrap();
    assert!(page.contains("5 行需要处理，其余均已与文件一致"));

    let runs = bench.run(&["runs", "--lang", "zh", "--state-dir", "state"]);
    assert!(
        runs.stdout
            .contains("  行       9 行：已更新 3，失败 2，无效 3，被覆盖 1\n"),
        "{}",
        runs.stdout
    );
}

#[test]
fn a_run_that_a_limit_and_a_wrong_key_stop_is_told_in_chinese() {
    let mut bench = Bench::new(unlimited());
    bench.write("users.csv", support::users(5, "a"));
    let done = bench.apply(&["--lang", "zh", "--limit", "2", "users.csv"]);
    assert_eq!(done.checked_code(), 5);
    let expected = "\
5 行：已更新 2，未处理 3
2 次请求，耗时 TIME
已达到 --limit，按要求停止
如需继续，请再次执行同一命令：
  lcic-sync apply --endpoint http://127.0.0.1:PORT --limit 2 --state-dir state --lang zh users.csv
";
    let said = told(&bench, &done);
    assert!(said.contains(expected), "{said}");

    bench.set("TENCENTCLOUD_SECRET_KEY", "wrong");
    let done = bench.apply(&["--lang", "zh", "users.csv"]);
    assert_eq!(done.checked_code(), 7);
    let said = told(&bench, &done);
    let expected = "已停止：密钥、权限或签名未被接受\n  AuthFailure.SignatureFailure: ";
    assert!(said.contains(expected), "{said}");
    let expected = "  即：签名错误；检查 SecretKey（包括两侧有无空格），并确认请求在途中没有被改写\n\
        密钥问题解决后，请再次执行同一命令：\n";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn what_is_refused_before_the_first_call_is_told_in_chinese() {
    let mut bench = Bench::new(unlimited());
    bench.write("users.csv", support::users(5, "a"));
    let many = ["--lang", "zh", "--max-changes", "4", "users.csv"];
    let says = "5 项变更，而 --max-changes 4 只允许 4 项\n";
    let done = bench.apply(&many);
    assert_eq!(done.checked_code(), 4);
    let said = told(&bench, &done);
    assert!(
        said.contains(&format!("已拒绝执行，未发送任何请求\n  {says}  提示：")),
        "{said}"
    );
    let message = done.run().summary()["message"].to_string();
    assert!(message.contains("--max-changes 4 allows 4"), "{message}");
    let plan = bench.apply(&[&many[..], &["--dry-run"]].concat());
    assert!(plan.stderr.contains(says), "{}", plan.stderr);
    let done = bench.apply(&["--lang", "zh", "--min-rows", "6", "users.csv"]);
    let said = told(&bench, &done);
    let says = "输入中有 5 行，而 --min-rows 要求至少 6 行\n";
    assert!(said.contains(says), "{said}");

    assert_eq!(bench.apply(&["users.csv"]).checked_code(), 0);
    bench.set("TENCENTCLOUD_SECRET_ID", "AKIDfakeofanotherschool");
    let done = bench.apply(&["--lang", "zh", "users.csv"]);
    let said = told(&bench, &done);
    let says = "台账 DIR/state/ledger.sqlite3 属于 AKID…ATOR（127.0.0.1:PORT），\
                而本次运行的账号是 AKID…hool（127.0.0.1:PORT）\n";
    assert!(said.contains(says), "{said}");
}

#[test]
fn from_cron_it_is_one_line_and_the_log_is_english() {
    let mut bench = Bench::new(picky());
    bench.write("users.csv", "UserId,Nickname\nu3,王芳\n");
    // As a person has it in the configuration file, because cron has no locale.
    bench.write(
        "lcic-sync.toml",
        "lang = \"zh\"\ncron = true\nlog-file = \"log\"\n",
    );
    let done = bench.apply(&["users.csv"]);
    assert_eq!(
        bench.plain(&done.stderr),
        "lcic-sync: 退出码 3：已完成，部分行失败或无效；1 行：失败 1；DIR/state/reports/RUN\n"
    );
    let log = std::fs::read_to_string(bench.path("log")).unwrap();
    let last = log.lines().last().unwrap();
    assert!(
        last.contains("exit 3: finished, some rows failed"),
        "{last}"
    );
    bench.set("LCIC_SYNC_LANG", "en");
    let done = bench.apply(&["users.csv"]);
    assert!(
        done.stderr.starts_with("lcic-sync: exit 3: "),
        "{}",
        done.stderr
    );
}

#[test]
fn check_is_told_in_chinese_and_its_json_is_english() {
    let bench = Bench::new(unlimited());
    let file = "用户ID;昵称;头像\r\n1.23E+10;张伟;\r\nu2;李娜;http://192.168.1.5/a.png\r\nu3;王芳;\r\nU3;刘洋;\r\nu3;王芳;\r\n";
    bench.write("users.csv", encoding_rs::GB18030.encode(file).0);
    let done = bench.run(&["check", "--lang", "zh", "--fix", "fixed.csv", "users.csv"]);
    assert_eq!(
        (done.code(), done.stdout.as_str(), done.stderr.as_str()),
        (
            3,
            "\
users.csv:2: 错误[scientific-notation]：UserId 列：科学计数法（应为完整数字：请在 Excel 中将该列设为文本格式）：实际为 1.23E+10
users.csv:3: 警告[plain-http]：Avatar 列：未用 https（浏览器在 https 页面中可能不显示）：实际为 http://192.168.1.5/a.png
users.csv:3: 警告[private-host]：Avatar 列：内网主机（只有部分网络能访问）：实际为 http://192.168.1.5/a.png
users.csv:4: 警告[repeated-row]：第 6 行内容相同
users.csv:5: 警告[case-pair]：UserId 列：与第 4 行仅大小写不同，是两个用户
5 行：1 个错误，4 个警告；无效 1 行
",
            "\
users.csv：识别结果：GB18030（6 行含非 ASCII 字符，其中 0 行是合法的 UTF-8），以 ; 分隔
fixed.csv：已按 UTF-8 写出 4 行（原为 GB18030（6 行含非 ASCII 字符，其中 0 行是合法的 UTF-8），以 ; 分隔）；1 × 略去与后面重复的行；上面列出的其他问题均保持原样
"
        )
    );
    let json = |lang| {
        let line = ["check", "--lang", lang, "--json", "users.csv"];
        bench.run(&line).stdout
    };
    assert_eq!(json("zh"), json("en"));
}

#[test]
fn explain_is_told_in_chinese_and_its_json_is_english() {
    let bench = Bench::new(unlimited());
    let explain = |lang, more: &[&str]| {
        let line = [&["explain", "--lang", lang], more].concat();
        let done = bench.run(&line);
        (done.code(), done.stdout, done.stderr)
    };
    let expected = "\
http 502
  归入 http 5xx
  类别     暂时失败：可能自行恢复
  含义     响应来自网关，而非 LCIC 服务，变更可能已经生效
  建议     重新运行即可：重复设置相同的值没有副作用
  重试     重试，直到用完 --max-attempts（5）次尝试；每次先随机等待，起初不超过
           0.5 秒，后来不超过 30 秒
  该行     次数用完后为结果未知（unknown）：已发出，但没有响应可作判断；下次运行
           会重新发送
  运行     连续 10 次、涉及至少 5 个用户之后，改为逐个请求试探；如在
           --max-outage（30m）内没有任何请求被接受，则停止
  退出码   5，再次执行同一命令即可继续
";
    assert_eq!(
        explain("zh", &["http", "502"]),
        (0, expected.into(), String::new())
    );
    let (_, _, hint) = explain("zh", &["no", "anwser"]);
    assert_eq!(hint, "提示：你要找的是 no answer 吗？\n");
    for line in [&["--list", "--json"][..], &["--json", "http 502"]] {
        assert_eq!(explain("zh", line), explain("en", line));
    }
}

#[test]
fn the_locale_decides_unless_it_is_said() {
    let mut bench = Bench::new(unlimited());
    let is_chinese = |bench: &Bench, line: &[&str]| {
        let done = bench.run(&[&["explain", "no", "answer"], line].concat());
        has_hanzi(&done.stdout)
    };
    assert!(!is_chinese(&bench, &[]), "without a locale, as cron has it");
    bench.set("LANG", "zh_CN.UTF-8");
    assert!(is_chinese(&bench, &[]));
    assert!(!is_chinese(&bench, &["--lang", "en"]));
    bench.set("LC_ALL", "C");
    assert!(!is_chinese(&bench, &[]));
    assert!(is_chinese(&bench, &["--lang", "zh"]));
    bench.set("LCIC_SYNC_LANG", "chinese");
    let done = bench.run(&["explain", "no", "answer"]);
    assert_eq!(done.code(), 2);
    assert_eq!(
        done.stderr,
        "error: LCIC_SYNC_LANG: found \"chinese\", expected zh or en\n"
    );
}
