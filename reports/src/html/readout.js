// Values under the pointer, for the charts over time. The page is whole without it.
"use strict";
for (const figure of document.querySelectorAll("figure")) {
  const data = figure.querySelector('script[type="application/json"]');
  if (!data) continue;
  const chart = JSON.parse(data.textContent);
  const drawing = figure.querySelector(".drawing");
  const svg = drawing.querySelector("svg");
  const hair = document.createElement("div");
  const box = document.createElement("div");
  hair.className = "hair";
  box.className = "readout";
  hair.hidden = box.hidden = true;
  figure.append(hair, box);

  const hide = () => { hair.hidden = box.hidden = true; };
  const show = (event) => {
    const area = svg.getBoundingClientRect();
    const outer = figure.getBoundingClientRect();
    const view = drawing.getBoundingClientRect();
    const share = (event.clientX - area.left) / area.width;
    const along = (share - chart.left) / (chart.right - chart.left);
    if (along < 0 || along >= 1) return hide();
    const index = Math.floor((along * chart.seconds) / chart.step);
    box.replaceChildren();
    const head = document.createElement("b");
    head.textContent = `t = ${index * chart.step} s`;
    box.append(head);
    let panel = null;
    for (const series of chart.series) {
      if (series.panel !== panel) {
        panel = series.panel;
        const name = document.createElement("b");
        name.textContent = panel;
        box.append(name);
      }
      const row = document.createElement("div");
      const value = document.createElement("span");
      value.textContent = series.values[index] ?? "-";
      row.append(value, series.label);
      box.append(row);
    }
    hair.hidden = box.hidden = false;
    hair.style.left = `${event.clientX - outer.left}px`;
    hair.style.top = `${view.top - outer.top}px`;
    hair.style.height = `${view.height}px`;
    const right = event.clientX - outer.left + 16;
    const fits = right + box.offsetWidth < outer.width;
    box.style.left = fits ? `${right}px` : `${right - 32 - box.offsetWidth}px`;
    box.style.top = `${view.top - outer.top + 12}px`;
  };
  drawing.addEventListener("pointermove", show);
  drawing.addEventListener("pointerdown", show);
  drawing.addEventListener("pointerleave", hide);
}
