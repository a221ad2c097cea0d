/* What a language model made of a sentence (智能草稿) goes into the form, field by field, as long as nobody has touched
   the field since it came. The part that brings it is templates_h5/followups/better.html. */

function isUntouched(field) {
  if (field instanceof RadioNodeList) return [...field].every((one) => one.checked === one.defaultChecked);
  if (field instanceof HTMLSelectElement) return [...field.options].every((one) => one.selected === one.defaultSelected);
  return field.value === field.defaultValue;
}

function take(part) {
  const form = part.closest("form");
  if (!form) return;
  for (const [name, value] of Object.entries(JSON.parse(part.dataset.better))) {
    const field = form.elements[name];
    if (!field || field.value === value || !isUntouched(field)) continue;
    field.value = value;
    if (field.value !== value) continue; // no such choice
    const shown = field instanceof RadioNodeList ? field[0] : field;
    shown.closest(".field")?.classList.add("heard");
    shown.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

document.addEventListener("htmx:afterSwap", () => {
  const part = document.querySelector("#better[data-better]");
  if (!part || part.dataset.taken) return;
  part.dataset.taken = "1";
  take(part);
});
