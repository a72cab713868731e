// What makes the dashboard live. All of it works without: pages are made by the server, and this fetches them again and puts in place
// what is another, around what is being typed.
"use strict";

const body = document.body;
const said = document.getElementById("said");
const link = document.getElementById("link");
const isField = (element) => !!element && /^(TEXTAREA|INPUT|SELECT)$/.test(element.tagName);
const isTyped = (element) => [...element.querySelectorAll("textarea")].some((area) => area.value.trim() !== "");

function say(text) { said.textContent = text; }

// Keeping the page as it is

// Makes `old` what `fresh` is, and touches nothing else: elements stay, and with them focus, what is typed, and how far it is scrolled.
function morph(old, fresh) {
    for (const { name, value } of [...fresh.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const { name } of [...old.attributes]) {
        if (!fresh.hasAttribute(name) && !(name === "open" && old.tagName === "DETAILS")) old.removeAttribute(name);
    }
    if (old.tagName === "TEXTAREA" || old.tagName === "IFRAME") return;
    const wanted = new Set([...fresh.children].map((child) => child.id));
    for (const child of [...old.children]) if (child.id && !wanted.has(child.id)) leave(child);
    const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
    const kept = new Set();
    let place = old.firstChild;
    for (const next of [...fresh.childNodes]) {
        const same = next.id ? known.get(next.id) : undefined;
        if (same) {
            if (same === place) place = place.nextSibling;
            // (Moving an element takes the focus from it.)
            else if (!same.contains(document.activeElement)) old.insertBefore(same, place);
            kept.add(same);
            morph(same, next);
        } else if (!next.id && place && !place.id && place.nodeName === next.nodeName) {
            const here = place;
            place = place.nextSibling;
            if (here.nodeType === Node.ELEMENT_NODE) morph(here, next);
            else if (here.data !== next.data) here.data = next.data;
        } else {
            const made = document.importNode(next, true);
            if (made.classList && made.classList.contains("row")) made.classList.add("new");
            old.insertBefore(made, place);
        }
    }
    while (place) {
        const next = place.nextSibling;
        const isLeft = place.nodeType === Node.ELEMENT_NODE && (place.matches(".gone") || place.querySelector(".gone"));
        if (!kept.has(place) && !isLeft) place.remove();
        place = next;
    }
}

// What is not there any more goes, but for rows that somebody is writing in.
function leave(element) {
    if (!isTyped(element)) return element.remove();
    for (const row of element.matches(".row") ? [element] : element.querySelectorAll(".row")) {
        if (isTyped(row)) close(row, "This is no longer open. What you wrote stays here until you leave the page.");
        else row.remove();
    }
}

function close(row, words) {
    row.classList.add("gone");
    for (const button of row.querySelectorAll("button")) button.disabled = true;
    tell(row, words);
}

function tell(row, words) {
    let line = row.querySelector(".failed");
    if (!line) {
        line = document.createElement("p");
        line.className = "failed";
        line.setAttribute("role", "alert");
        row.append(line);
    }
    line.textContent = words;
}

function take(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    if (fresh.body.dataset.live !== "page") return false;
    const before = new Set([...document.querySelectorAll(".row")].map((row) => row.id));
    document.title = fresh.title;
    for (const part of fresh.querySelectorAll("[data-live=part]")) {
        const old = document.getElementById(part.id);
        // (A question that is being asked once more stays as it is.)
        if (!old || old.querySelector("#confirm")) continue;
        const lines = old.querySelector("#lines");
        const isAtEnd = lines && lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 8;
        morph(old, part);
        if (lines && isAtEnd) lines.scrollTop = lines.scrollHeight;
    }
    const come = [...document.querySelectorAll(".row")].filter((row) => !before.has(row.id));
    if (come.length === 1) say(`${come[0].dataset.who}: ${come[0].querySelector(".words").textContent.slice(0, 200)}`);
    if (come.length > 1) say(`${come.length} more wait for you`);
    filter();
    return true;
}

let timer = 0, isBusy = false, isStale = false, last = 0;

// Looks again soon: what comes together is one look.
function look(delay = 150) {
    isStale = true;
    if (timer || isBusy || document.hidden) return;
    timer = setTimeout(fetchPage, Math.max(delay, last + 800 - Date.now()));
}

async function fetchPage() {
    timer = 0;
    isBusy = true;
    isStale = false;
    last = Date.now();
    try {
        const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
        if (!answer.ok || !take(await answer.text())) throw new Error("no page");
        show("page", "");
    } catch {
        show("page", "The dashboard does not answer");
        setTimeout(look, 5000);
    }
    isBusy = false;
    if (isStale) look();
}

// What is wrong with the connection, if anything.
const troubles = new Map();
function show(what, words) {
    troubles.set(what, words);
    const text = [...troubles.values()].find((one) => one) ?? "";
    if (link.textContent !== text) link.textContent = text;
    link.hidden = !text;
}

function listen() {
    const after = body.dataset.after;
    const source = new EventSource("/api/stream" + (after ? `?after=${after}` : ""));
    for (const kind of ["agent", "question", "approval", "network", "reset"]) source.addEventListener(kind, () => look());
    source.addEventListener("core", (event) => {
        const { up } = JSON.parse(event.data);
        show("core", up ? "" : "The core does not answer");
        if (up) look();
    });
    source.onopen = () => show("stream", "");
    source.onerror = () => {
        show("stream", "Connection lost, trying again");
        // (The browser gives up where the answer was no stream.)
        if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    };
}

// Sending without leaving

async function send(form, button) {
    const row = form.closest(".row");
    const data = new URLSearchParams(new FormData(form, button));
    const buttons = [...row.querySelectorAll("button")];
    for (const one of buttons) one.disabled = true;
    try {
        const answer = await fetch(form.action, { method: "POST", body: data });
        const text = await answer.text();
        if (!answer.ok) {
            const page = new DOMParser().parseFromString(text, "text/html");
            throw new Error(page.getElementById("error")?.textContent ?? `It was not done (${answer.status}).`);
        }
        const next = row.nextElementSibling ?? row.previousElementSibling;
        const hadFocus = row.contains(document.activeElement) || document.activeElement === body;
        row.remove();
        take(text);
        const fresh = new DOMParser().parseFromString(text, "text/html");
        say(fresh.getElementById("deed")?.textContent ?? "Done");
        if (hadFocus) focusRow(next);
    } catch (error) {
        for (const one of buttons) one.disabled = false;
        tell(row, error.message);
    }
}

document.addEventListener("submit", (event) => {
    const row = event.target.closest(".row");
    if (!row || event.target.method !== "post") return;
    event.preventDefault();
    send(event.target, event.submitter);
});

// Keys

const rows = () => [...document.querySelectorAll(".row:not(.gone)")];

function focusRow(row) {
    if (!row || !row.isConnected) return;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
}

function step(by) {
    const all = rows();
    const here = all.findIndex((row) => row.contains(document.activeElement));
    focusRow(all[here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(here + by, 0), all.length - 1)]);
}

