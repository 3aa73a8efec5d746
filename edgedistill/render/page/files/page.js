"use strict";
(() => {
  const specs = JSON.parse(document.getElementById("plots").textContent);

  // ast: expressions run in Vega's interpreter; the page's policy forbids to evaluate code.
  const options = { mode: "vega-lite", renderer: "svg", ast: true, actions: false, tooltip: { theme: "custom" } };
  for (const place of document.querySelectorAll(".plot[data-plot]")) {
    const words = place.innerHTML;
    window.vegaEmbed(place, specs[place.dataset.plot], options).then(
      // The place itself tells what is drawn; what Vega says of every mark only repeats it.
      () => place.querySelector("svg").setAttribute("aria-hidden", "true"),
      (error) => {
        place.innerHTML = words;
        console.error(error);
      },
    );
  }

  const names = new Intl.Collator("en", { numeric: true });

  const compare = (one, other) => {
    const [a, b] = [one.dataset.sort, other.dataset.sort];
    if (a !== undefined && b !== undefined) return Number(a) - Number(b);
    if (a !== undefined || b !== undefined) return a !== undefined ? -1 : 1;
    return names.compare(one.textContent, other.textContent);
  };

  const sort = (table, head, column) => {
    const rising = head.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = [...body.rows];
    rows.sort((one, other) => compare(one.cells[column], other.cells[column]) * (rising ? 1 : -1));
    body.append(...rows);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      const title = head.querySelector(".title");
      button.textContent = title.textContent;
      button.title = "Sort by this column";
      button.addEventListener("click", () => sort(table, head, column));
      title.replaceChildren(button);
    });
  }

  // What is folded away is printed too.
  window.addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details")) folded.open = true;
  });
})();
