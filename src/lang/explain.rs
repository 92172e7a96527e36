//! Words of `explain`: what kind of code it is, and what is done about it. Meanings and advice are
//! in `codes.csv`. See [`super`] for how to translate.

messages! {
    brief(meaning, advice) "{meaning}; {advice}" "{meaning}；{advice}";
    did_you_mean(meant) "did you mean {meant}?" "你要找的是 {meant} 吗？";

    // How it was found.
    by_pattern(code) "one of those told as {code}" "归入 {code}";
    by_prefix(code) "not documented: treated like {code}, the longest documented part of it"
        "文档未收录：按其最长的已收录前缀 {code} 处理";
    nowhere() "not documented, and no part of it is: treated as below" "文档未收录，也没有已收录的前缀：按下述方式处理";

    // Kinds.
    kind(name, words) "{name}: {words}" "{name}：{words}";
    kind_throttled() "over the quota" "超出频率限制";
    kind_passing() "a failure that may pass" "可能自行恢复";
    kind_row() "this row is refused, others may do" "该行被拒绝，其他行不受影响";
    kind_key() "key, permission or signature" "密钥、权限或签名";
    kind_endpoint() "wrong endpoint, or something in the service's place" "服务地址有误，或有别的程序代为应答";
    kind_invalid() "this row, or another of its user, is wrong; not sent" "该行（或同一用户的另一行）输入有误，没有发送";
    kind_undecided() "no answer decided this row" "该行的结果并非由响应决定";
    kind_warning() "odd, and sent all the same" "有疑点，但照常发送";
    class_throttled() "throttled" "限流";
    class_passing() "passing" "暂时失败";
    class_row() "row" "行被拒绝";
    class_key() "key" "密钥";
    class_endpoint() "endpoint" "服务地址";
    class_warning() "warning" "警告";

    // Labels.
    label_class() "class" "类别";
    label_meaning() "meaning" "含义";
    label_advice() "advice" "建议";
    label_retried() "retried" "重试";
    label_row() "the row" "该行";
    label_run() "the run" "运行";
    label_exit() "exit" "退出码";
    list_code() "CODE" "错误码";
    list_class() "CLASS" "类别";
    list_meaning() "MEANING" "含义";
    list_ends() "lcic-sync explain CODE says what to do about one." "处理建议请用 lcic-sync explain CODE 查看。";

    // Whether it is tried again.
    no() "no" "不重试";
    never_sent() "never sent" "不发送";
    sent_like_others() "sent like any other" "照常发送";
    waits(base, cap) "random waits, of up to {base} s at first and {cap} s later" "随机等待，起初不超过 {base} 秒，后来不超过 {cap} 秒";
    few_tries(tries, waits) "yes, until --max-attempts ({tries}) tries are used up, after {waits}"
        "重试，直到用完 --max-attempts（{tries}）次尝试；每次先{waits}";
    free_tries(waits) "yes, as often as needed: it uses up no try; after {waits}" "重试，次数不限，不计入尝试次数；每次先{waits}";
    once_corrected() "once the clock is corrected: the service's own time is taken over and the call is signed again"
        "校正时间后重试一次：改用服务端时间并重新签名";
    not_in_this_run() "not in this run" "本次运行不再重试";
    not_sent_now() "not sent in this run" "本次运行不发送";

    // How the row ends.
    as_answered() "as the answer says" "由响应决定";
    decided_later() "decided by a later answer; pending if the run stops first" "由后来的响应决定；如运行先停止则为未处理（pending）";
    failed_then() "failed when they are used up" "次数用完后为失败（failed）";
    failed_in_doubt() "failed when they are used up, and in doubt in the ledger: the next run sends it again"
        "次数用完后为失败（failed），在台账中记为结果未知：下次运行会重新发送";
    unknown_then() "unknown when they are used up: sent, and no answer decided; the next run sends it again"
        "次数用完后为结果未知（unknown）：已发出，但没有响应可作判断；下次运行会重新发送";
    failed_at_once() "failed; it stands in failures.csv, and the next run sends it again"
        "失败（failed）；列入 failures.csv，下次运行会重新发送";
    pending_all() "pending, and so are all that are left: the same command goes on with them"
        "未处理（pending），其余各行也是：再次执行同一命令即可继续";
    invalid_row(outcome) "{outcome}; it stands in failures.csv where it has the header's number of cells"
        "无效（{outcome}）；如单元格数与表头一致，则列入 failures.csv";
    pending_row(outcome) "{outcome}; the same command goes on with it" "未处理（{outcome}）；再次执行同一命令即可继续";
    unknown_row(outcome) "{outcome}; the next run sends it again" "结果未知（{outcome}）；下次运行会重新发送";

    // What becomes of the run.
    goes_on() "goes on" "继续";
    goes_on_unless(outage) "goes on; {outage}" "继续；{outage}";
    goes_on_slower(outage) "goes on at a slightly lower pace; {outage}" "略微降速后继续；{outage}";
    goes_on_until(rows) "goes on; stops after {rows} rows in a row with the same code and none accepted between"
        "继续；如连续 {rows} 行都是同一错误码且其间没有一行被接受，则停止";
    stops_in_outage(time) "stops when nothing is accepted for --max-outage ({time})" "如在 --max-outage（{time}）内没有任何请求被接受，则停止";
    probes(failures, users, outage)
        "after {failures} in a row from {users} or more users one call at a time probes the service; {outage}"
        "连续 {failures} 次、涉及至少 {users} 个用户之后，改为逐个请求试探；{outage}";
    impostors(n) "stops after {n} of them before the service has answered once; otherwise as in an outage"
        "如在服务端首次响应之前出现 {n} 次，则停止；否则按服务中断处理";
    stops_at_once() "stops at once, because no row can work" "立即停止，因为任何一行都不会成功";
    ends_with_others() "ends when the others are done" "其他行完成后结束";
    was_stopping() "was being stopped already" "已在停止过程中";

    // The exit code.
    none_but_stop() "none of its own; 5 if the run stops" "本身不影响；如运行停止则为 5";
    row_or_stop() "3 for the row; 5 if the run stops" "该行导致 3；如运行停止则为 5";
    five_goes_on() "5, the same command goes on" "5，再次执行同一命令即可继续";
    of_the_stop() "that of what stopped the run: 5, 7, 130 or 143" "取决于运行停止的原因：5、7、130 或 143";
}
