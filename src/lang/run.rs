//! Words before, during and after a run: the outlook, the bar, the last words, notices. See
//! [`super`] for how to translate.

messages! {
    // Everywhere.
    applied() "applied" "已更新";
    unchanged() "unchanged" "无变化";
    failed() "failed" "失败";
    invalid() "invalid" "无效";
    superseded() "superseded" "被覆盖";
    unknown() "unknown" "结果未知";
    pending() "pending" "未处理";
    so_many(number, name) "{number} {name}" "{name} {number}";
    so_many_rows(number, name) "{number} {name}" "{name} {number} 行";
    comma() ", " "，";
    seconds(n) "{n} s" "{n} 秒";
    minutes(n) "{n} min" "{n} 分";
    hours(n) "{n} h" "{n} 小时";
    days(n) "{n} d" "{n} 天";
    warning() "warning: " "警告：";
    hint(told) "hint: {told}" "提示：{told}";

    // The verdict.
    rows_in_doubt(rows) "{rows} in doubt" "{rows}结果未知";
    all_in_place() "Everything is in place" "所有用户资料均与文件一致";
    one_row_needs_work() "1 row needs work, the others are in place" "1 行需要处理，其余均已与文件一致";
    rows_need_work(rows) "{rows} need work, the others are in place" "{rows}需要处理，其余均已与文件一致";

    // What happened.
    rows_by(rows, outcomes) "{rows}: {outcomes}" "{rows}：{outcomes}";
    no_rows() "No rows in the input: nothing to do." "输入中没有数据行，无需处理。";
    nothing_sent() "Nothing was sent." "未发送任何请求。";
    calls_in(calls, took) "{calls} in {took}" "{calls}，耗时 {took}";
    per_second(rate) ", at {rate} a second while sending" "，发送时平均每秒 {rate} 次";
    throttled(calls) "; {calls} over the quota, which cost no try"
        "；其中 {calls} 次超出频率限制，不计入尝试次数";

    // Why it stopped.
    stopped_by_bug() "An error inside of lcic-sync: what it says about rows can't be relied on"
        "lcic-sync 内部出错：其中各行的结果不可信";
    stopped_by_canary() "Stopped by the canary" "灰度验证未通过，已停止";
    refused() "Refused before anything was sent" "已拒绝执行，未发送任何请求";
    signal_before() "Stopped by a signal before anything was sent" "收到信号而停止，尚未发送任何请求";
    stopped_by_signal() "Stopped by a signal" "收到信号而停止";
    killed() "The run was killed" "运行被强行终止";
    stopped_by_outage() "Stopped: the service accepted nothing for too long"
        "已停止：服务端长时间未接受任何请求";
    stopped_by_key() "Stopped: the key, its permission or the signature is not accepted"
        "已停止：密钥、权限或签名未被接受";
    stopped_by_service() "Stopped: what answers does not know this call, or is not the service"
        "已停止：该地址没有此接口，或响应并非来自 LCIC 服务";
    stopped_by_refusals() "Stopped: the same refusal for row after row. Is it the right account?"
        "已停止：连续多行被以同一原因拒绝。账号是否正确？";
    stopped_by_record() "Stopped: a full disk? What could not be recorded is sent again by the next run"
        "已停止：磁盘是否已满？未能记录的内容会由下次运行重新发送";
    stopped_by_changed_input() "Stopped before a row that is not what it was"
        "已停止：有一行与先前读取时不同";
    stopped_by_input() "Stopped: the input could not be read to its end" "已停止：输入未能读到末尾";
    stopped_by_time() "Stopped because its time is up" "时间已到，停止运行";
    too_late() "Nothing was sent: the time for it is over" "已过截止时间，本次未发送任何请求";
    stopped_by_limit() "Stopped at the limit, as wished" "已达到 --limit，按要求停止";
    stopped_early() "Stopped early" "提前停止";
    that_is(explained) "that is: {explained}" "即：{explained}";

    // The reason, where it is told by us.
    by_signal(number) "signal {number}" "信号 {number}";
    same_refusal(rows, code) "{rows} rows in a row were refused with {code}" "连续 {rows} 行被拒绝：{code}";
    not_recorded(seen) "the record could not be written: {seen}" "无法写入记录：{seen}";
    input_changed(at) "{at}: the input changed while it was read" "{at}：输入在读取期间发生了变化";
    canary_not_shown(of, users, line, file)
        "of {of} read back, the service does not show what it accepted of {users}, the first in line {line} of FILE {file}; beyond the canary nothing was sent"
        "回读 {of}，其中 {users} 个的变更已被接受却未显示，首个位于第 {file} 个 FILE 的第 {line} 行；灰度范围之外没有发送";
    canary_none_accepted(of) "can't verify: of {of} none was accepted; beyond the canary nothing was sent"
        "无法验证：{of}均未被接受；灰度范围之外没有发送";
    canary_unread(fault)
        "can't verify: {fault}; the canary was accepted, beyond it nothing was sent\nhint: reading back needs the permission for lcic:DescribeUser"
        "无法验证：{fault}；灰度变更已被接受，灰度范围之外没有发送\n提示：回读需要 lcic:DescribeUser 权限";
    no_new_call(until) "no new call after {until}" "{until} 之后不再发起请求";
    too_many_changes(changes, limit, allowed)
        "{changes}, and --max-changes {limit} allows {allowed}\nhint: look at what changed in the file; if it is right, give a higher --max-changes this once"
        "{changes}，而 --max-changes {limit} 只允许 {allowed} 项\n提示：请查看文件中变更了什么；如果确实无误，请在本次运行中调高 --max-changes";
    too_many_of_held(changes, limit, allowed, users)
        "{changes}, and --max-changes {limit} allows {allowed} (of {users} in the ledger)\nhint: look at what changed in the file; if it is right, give a higher --max-changes this once"
        "{changes}，而 --max-changes {limit} 只允许 {allowed} 项（台账中共 {users}）\n提示：请查看文件中变更了什么；如果确实无误，请在本次运行中调高 --max-changes";
    too_few_rows(rows, wanted)
        "{rows} in the input, and --min-rows wants {wanted}\nhint: is the export complete?"
        "输入中有 {rows}，而 --min-rows 要求至少 {wanted} 行\n提示：导出是否完整？";
    other_account(path, pinned, found)
        "ledger {path}: belongs to {pinned}, and this run would act for {found}\nhint: each account has its own ledger: choose another --state-dir\nhint: if it is the same account with a new key, say so with: lcic-sync ledger adopt"
        "台账 {path} 属于 {pinned}，而本次运行的账号是 {found}\n提示：每个账号使用各自的台账：请指定另一个 --state-dir\n提示：如果是同一账号换了新密钥，请执行 lcic-sync ledger adopt";
    account_at(label, host) "{label} at {host}" "{label}（{host}）";
    run_did_not_end()
        "the run did not end; this was written by the next one, and counts those calls that results.csv tells of"
        "该运行没有正常结束；本报告由下次运行补写，只统计 results.csv 中有记录的请求";

    // In doubt.
    no_answer_came() "sent, but no answer came back" "请求已发出，但没有收到响应";
    was_not_shown() "sent, and accepted or not, the service did not show it" "请求已发出，无论是否被接受，回读时都没有看到";
    row_in_doubt(rows, why)
        "{rows} is in doubt: {why}, so the service may hold it or not. Sending it again does no harm."
        "{rows}结果未知：{why}，服务端可能已更新，也可能没有。重复发送没有副作用。";
    rows_are_in_doubt(rows, why)
        "{rows} are in doubt: {why}, so the service may hold them or not. Sending them again does no harm."
        "{rows}结果未知：{why}，服务端可能已更新，也可能没有。重复发送没有副作用。";

    // What to do next.
    report_bug(file) "Please report this, with {file} (it names no person)." "请反馈此问题，并附上 {file}（其中不含个人信息）。";
    when_put_right() "When that is put right, give the same command again" "问题解决后，请再次执行同一命令";
    when_key_right() "When the key is put right, give the same command again" "密钥问题解决后，请再次执行同一命令";
    when_account_right() "If the account is the right one, or when it is put right, give the same command again"
        "如果账号无误，或已经改正，请再次执行同一命令";
    to_go_on() "To go on, give the same command again" "如需继续，请再次执行同一命令";
    same_input() ", with the same text on standard input" "，并在标准输入给出同样的内容";
    again(when, input, line) "{when}{input}:\n  {line}" "{when}{input}：\n  {line}";
    all_again() "Because of --all it sends again what was applied now."
        "由于带有 --all，本次已更新的内容也会重新发送。";
    both(one, other) "{one} and {other}" "{one}、{other}";
    as_far_as_it_got() " as far as this run got" "（以本次运行的进度为限）";
    row_to_mend(rows, so_far, codes, line)
        "{rows} row stands in failures.csv{so_far}, each with its reason{codes}\nPut them right there, then:\n  {line}"
        "{rows}，已列入 failures.csv{so_far}并附有原因{codes}\n请在该文件中改正，然后执行：\n  {line}";
    rows_to_mend(rows, so_far, codes, line)
        "{rows} rows stand in failures.csv{so_far}, each with its reason{codes}\nPut them right there, then:\n  {line}"
        "{rows}，已列入 failures.csv{so_far}，每行附有原因{codes}\n请在该文件中改正，然后执行：\n  {line}";
    full_stop() "." "。";
    colon() ": " "：";
    semicolon() "; " "；";
    nothing_was_sent() "nothing was sent" "未发送任何请求";
    code_line(rows, code, brief) "\n  {rows} × {code}: {brief}" "\n  {rows} × {code}：{brief}";
    and_codes(codes) "\n  and {codes}" "\n  以及另外 {codes}";
    files(results, page) "Row by row: {results}\nAs a page: {page}" "逐行结果：{results}\n报告页面：{page}";

    // How it ends, in a line.
    done() "all rows are applied, unchanged or superseded" "所有行均为已更新、无变化或被覆盖";
    internal_error() "internal error: a bug in this program" "内部错误：程序缺陷";
    usage_error() "usage or configuration" "用法或配置错误";
    some_failed() "finished, some rows failed or are invalid" "已完成，部分行失败或无效";
    refused_or_canary() "refused before anything was sent, or by the canary" "发送前被拒绝，或灰度验证未通过";
    early_or_in_doubt() "stopped early or in doubt; the same command goes on" "提前停止或结果未知；再次执行同一命令即可继续";
    key_refused() "key, permission or signature" "密钥、权限或签名有误";
    locked() "another run holds the lock" "另一次运行持有锁";
    interrupted() "interrupted with something left" "被中断，仍有剩余";
    terminated() "terminated with something left" "被终止，仍有剩余";
    exit_line(number, meaning) "exit {number}: {meaning}" "退出码 {number}：{meaning}";
    recovered() "lcic-sync: recovered, all is well again" "lcic-sync：已恢复正常";
    needs_person(number, meaning) "lcic-sync: a person is needed (exit {number}: {meaning})"
        "lcic-sync：需要人工处理（退出码 {number}：{meaning}）";
    run_named(run) "run {run}" "运行 {run}";
    run_on(run, host) "run {run} on {host}" "运行 {run}（主机 {host}）";
    on_host(host) "on {host}" "主机 {host}";
    notice_undelivered(to, seen) "the notice to {to} did not arrive: {seen}" "通知未能送达 {to}：{seen}";
    refused_with(code) "refused with code {code}" "被拒绝，代码 {code}";
    no_pings(seen) "no pings: {seen}" "无法通知监控服务：{seen}";
    start_undelivered(seen) "the ping of the start did not arrive: {seen}" "未能将开始通知监控服务：{seen}";
    end_undelivered(seen) "the ping of the end did not arrive: {seen}" "未能将结束通知监控服务：{seen}";

    // What is about to happen.
    settings_from(file) "settings from {file}" "配置文件：{file}";
    waits_for_run(time, holder) "waiting up to {time} for another run ({holder})" "等待另一次运行结束，最多 {time}（{holder}）";
    new_ledger(path) "new ledger {path}: all rows will be sent" "新建台账 {path}：将发送所有行";
    cut_off(at, settled, rows, users, run)
        "the run of {at} was cut off after {settled} of {rows}: {users} in doubt, to be sent again where this input names them ({run})"
        "{at} 的运行在处理 {settled} 行后中断（共 {rows}）：{users}结果未知，本次输入若包含则会重新发送（{run}）";
    shrank(rows, before)
        "{rows}, and {before} in the last run of this input: is the export complete? (--min-rows refuses one that is not)"
        "{rows}，而该输入上次运行时有 {before} 行：导出是否完整？（--min-rows 可拒绝不完整的导出）";
    held_back(rows) "{rows} of the same users will not be sent either" "同属这些用户的另外 {rows}也不会发送";
    to_send(changes) "{changes} to send" "{changes}待发送";
    to_send_at(changes, endpoint, took, rate) "{changes} to send to {endpoint}, at least {took} at {rate} a second"
        "{changes}待发送至 {endpoint}，按每秒 {rate} 次至少需要 {took}";
    still_in_doubt(users) "{users} in doubt since an earlier run, not named by this input, stay in doubt"
        "{users}自先前的运行以来结果未知，本次输入未包含，维持原状";
    known_limit(limit) "the service lately allowed {limit} calls a second: beginning there"
        "服务端近期每秒只允许 {limit} 次请求，将从该速率开始";
    window_is_over(next) "the next such time is {next}, more than 12 h away" "距下一个截止时间 {next} 还有 12 小时以上";
    would_send_nothing(why) "apply would send nothing now: {why}" "现在执行 apply 不会发送任何请求：{why}";
    fits_before(fit, all, until) "{fit} of {all} fit before {until}, the next run goes on"
        "{until} 之前来得及发送 {fit} 项（共 {all} 项），其余由下次运行继续";
    question(changes, rows, place) "Send {changes} (from {rows}) to {place}?" "确认发送 {changes}（来自 {rows}）至 {place}？";
    place_as(endpoint, account) "{endpoint} as {account}" "{endpoint}（账号 {account}）";

    // The plan.
    no_ledger(path) "no ledger yet ({path}): all rows would be sent" "尚无台账（{path}）：所有行都会发送";
    ledger_of(path, account) "ledger {path} of {account}" "台账 {path}，账号 {account}";
    ledger_unused(path) "ledger {path}, not used yet" "台账 {path}，尚未使用";
    run_without_end(run)
        "run {run} has not ended: it is at work, or it was killed; what it has sent without an answer counts as in doubt"
        "运行 {run} 尚未结束：可能正在进行，也可能被强行终止；其已发出而未收到响应的请求按结果未知处理";
    would_send() "to send" "待发送";
    beyond_limit() "beyond --limit" "超出 --limit";
    ends_at(at) "begun now, that ends at {at} or later" "现在开始，最早于 {at} 结束";
    to_do_it(line) "Nothing was sent. To do it:\n  {line}" "未发送任何请求。实际执行请用：\n  {line}";
    show_needs_terminal() "--show shows people's names, so it works on a terminal only"
        "--show 会显示姓名，因此只能在终端中使用";
    cleared() "(cleared)" "（清空）";
    not_known() "(not known)" "（未知）";
    or_in_doubt(held, doubt) "{held} or, in doubt, {doubt}" "{held}，或（未确认）{doubt}";

    // Past runs.
    no_runs() "no runs yet" "还没有运行记录";
    run_without_end_yet() "no end: it is at work, or it was killed" "没有结束：正在进行，或被强行终止";
    run_stopped(took, by, code) "stopped after {took} ({by}), exit {code}" "运行 {took}后停止（{by}），退出码 {code}";
    run_took(took, code) "took {took}, exit {code}" "历时 {took}，退出码 {code}";
    run_killed() "killed; the next run found it" "被强行终止；由下次运行发现";
    gone() " (gone)" "（已删除）";
    run_of() "of" "输入";
    run_rows() "rows" "行";
    run_reports() "reports" "报告";

    // While it goes on.
    numbers(applied, failed, retrying) "{applied} applied, {failed} failed, {retrying} retrying"
        "已更新 {applied}，失败 {failed}，重试中 {retrying}";
    progress(done, all, numbers, pace) "{done}/{all} rows, {numbers}, {pace}" "{done}/{all} 行，{numbers}，{pace}";
    pace(rate) "{rate}/s" "{rate} 次/秒";
    stopping() "stopping" "正在停止";
    left(time) "{time} left" "剩余 {time}";
    and_end(end) ", {end}" "，{end}";
    and_waiting(waiting) "; {waiting}" "；{waiting}";
    waits_to_retry(time) "waiting: what failed is tried again in {time}" "等待：{time}后重试失败的请求";
    waits_for_earlier(time) "waiting: an earlier run's calls may still arrive, sending in {time}"
        "等待：先前运行的请求可能仍会到达，{time}后发送";
    waits_for_service(time) "waiting: the service does not answer, next try in {time}"
        "等待：服务端没有响应，{time}后再试";
    outage_began(fault) "the service does not answer as it should ({fault}); trying one call at a time"
        "服务端响应异常（{fault}），改为逐个尝试";
    outage_ended(after) "the service answers again, after {after}" "服务端已恢复响应，中断了 {after}";
    clock_behind(by) "this machine's clock is {by} behind the service's; calls are signed for the service's clock"
        "本机时间比服务端慢 {by}，已改按服务端时间签名";
    clock_ahead(by) "this machine's clock is {by} ahead of the service's; calls are signed for the service's clock"
        "本机时间比服务端快 {by}，已改按服务端时间签名";
    canary_held(users) "canary: {users} read back, all as sent" "灰度验证：已回读 {users}，均与发送的一致";
    is_stopping(reason) "stopping: {reason}" "正在停止：{reason}";
    waits_for(answers) "; waiting for {answers}" "；等待 {answers}";
    second_signal() " (a second signal does not wait)" "（再次收到信号则不再等待）";

    // The demo.
    demo_begins(url, dir)
        "A local LCIC listens on {url}. It allows 20 calls a second, and now and then it fails.\nEverything this demo writes is in {dir}\n"
        "本地模拟的 LCIC 正在监听 {url}。\n它每秒允许 20 次请求，并且偶尔出错。\n本演示写入的所有文件都在 {dir}\n";
    demo_again() "\nNow the same command again: only what is left is sent.\n" "\n再次执行同一命令：只发送剩余的部分。\n";
    demo_ends(profiles, first, second, dir)
        "\nAs expected: the service holds the {profiles} of the file that it accepts; {first} in the first run,\n{second} in the second. Look into {dir} and beside it.\nThe local LCIC has stopped, so the commands above lead nowhere now; lcic-sync simulate starts another."
        "\n符合预期：文件中可被接受的 {profiles}都已在服务端。\n第一次运行 {first}，第二次 {second} 次。结果文件见 {dir} 及其旁边。\n本地模拟的 LCIC 已停止，上面的命令不再有效；可用 lcic-sync simulate 再启动一个。";
}
