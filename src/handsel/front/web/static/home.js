// The search box over the public API, and the two verbs as tabs. Texts of others only ever become
// text nodes.
"use strict";

const $ = (id) => document.getElementById(id);
const element = (tag, className, ...children) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
};

// ---- the two verbs ---------------------------------------------------------------------------
const VERBS = ["need", "can"];
function show(verb) {
  for (const name of VERBS) {
    const chosen = name === verb;
    $(name).hidden = !chosen;
    $(`verb-${name}`).setAttribute("aria-selected", String(chosen));
    $(`verb-${name}`).tabIndex = chosen ? 0 : -1;
  }
}
function setUpVerbs() {
  $("verbs").setAttribute("role", "tablist");
  $("verbs").setAttribute("aria-label", "What brings you here?");
  for (const name of VERBS) {
    const tab = $(`verb-${name}`);
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", name);
    $(name).setAttribute("role", "tabpanel");
    tab.addEventListener("click", (event) => {
      event.preventDefault();
      history.replaceState(null, "", `#${name}`);
      show(name);
    });
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = VERBS.find((verb) => verb !== name);
      show(other);
      $(`verb-${other}`).focus();
    });
  }
  show(location.hash === "#can" ? "can" : "need");
}

// ---- words -----------------------------------------------------------------------------------
const UNITS = { per_job: "per job", per_hour: "per hour", per_day: "per day", per_item: "each" };
const WAYS = { at_yours: "comes to you", at_mine: "at their place", remote: "remote" };
const REASONS = {
  text: "fits your words",
  distance_m: "close by",
  conduct_band: "well behaved in past deals",
  identity_tier: "identity checked",
  price_vs_typical: "fair price",
  response_rate: "answers quickly",
  newcomer_place: "new here",
  price: "by price",
  newest: "by date",
  comes_to_you: "comes to you",
  remote: "works from anywhere",
};
const ALWAYS = new Set(["newcomer_place", "comes_to_you", "remote"]);
function priceOf(hit) {
  if (!hit.price) return element("p", "price", "Ask", element("small", "", "for a quote"));
  const { currency, amount_minor: minor } = hit.price;
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits;
  const text = format.format(minor / 10 ** digits);
  return element("p", "price", text, element("small", "", UNITS[hit.unit] || ""));
}
function far(metres) {
  if (metres === null || metres === undefined) return "";
  return metres < 1000 ? `${Math.round(metres / 10) * 10} m away` : `${(metres / 1000).toFixed(1)} km away`;
}

// ---- a hit -----------------------------------------------------------------------------------
function card(hit) {
  const title = element("a", "", hit.title);
  title.href = `/v1/listings/${encodeURIComponent(hit.listing)}`;
  const seller = element("a", "", `@${hit.storefront}`);
  seller.href = `/v1/storefronts/${encodeURIComponent(hit.storefront)}`;
  const facts = element("p", "facts");
  const distance = far(hit.distance_m);
  if (distance) facts.append(element("b", "", distance), " · ");
  facts.append(seller, " · ", hit.fulfilment.map((way) => WAYS[way] || way).join(", "));
  const why = element("ul", "why");
  why.setAttribute("aria-label", "Why it stands here");
  const known = hit.why.filter((w) => w.value !== null || ALWAYS.has(w.code));
  const near = hit.distance_m !== null && hit.distance_m <= 1000;
  const strongest = known.sort((a, b) => b.share - a.share)
    .filter((w) => w.share > 0.02 && (w.code !== "distance_m" || near));
  for (const { code } of strongest.slice(0, 3)) {
    why.append(element("li", code === "newcomer_place" ? "new" : "", REASONS[code] || code));
  }
  return element("li", "card", element("h3", "", title), priceOf(hit), facts, why);
}
function cards(hits) {
  return element("ul", "cards", ...hits.map(card));
}

