"use strict";
// Draws the charts of the page and lets the reader choose ticker and cutoff.

const $ = (id) => document.getElementById(id);
const read = (id) => JSON.parse($(id).textContent);

/** Bytes of a base64 text as a typed array, whatever the machine's byte order. */
function unpack(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return new Kind(bytes.buffer);
}

/** The fans of all tickers and cutoffs; `fan` returns one as columns of the chart. */
class Fans {
  constructor(packed) {
    Object.assign(this, packed);
    this.days = unpack(packed.days, Int32Array); // (S,)
    this.cutoffs = unpack(packed.cutoffs, Int32Array); // (C,) places in days
    this.targets = unpack(packed.targets, Int32Array); // (C, H) places in days
    this.prices = unpack(packed.prices, Float32Array); // (U, S)
    this.range = unpack(packed.range, Float32Array); // (U, C, 2)
    this.bands = unpack(packed.bands, Uint16Array); // (U, C, H, Q)
  }

  date(place) {
    return this.days[place] * 86400000; // milliseconds since 1970
  }

  price(ticker, place) {
    return this.prices[ticker * this.days.length + place];
  }

  /** Dates and prices that are known of one ticker. */
  history(ticker) {
    const x = [], y = [];
    for (let place = 0; place < this.days.length; place++) {
      const price = this.price(ticker, place);
      if (!Number.isNaN(price)) { x.push(this.date(place)); y.push(price); }
    }
    return { x, y };
  }

  fan(ticker, cutoff) {
    const H = this.horizons.length, Q = this.columns.length;
    const from = ticker * this.cutoffs.length + cutoff;
    const low = this.range[2 * from], step = (this.range[2 * from + 1] - low) / 65534;
    const fan = { x: [], h: [], y: [] };
    for (const column of this.columns) fan[column] = [];
    const now = this.price(ticker, this.cutoffs[cutoff]);
    if (!Number.isNaN(now) && !Number.isNaN(low)) { // the fan opens at the price that was known
      fan.x.push(this.date(this.cutoffs[cutoff]));
      fan.h.push(0);
      for (const column of ["y", ...this.columns]) fan[column].push(now);
    }
    for (let h = 0; h < H; h++) {
      const place = this.targets[cutoff * H + h];
      if (place < 0 || Number.isNaN(low)) continue;
      fan.x.push(this.date(place));
      fan.h.push(this.horizons[h]);
      fan.y.push(this.price(ticker, place));
      this.columns.forEach((column, q) => {
        const value = this.bands[(from * H + h) * Q + q];
        fan[column].push(value === 65535 ? NaN : low + value * step);
      });
    }
    return fan;
  }
}

const day = (ms) => new Date(ms).toISOString().slice(0, 10);
const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 5, minimumSignificantDigits: 3 });
const number = (value) => (Number.isNaN(value) ? "–" : digits.format(value));
const sessions = (h) => `${h} session${h === 1 ? "" : "s"}`;

/** What the chart shows under the pointer, in words. */
function said(fan) {
  const band = (width) => fan.x.map((_, k) => `${number(fan[`lo${width}`][k])} to ${number(fan[`hi${width}`][k])}`);
  const then = fan.y.map((value) => (Number.isNaN(value) ? "not known yet" : number(value)));
  return { median: fan.mid.map(number), band50: band(50), band90: band(90), then };
}

/** One sentence that says what the chart shows. */
function sentence(ticker, made, now, fan) {
  const last = fan.x.length - 1;
  if (last < 1) return `${ticker} has no forecast from ${made}: its history was too short then.`;
  const low = fan.lo90[last], high = fan.hi90[last], then = fan.y[last];
  const opened = Number.isNaN(now) ? "" : ` at ${number(now)}`;
  const said =
    `${ticker} on ${made}${opened}: ${sessions(fan.h[last])} later, on ${day(fan.x[last])}, the ` +
    `price was expected between ${number(low)} and ${number(high)} with 90 % probability, ` +
    `median ${number(fan.mid[last])}. `;
  if (Number.isNaN(then)) return said + "What then happened is not known yet.";
  const where = then < low ? "below the band" : then > high ? "above the band" : "inside the band";
  return said + `It was ${number(then)}: ${where}.`;
}

function fillTable(body, fan) {
  body.replaceChildren(
    ...fan.x.flatMap((ms, k) => {
      if (fan.h[k] === 0) return [];
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = day(ms);
      const names = ["lo98", "lo90", "lo50", "mid", "hi50", "hi90", "hi98", "y"];
      const cells = [String(fan.h[k]), ...names.map((name) => number(fan[name][k]))].map((text) => {
        const cell = document.createElement("td");
        cell.className = "number";
        cell.textContent = text;
        return cell;
      });
      row.append(head, ...cells);
      return [row];
    }),
  );
}

