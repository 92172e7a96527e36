//! Words of `report.html`, the page of a run. See [`super`] for how to translate.

messages! {
    run_title(run) "lcic-sync · run {run}" "lcic-sync · 运行 {run}";

    // Facts.
    input() "Input" "输入";
    standard_input() "standard input" "标准输入";
    began() "Began" "开始时间";
    ended() "Ended" "结束时间";
    service() "Service" "服务地址";
    account() "Account" "账号";
    ledger() "Ledger" "台账";
    exit_code() "Exit code" "退出码";

    // Rows by outcome.
    rows_heading() "Rows" "各行结果";
    rows_by_outcome() "rows by outcome" "各种结果的行数";
    means_applied() "the service took them in this run" "本次运行中已被服务端接受";
    means_unchanged() "the service holds them already; nothing was sent" "服务端已是这些内容，没有发送";
    means_failed() "the service refused them, or their tries ran out" "被服务端拒绝，或尝试次数已用完";
    means_invalid() "never sent: the row itself is wrong" "该行本身有误，没有发送";
    means_superseded() "later rows, or a newer run, replaced them" "被后面的行或更新的运行取代";
    means_unknown() "sent, and no answer came; the next run sends them again" "已发出但没有收到响应，下次运行会重新发送";
    means_pending() "the run stopped first; the same command goes on with them" "运行停止时尚未轮到，再次执行同一命令即可继续";
    rows_read() "read" "总行数";
    is_sum() "the sum of all above" "以上各项之和";
    is_no_sum() "not the sum of the above: this is a bug of lcic-sync" "与以上各项之和不符：这是 lcic-sync 的缺陷";

    // Over time.
    over_time() "Over time" "请求过程";
    answers_over_time() "answers per second over time" "每秒响应数随时间的变化";
    answers_in_steps(slice) "Answers per second, in steps of {slice}:" "每秒响应数，每 {slice}一格：";
    accepted() "accepted" "已接受";
    row_refused() "refused" "被拒绝";
    over_quota() "over the quota" "超出频率限制";
    no_answer() "no answer, or one that may pass" "无响应或暂时失败";
    outage() "outage" "服务中断";
    pace_line() "pace" "速率";
    pace_was(calls, mean, most) "{calls}, {mean} per second on average while sending and never more than {most} within a second"
        "共 {calls}，发送时平均每秒 {mean} 次，任意一秒内最多 {most} 次";
    pace_allowed(rate) "; {rate} were allowed" "；允许每秒 {rate} 次";
    pace_fell(lowest) ", and no more than {lowest} at the slowest, because the service refused calls"
        "，因服务端限流，最低降至每秒 {lowest} 次";
    were_throttled(calls) " {calls} were over the quota all the same." "仍有 {calls} 次超出频率限制。";
    were_retried(calls) " {calls} were made because an earlier one of the same change had failed."
        "有 {calls} 次是对失败请求的重试。";
    was_outage(time) " For {time} the service failed for everybody." "服务中断共 {time}。";

    // How long answers took.
    latency() "How long answers took" "响应耗时";
    answers_by_time() "answers by the time they took" "按耗时统计的响应数";
    latency_was(half, most, nearly_all, longest)
        "Half of the answers came within {half}, 95 % within {most}, 99 % within {nearly_all}; the slowest took {longest}."
        "50% 的响应在 {half}内返回，95% 在 {most}内，99% 在 {nearly_all}内；最慢为 {longest}。";
    milliseconds(n) "{n} ms" "{n} 毫秒";
    thousand(n) "{n} k" "{n} 千";

    // Codes.
    codes() "Codes" "错误码";
    code() "Code" "错误码";
    rows_column() "Rows" "行数";
    calls_column() "Calls" "请求数";
    meaning_column() "Meaning" "含义";
    advice_column() "What to do" "处理建议";
    codes_note() "Calls that failed and were tried again are counted here, too, whether or not their row was applied in the end."
        "失败后又重试的请求也计算在内，无论其所在行最终是否更新成功。";

    // Rows that need work.
    needs_work() "Rows that need work" "需要处理的行";
    nothing_to_mend() "None." "无。";
    shown_here(shown, more) "{shown} are shown here; {more} more are in failures.csv." "此处显示 {shown} 行，另有 {more} 行在 failures.csv 中。";
    how_to_mend()
        "Mend them in failures.csv, beside this page, and apply that file as it is. "
        "请在本页面旁边的 failures.csv 中改正，然后直接对该文件执行 apply。";
    doubt_needs_no_mending()
        "Rows whose outcome is unknown need no mending: the same command sends them again. "
        "结果未知的行无需改正，再次执行同一命令即会重新发送。";
    for_support() "The RequestId is what Tencent's support asks for."
        "联系腾讯云技术支持时请提供 RequestId。";
    doubt_is_not_listed()
        "The rows in doubt are not in failures.csv, because the run was killed. They need no mending: the next run of this input sends them again."
        "由于运行被强行终止，结果未知的行不在 failures.csv 中。这些行无需改正，下次以同一输入运行时会重新发送。";
    search() "Search" "搜索";
    shown_of(shown, all) "{shown} of {all}" "{shown} / {all} 行";
    found_in_shown(shown, all) "{shown} of the {all} rows that are shown; look for others in failures.csv"
        "在显示的 {all} 行中找到 {shown} 行；其余请在 failures.csv 中查找";
    sort_by() "Sort by" "排序";
    copied() "copied" "已复制";
    line_column() "Line" "位置";
    outcome_column() "Outcome" "结果";
    message_column() "Message" "说明";

    made_by(version) "Made by lcic-sync {version} from the files beside it. It names people: treat it like the input file."
        "由 lcic-sync {version} 根据同目录的文件生成。本页含有个人信息，请像对待输入文件一样妥善保管。";
}
