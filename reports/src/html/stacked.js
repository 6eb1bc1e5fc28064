// On a phone a table that is wider than the page becomes a card for each row, each value beside its
// column's name. Long tables scroll instead, as all do without this script.
{
  const ROWS_MAX = 30;
  // Longer words do not fit a third of a phone's width.
  const WORD_MAX = 12;
  const tables = [...document.querySelectorAll("main .table > table")];
  for (const table of tables) {
    const names = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
    const isLong = (cell) =>
      cell.cellIndex > 0 && !cell.classList.contains("wide") &&
      cell.textContent.split(/\s/).some((word) => word.length > WORD_MAX);
    table.classList.toggle("broad", [...table.querySelectorAll("th, td")].some(isLong));
    for (const row of table.querySelectorAll("tbody tr, tfoot tr")) {
      [...row.cells].forEach((cell, at) => { cell.dataset.name = names[at] ?? ""; });
    }
  }
  const fit = () => {
    for (const table of tables) {
      table.classList.remove("stacked");
      const box = table.parentElement;
      const isWide = box.scrollWidth > box.clientWidth + 1;
      const isShort = table.rows.length <= ROWS_MAX && !table.querySelector("[colspan]");
      table.classList.toggle("stacked", isWide && isShort && window.innerWidth <= 720);
    }
  };
  addEventListener("resize", fit);
  fit();
}