function connect(fans, find) {
  const [ticker, cutoff, span] = [$("fans-ticker"), $("fans-cutoff"), $("fans-span")];
  ticker.replaceChildren(...fans.tickers.map((name, k) => new Option(name, String(k))));
  cutoff.max = String(fans.cutoffs.length - 1);

  let history, fan;
  const view = find("view");
  const fitHeight = () => {
    const inside = (x) => x >= view.start && x <= view.end;
    const seen = history.y.filter((_, k) => inside(history.x[k]));
    fan.x.forEach((x, k) => { if (inside(x)) seen.push(fan.lo98[k], fan.hi98[k]); });
    const known = seen.filter(Number.isFinite);
    if (known.length === 0) return;
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const room = 0.05 * (high - low || Math.abs(high) || 1);
    find("height").setv({ start: low - room, end: high + room });
  };
  view.change.connect(fitHeight);

  const show = () => {
    const u = Number(ticker.value), c = Number(cutoff.value), place = fans.cutoffs[c];
    fan = fans.fan(u, c);
    history = fans.history(u);
    const made = day(fans.date(place)), now = history.x.filter((x) => x <= fans.date(place)).length;
    const part = (from, to) => ({ x: history.x.slice(from, to), y: history.y.slice(from, to) });
    find("fan").data = { ...fan, ...said(fan) };
    find("past").data = part(0, now);
    find("later").data = part(Math.max(now - 1, 0), history.x.length);
    find("prices").data = history;
    find("cutoff").location = fans.date(place);
    const back = Number(span.value);
    const end = fan.x.length ? fan.x[fan.x.length - 1] : fans.date(place);
    view.setv(
      back
        ? { start: fans.date(Math.max(place - back, 0)), end: end + 4 * 86400000 }
        : { start: history.x[0], end: Math.max(end, history.x[history.x.length - 1]) },
    );
    fitHeight();
    $("fans-day").textContent = made;
    cutoff.setAttribute("aria-valuetext", made);
    $("fans-said").textContent = sentence(fans.tickers[u], made, fans.price(u, place), fan);
    fillTable($("fans-rows"), fan);
    $("fans-older").disabled = c === 0;
    $("fans-newer").disabled = $("fans-newest").disabled = c === fans.cutoffs.length - 1;
  };
  const walk = (to) => { cutoff.value = String(to); show(); };
  const H = fans.horizons.length;
  const known = (c) => {
    const place = fans.targets[c * H + H - 1];
    return place >= 0 && !Number.isNaN(fans.price(0, place));
  };
  let first = fans.cutoffs.length - 1; // the newest cutoff whose outcome is known
  while (first > 0 && !known(first)) first--;
  $("fans-older").addEventListener("click", () => walk(Number(cutoff.value) - 1));
  $("fans-newer").addEventListener("click", () => walk(Number(cutoff.value) + 1));
  $("fans-newest").addEventListener("click", () => walk(fans.cutoffs.length - 1));
  for (const control of [ticker, cutoff, span]) control.addEventListener("input", show);
  $("fans-controls").addEventListener("submit", (event) => event.preventDefault());
  walk(first);
}

/** Bokeh shows values under a mouse that moves: make a tap do the same, until the page moves. */
function showOnTap(chart) {
  chart.addEventListener("pointerup", (event) => {
    if (event.pointerType !== "touch") return;
    const [target] = event.composedPath();
    const { clientX, clientY } = event;
    const options = { clientX, clientY, view: window, isPrimary: true, bubbles: true };
    const send = (kind) => target.dispatchEvent(new PointerEvent(kind, options));
    setTimeout(() => send("pointermove"), 60); // after the finger has left
    addEventListener("scroll", () => send("pointerout"), { once: true, passive: true });
  });
}

async function draw() {
  const packed = read("fans-data");
  for (const item of read("charts")) {
    const manager = await Bokeh.embed.embed_item(item);
    const [root] = manager.roots;
    showOnTap($(item.target_id));
    if (packed !== null && item.target_id === "chart-fans") {
      const { document } = root.model;
      connect(new Fans(packed), (name) => document.get_model_by_name(name));
    }
  }
  document.documentElement.dataset.drawn = "yes";
}

/** A chart keeps on paper the pixels it has on the screen: tell the style how far to scale it. */
function fitPaper() {
  const PAPER = 688; // width of A4 without its margins, in pixels
  const [chart] = document.getElementsByClassName("chart");
  if (!chart) return;
  const scale = Math.min(1, PAPER / chart.closest("section, body").clientWidth);
  document.documentElement.style.setProperty("--paper", String(scale));
}
addEventListener("beforeprint", fitPaper);
draw();
