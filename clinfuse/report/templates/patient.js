"use strict";
document.documentElement.classList.add("scripted");
for (const plane of document.querySelectorAll(".plane")) {
  const slices = Array.from(plane.querySelectorAll(".slice"));
  const slider = plane.querySelector("input");
  const show = () => {
    slices.forEach((slice, at) => { slice.hidden = at !== slider.valueAsNumber - 1; });
    slider.setAttribute("aria-valuetext", slices[slider.valueAsNumber - 1].querySelector("figcaption").textContent);
  };
  slider.addEventListener("input", show);
  show();
}
