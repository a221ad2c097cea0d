/* The wizard: a tap selects a value that is to be pasted elsewhere, its button copies it, with the clipboard's own
   interface or without. */
(function () {
  "use strict";

  function copied(button) {
    var label = button.innerHTML;
    button.textContent = button.dataset.done;
    setTimeout(function () {
      button.innerHTML = label;
    }, 1500);
  }

  function byCommand(input) {
    input.focus();
    input.setSelectionRange(0, input.value.length);
    try {
      return document.execCommand("copy");
    } catch (error) {
      return false;
    }
  }

  /* What was wrong with a value is over once it is typed anew; the host's answer to it follows below. */
  document.addEventListener("input", function (event) {
    var field = event.target.closest(".field_bad");
    if (!field) return;
    field.classList.remove("field_bad");
    event.target.removeAttribute("aria-invalid");
    var said = field.querySelector(".field__error");
    if (said) said.remove();
  });

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy-from]");
    if (!button) {
      if (event.target.matches("[data-paste]")) event.target.select();
      return;
    }
    var input = document.getElementById(button.dataset.copyFrom);
    if (byCommand(input)) return copied(button);
    if (navigator.clipboard) navigator.clipboard.writeText(input.value).then(function () { copied(button); }, function () {});
  });
})();
