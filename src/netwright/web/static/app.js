// The shell: four rooms behind the hash of the address, messages, and what happens when the server goes away.

import { giveToken, makeApi, takeToken } from "./api.js";
import { draw } from "./chart.js";
import { make } from "./dom.js";

const ROOMS = ["design", "lab", "studies", "predict"];
const main = document.getElementById("main");
const banner = document.getElementById("banner");
const toast = document.getElementById("toast");

takeToken();
const api = makeApi((what) => ({ lost, back, refused })[what]());
let unmount = () => {};
let shown = "";

/** Say something to everybody: it is shown for a while, and read out. */
function announce(text) {
  toast.textContent = text;
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => (toast.textContent = ""), 6000);
}

/** A room's own words in the address, `#design?net=resnet50`: what a permalink keeps. */
function linkOf(room) {
  return {
    read: () => new URLSearchParams(location.hash.split("?")[1] ?? ""),
    write: (words) => history.replaceState(null, "", `#${room}?${words}`),
    address: () => location.href,
  };
}

async function open(event) {
  const name = location.hash.slice(1).split("?")[0];
  if (name === "main") return;
  const room = ROOMS.includes(name) ? name : "design";
  const followed = event && room !== "lab" && location.hash.includes("?"); // the lab follows its own
  if (room === shown && !followed) return;
  shown = room;
  unmount();
  unmount = () => {};
  for (const link of document.querySelectorAll("#rooms a")) {
    if (link.hash === `#${room}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${room[0].toUpperCase()}${room.slice(1)} – netwright`;
  const { mount } = await import(`./rooms/${room}.js`);
  if (room !== shown) return;
  const place = make("div", { class: `room ${room}` });
  main.replaceChildren(place);
  unmount = mount(place, { api, draw, announce, link: linkOf(room) });
}

function lost() {
  banner.replaceChildren("The server does not answer. Trying again every second; nothing on this page is lost.");
  banner.hidden = false;
}

function back() {
  banner.hidden = true;
  announce("The server is back.");
  dispatchEvent(new Event("netwright-back"));
}

function refused() {
  if (banner.querySelector("form")) return;
  const input = make("input", { id: "token", autocomplete: "off", spellcheck: "false" });
  const enter = (event) => {
    event.preventDefault();
    giveToken(input.value);
    banner.hidden = true;
    banner.replaceChildren();
    shown = "";
    open();
  };
  const label = make("label", { for: "token" }, "Paste the address that netwright ui printed: it carries the token.");
  banner.replaceChildren(make("form", { onsubmit: enter }, label, input, make("button", {}, "Open")));
  banner.hidden = false;
}

addEventListener("hashchange", open);
open();
