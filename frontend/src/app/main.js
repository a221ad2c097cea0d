/* What the pages do beyond plain links and forms. Each file is one subject and listens on the document, so that what
   htmx puts into the page works without being set up again. */
import "./requests.js";
import "./forms.js";
import "./better.js";
import "./popups.js";
import "./times.js";
import "./photos.js";
import "./place.js";
import "./pane.js";
import "./phone.js";
import "./devices.js";
import "./mentions.js";
import "./signin.js";
import "./lending.js";
import { showWaitingToasts } from "./toast.js";
import { restoreKept } from "./session.js";
import { focusFirstError } from "./forms.js";

document.documentElement.classList.add("js");
showWaitingToasts();
restoreKept();
focusFirstError(document);
