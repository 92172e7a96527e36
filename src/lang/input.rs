//! Words for what is found in the input: of rows, of cells, of files. The names of findings about
//! cells, and what fits, are in `findings.csv`. See [`super`] for how to translate.

messages! {
    level_error() "error" "错误";
    level_warning() "warning" "警告";

    // Rows and their cells.
    line(line) "line {line}" "第 {line} 行";
    line_of(line, file) "line {line} of {file}" "第 {line} 行（{file}）";
    other_width(found, expected) "the row has {found} cells, the header {expected}" "该行有 {found} 个单元格，表头有 {expected} 个";
    unmended() "column _cells tells of missing or surplus cells (put the row right, then empty it)"
        "_cells 列说明该行缺少或多出单元格（请改好该行，再清空此列）";
    no_user() "column UserId is blank" "UserId 列为空";
    not_utf8(column, byte, value) "column {column}: byte {byte} (0x{value}) is not UTF-8" "{column} 列：第 {byte} 个字节（0x{value}）不是 UTF-8";
    sets_nothing() "Nickname and Avatar are both blank" "Nickname 和 Avatar 均为空";
    in_column(column, found) "column {column}: {found}" "{column} 列：{found}";
    with_mark(name, mark) "{name} {mark}" "{name} {mark}";
    fits(name, fits) "{name} ({fits})" "{name}（{fits}）";
    digits(n) "{n} digits" "{n} 位数字";
    letters(n) "{n} letters" "{n} 个字母";
    letters_and_digits(n) "{n} letters and digits" "{n} 个字母和数字";
    characters(n) "{n} characters" "{n} 个字符";
    from_to(shortest, longest) "{shortest} to {longest}" "{shortest} 到 {longest}";
    or_more(n) "{n} or more" "不少于 {n}";
    unusual_id(shape, usual, fits) "column UserId: an id of {shape}, where others have {usual} ({fits})"
        "UserId 列：该 ID 为 {shape}，其他均为 {usual}（{fits}）";
    unusual_ids(count, shape, usual, fits) "column UserId: {count} ids of {shape}, the first here, where others have {usual} ({fits})"
        "UserId 列：有 {count} 个 ID 为 {shape}，此为首个，其他均为 {usual}（{fits}）";
    ids_are_names() "column UserId: most ids are Chinese names, the first here (are the columns swapped?)"
        "UserId 列：大多数 ID 是中文姓名，此为首个（列是否颠倒？）";
    sets_another(row, field) "{row} sets another {field} for the same user, and wins" "{row}为同一用户设置了不同的 {field}，以该行为准";
    says_the_same(row) "{row} says the same" "{row}内容相同";
    case_pair(row) "column UserId: differs by case only from {row}: two users" "UserId 列：与{row}仅大小写不同，是两个用户";

    // Rows that are not sent.
    other_is_invalid(row) "{row} of the same user is invalid" "同一用户的{row}无效";
    later_sets_the_same(row) "{row} sets the same" "{row}设置了相同的字段";
    newer_run(run) "run {run} has dealt with this user since; what it left to do is in its failures.csv"
        "此后的运行 {run} 已处理过该用户，未完成的部分在其 failures.csv 中";
    left_by_limit() "beyond --limit; left for a later run" "超出 --limit，留待以后的运行";

    // Files, as they are read.
    read_as(name, read_as) "{name}: read as {read_as}" "{name}：识别结果：{read_as}";
    by_mark(encoding) "{encoding} by its byte order mark" "{encoding}（依据字节顺序标记）";
    as_told(encoding) "{encoding} as told" "{encoding}（按指定）";
    by_lines(encoding, lines, utf8) "{encoding}: of {lines} lines with other than ASCII {utf8} are valid UTF-8"
        "{encoding}（{lines} 行含非 ASCII 字符，其中 {utf8} 行是合法的 UTF-8）";
    separated_by_tab() "separated by TAB" "以 TAB 分隔";
    sheet(sheet, ids) "sheet {sheet} of a workbook{ids}" "工作簿的工作表 {sheet}{ids}";
    sheet_of_several(sheet, n, ids) "sheet {sheet} of a workbook, one of {n}{ids}" "工作簿的工作表 {sheet}，共 {n} 张{ids}";
    ids_are_numbers() " (its ids are numbers: only zeros that their format shows stand at their front)"
        "（ID 为数字：前导 0 仅限其格式所显示的）";
    powershell() "PowerShell's CSV, without its line #TYPE" "PowerShell 的 CSV，略去其 #TYPE 行";
    separated_by(delimiter) "separated by {delimiter}" "以 {delimiter} 分隔";

    // All of it.
    no_rows_behind() "warning: no rows behind the header" "警告：表头之后没有数据行";
    header_again(rows) "{rows} left out: the header again" "已略过 {rows}：重复的表头";
    clears(cells) "{cells} with the --clear-token: an empty text is sent, and what the service makes of it is not documented"
        "{cells}为 --clear-token：将发送空文本，而服务端如何处理空文本没有文档说明";
    odd_rows(rows, place, message) "warning: {rows}, first {place}: {message}" "警告：{rows}，首见于 {place}：{message}";
    place(name, line) "{name}: line {line}" "{name} 第 {line} 行";
    not_sent(rows) "{rows} will not be sent:" "{rows}不会发送：";
    wrong_row(place, message) "  {place}: {message}" "  {place}：{message}";
    more_wrong_rows(n, place) "  and {n} more, {place}" "  另有 {n} 行，{place}";
    see_results() "see results.csv" "见 results.csv";
    see_check() "lcic-sync check lists them all" "可用 lcic-sync check 列出全部";

    // check.
    finding(place, level, code, message) "{place}: {level}[{code}]: {message}" "{place}: {level}[{code}]：{message}";
    found(cell) ": found {cell}" "：实际为 {cell}";
    more_findings(n, level, code) "  and {n} more {level}[{code}]" "  另有 {n} 个{level}[{code}]";
    checked(rows, errors, warnings, invalid) "{rows}: {errors} and {warnings}; {invalid} invalid"
        "{rows}：{errors}，{warnings}；{invalid}";
    none_invalid() "none is" "没有无效行";
    one_invalid() "1 is" "无效 1 行";
    some_invalid(n) "{n} are" "无效 {n} 行";

    // check --fix.
    written(rows) "{rows} written in UTF-8" "已按 UTF-8 写出 {rows}";
    was_read_as(read_as) " (was {read_as})" "（原为 {read_as}）";
    repaired(n, what) "; {n} × {what}" "；{n} × {what}";
    without_blanks() "id without the blanks around it" "去除用户 ID 两侧的空白";
    without_repeated() "row left out that a later one repeats" "略去与后面重复的行";
    without_blank_rows() "row left out that was blank or the header again" "略去空行或重复的表头";
    rest_is_left() "; all else that is told above is left as it is" "；上面列出的其他问题均保持原样";
}