// ---- searching -------------------------------------------------------------------------------
let newestSearch = 0;
async function parameters() {
  const given = new URLSearchParams();
  const words = $("q").value.trim();
  if (words) given.set("q", words);
  const place = $("place").value === "here" ? await whereIAm() : $("place").value;
  const sort = $("sort").value;
  if (place) {
    const [lat, lon] = place.split(",");
    given.set("lat", lat);
    given.set("lon", lon);
    given.set("radius_m", $("radius").value);
  }
  given.set("sort", sort === "distance" && !place ? "best" : sort);
  if (sort === "price") given.set("currency", "GBP");
  given.set("page_size", "10");
  return given;
}
function whereIAm() {
  return new Promise((resolve, reject) => {
    if (!navigator.geolocation) return reject(new Error("This browser does not say where it is."));
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve(`${coords.latitude.toFixed(4)},${coords.longitude.toFixed(4)}`),
      () => reject(new Error("Your place is not known; choose one from the list.")),
      { timeout: 10000, maximumAge: 300000 },
    );
  });
}
async function ask(given) {
  const answer = await fetch(`/v1/search?${given}`, { headers: { Accept: "application/json" } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail || body.title || "The search did not work.");
  return body;
}
async function search() {
  const mine = ++newestSearch;
  $("status").textContent = "Looking …";
  $("more").hidden = true;
  try {
    const given = await parameters();
    const page = await ask(given);
    if (mine === newestSearch) present(page, given);
  } catch (error) {
    if (mine !== newestSearch) return;
    $("results").replaceChildren();
    $("status").textContent = error.message;
  }
}
function present(page, given) {
  const slow = page.degraded ? " The main search engine is away; the second one answered." : "";
  if (page.hits.length === 0) return presentNothing(page, slow);
  const count = Math.max(page.total_estimate, page.hits.length);
  $("status").textContent = `${count} ${count === 1 ? "offer" : "offers"}.${slow}`;
  $("results").replaceChildren(cards(page.hits));
  offerMore(page, given);
}
function offerMore(page, given) {
  $("more").hidden = !page.next_cursor;
  $("more").onclick = async () => {
    given.set("cursor", page.next_cursor);
    try {
      const next = await ask(given);
      const list = $("results").querySelector(".cards");
      const fresh = next.hits.map(card);
      list.append(...fresh);
      if (fresh[0]) fresh[0].querySelector("a").focus();
      offerMore(next, given);
    } catch (error) {
      $("status").textContent = error.message;
    }
  };
}
function presentNothing(page, slow) {
  $("status").textContent = `Nobody here offers that yet.${slow}`;
  const parts = [];
  const groups = [["travelling", "They come to you"], ["remote", "They work from anywhere"]];
  for (const [key, title] of groups) {
    const hits = (page.instead && page.instead[key]) || [];
    if (hits.length) parts.push(element("h3", "group", title), cards(hits));
  }
  if (page.request_draft) parts.push(draft(page.request_draft));
  $("results").replaceChildren(...parts);
}
function draft(request) {
  const body = element("pre", "", JSON.stringify(request, null, 2));
  return element(
    "div",
    "draft",
    element("p", "", element("strong", "", "Let them find you. ")),
    element("p", "", "Your search is a request already; sellers nearby will be able to answer it:"),
    body,
  );
}

// ---- small things ----------------------------------------------------------------------------
function setUpCopy() {
  for (const place of document.querySelectorAll("[data-origin]")) place.textContent = location.origin;
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText($(button.dataset.copy).textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  }
}
async function showHealth() {
  let ready = false;
  try {
    ready = (await fetch("/readyz")).ok;
  } catch {
    ready = false;
  }
  $("health").classList.add(ready ? "ready" : "unready");
  $("health-text").textContent = ready ? "Ready" : "Not ready";
}

setUpVerbs();
setUpCopy();
showHealth();
$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
for (const id of ["place", "radius", "sort"]) $(id).addEventListener("change", search);
search();
