/* Builds everything that a browser loads into ../wsapp/static/vendor: third-party packages and our own style and
   scripts, as ES2017, minified, under names that carry the hash of their content.

   node build.mjs          writes the files, manifest.json, SOURCES.sha256, SHA256SUMS and LICENSES
   node build.mjs --check  builds in memory and fails when the committed files differ */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { build, transform } from "esbuild";
import { PurgeCSS } from "purgecss";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..");
const out = join(root, "wsapp/static/vendor");
const modules = join(here, "node_modules");

const TARGET = "es2017"; // the web views of old Android phones
const CSS_TARGET = ["chrome61", "safari11"];

// our name → package that it comes from; their licences are collected
const PACKAGES = ["weui", "htmx.org", "@wecom/jssdk", "dingtalk-jsapi", "promise-polyfill"];

// Packages that ship no licence file: the holder that their package.json names. All of them declare MIT.
const HOLDERS = { "@wecom/jssdk": "Tencent, WeCom team", "dingtalk-jsapi": "junlong.hjl (Alibaba, DingTalk)" };

const MIT = (holder) => `The package declares the MIT License and ships no licence file.

Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

const read = (path) => readFileSync(path, "utf8");
const sha256 = (data) => createHash("sha256").update(data).digest("hex");

function filesUnder(folder, extensions) {
  const found = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...filesUnder(path, extensions));
    else if (extensions.includes(extname(entry.name))) found.push(path);
  }
  return found.sort();
}

async function bundle(entry) {
  const result = await build({
    entryPoints: [join(here, "src", entry)],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: TARGET,
    charset: "utf8",
    legalComments: "none",
    absWorkingDir: here,
    logLevel: "warning",
  });
  return result.outputFiles[0].text;
}

async function lower(path) {
  const result = await transform(read(join(modules, path)), { minify: true, target: TARGET, charset: "utf8" });
  return result.code;
}

/* WeUI cut down to the classes that templates and scripts name, then our own style in the order of index.css. */
async function style() {
  const used = [...filesUnder(join(root, "templates_h5"), [".html"]), ...filesUnder(join(here, "src/app"), [".js"])];
  const [{ css }] = await new PurgeCSS().purge({
    content: used,
    css: [{ raw: read(join(modules, "weui/dist/style/weui.css")) }],
    defaultExtractor: (text) => text.match(/[A-Za-z][\w-]*/g) || [],
    variables: true,
    keyframes: true,
    fontFace: true,
  });
  const ours = await build({
    entryPoints: [join(here, "src/css/index.css")],
    bundle: true,
    write: false,
    absWorkingDir: here,
    logLevel: "warning",
  });
  const banner = "/*! WeUI 2.6.26, Copyright Tencent, Inc., MIT License; cut down and followed by the style of wsapp */\n";
  const all = withoutDataUrls(css) + ours.outputFiles[0].text;
  const { code } = await transform(all, {
    loader: "css", minify: true, target: CSS_TARGET, charset: "utf8", legalComments: "none",
  });
  return banner + code;
}

/* WeUI draws its own icons with data: URLs; ours come from the sprite, and the page's policy allows no data: images. */
function withoutDataUrls(css) {
  return css.replace(/[\w-]+:\s*url\((["']?)data:(?:(?!\1\)).)*\1\)[^;}]*;?/g, "");
}

async function outputs() {
  return {
    "app.css": await style(),
    "app.js": await bundle("app/main.js"),
    "dingtalk-jsapi.js": await bundle("vendor/dingtalk.js"),
    "favicon.svg": read(join(here, "src/favicon.svg")),
    "host-browser.js": await bundle("host-browser.js"),
    "htmx.js": await lower("htmx.org/dist/htmx.min.js"),
    "offline.js": await bundle("app/offline/main.js"),
    "sw.js": await bundle("sw.js"),
    "icons.svg": read(join(here, "src/icons.svg")).replace(/>\s+</g, "><"),
    "wecom-jssdk.js": await lower("@wecom/jssdk/dist/wecom.global.prod.js"),
  };
}

function licences() {
  return PACKAGES.map((name) => {
    const folder = join(modules, name);
    const { version, license } = JSON.parse(read(join(folder, "package.json")));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file && !(name in HOLDERS)) throw new Error(`${name}: no licence file, and no holder named in build.mjs`);
    const text = file ? read(join(folder, file)).trim() : MIT(HOLDERS[name]);
    return `${name} ${version} (${license})\n${"=".repeat(72)}\n${text}\n`;
  }).join("\n\n");
}

function sums(files) {
  return Object.keys(files).sort().map((name) => `${sha256(files[name])}  ${name}\n`).join("");
}

function sourceSums() {
  const paths = [
    ...filesUnder(join(here, "src"), [".js", ".css", ".svg"]),
    join(here, "build.mjs"), join(here, "package.json"), join(here, "package-lock.json"),
  ];
  return paths.map((path) => `${sha256(read(path))}  ${relative(root, path)}\n`).sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join("");
}

async function everything() {
  const files = {};
  const manifest = {};
  for (const [name, content] of Object.entries(await outputs())) {
    const extension = extname(name);
    const hashed = `${name.slice(0, -extension.length)}.${sha256(content).slice(0, 10)}${extension}`;
    files[hashed] = content;
    manifest[name] = hashed;
  }
  files["manifest.json"] = JSON.stringify(manifest, null, 2) + "\n";
  files["LICENSES"] = licences();
  files["SOURCES.sha256"] = sourceSums();
  files["SHA256SUMS"] = sums(files);
  return files;
}

function differences(files) {
  const present = existsSync(out) ? readdirSync(out) : [];
  const changed = Object.keys(files).filter((name) => !present.includes(name) || read(join(out, name)) !== files[name]);
  return [...changed, ...present.filter((name) => !(name in files)).map((name) => `${name} (left over)`)];
}

const files = await everything();
if (process.argv.includes("--check")) {
  const wrong = differences(files);
  if (wrong.length) {
    console.error(`wsapp/static/vendor differs from its sources: ${wrong.join(", ")}\nrun: cd frontend && npm ci && node build.mjs`);
    process.exit(1);
  }
} else {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(out, name), content);
  console.log(`${Object.keys(files).length} files in ${relative(root, out)}`);
}
