/* What works without network (docs/offline.md), a script of its own beside app.js. */
import "./forms.js";
import "./page.js";
import { start as startKeeping } from "./keeping.js";
import { start as startSending } from "./waiting.js";

startSending();
startKeeping().catch(() => {}); // a web view that keeps nothing