document.addEventListener("keydown", (event) => {
    const field = document.activeElement;
    if (event.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field.tagName === "TEXTAREA" && field.form) {
        event.preventDefault();
        field.form.requestSubmit(field.form.querySelector("button.send"));
        return;
    }
    if (event.key === "Escape" && isField(field)) {
        (field.closest(".row") ?? field).focus();
        if (field.id === "filter") field.blur();
        return;
    }
    if (isField(field) || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = field.closest?.(".row");
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "Enter" && field === row) row.querySelector("textarea, button")?.focus();
    else if (event.key === "/" && box && !box.hidden) box.focus();
    else if (event.key === "?") document.getElementById("keys").toggleAttribute("hidden");
    else return;
    event.preventDefault();
});

// The filter

const box = document.getElementById("filter");

function filter() {
    if (!box) return;
    const all = document.querySelectorAll("tr[data-filter]");
    box.hidden = all.length < 6 && !box.value;
    const words = box.value.toLowerCase().split(/\s+/).filter((word) => word);
    for (const row of all) row.hidden = !words.every((word) => row.dataset.filter.includes(word));
}

box?.addEventListener("input", filter);

// Times

function ago(seconds) {
    if (seconds < 10) return "just now";
    if (seconds < 60) return `${Math.floor(seconds)} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
    return seconds < 172800 ? "yesterday" : `${Math.floor(seconds / 86400)} days ago`;
}

function tick() {
    for (const time of document.querySelectorAll("time[datetime]")) {
        const words = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
        if (time.textContent !== words) time.textContent = words;
    }
}

setInterval(tick, 20000);
// Counters and plots change without an event.
setInterval(() => look(0), 10000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(0); });
// A page that is shown again after leaving it may be old.
addEventListener("pageshow", (event) => { if (event.persisted) look(0); });
// (What was done is said once, and not by the address.)
if (location.search.startsWith("?did=")) history.replaceState(null, "", location.pathname);
const lines = document.getElementById("lines");
if (lines) lines.scrollTop = lines.scrollHeight;
filter();
listen();
