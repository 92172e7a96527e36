"use strict";
{
  const table = document.getElementById("rows");
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");

  if (table) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => ({ row, text: row.textContent.toLowerCase() }));

    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const { row, text } of rows) {
        row.hidden = !words.every((word) => text.includes(word));
        count += row.hidden ? 0 : 1;
      }
      const numbers = { shown: count, all: rows.length };
      const number = (_, name) => numbers[name].toLocaleString("en");
      shown.value = shown.dataset.told.replace(/{(\w+)}/g, number);
    };
    search.addEventListener("input", filter);
    filter();

    // "users.csv:9" stands before "users.csv:10".
    const { compare } = new Intl.Collator(document.documentElement.lang, { numeric: true });
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      head.firstElementChild.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = ({ row }) => row.cells[column].textContent;
        rows.sort((a, b) => (up ? 1 : -1) * compare(key(a), key(b)));
        body.append(...rows.map(({ row }) => row));
      });
    });

    // What is cut off after some lines is shown whole, and cut again.
    body.addEventListener("click", ({ target }) => {
      const cell = target.closest("bdi");
      if (cell && getSelection().isCollapsed) cell.classList.toggle("whole");
    });

    // Selected is as good as copied where a browser does not let us.
    body.addEventListener("click", async ({ target }) => {
      if (!target.classList.contains("copy")) return;
      getSelection().selectAllChildren(target);
      try {
        await navigator.clipboard.writeText(target.textContent);
        target.classList.add("copied");
        setTimeout(() => target.classList.remove("copied"), 1200);
      } catch {}
    });
  }
}
