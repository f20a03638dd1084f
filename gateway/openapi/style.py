"""Style sheet of the reference page."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6069; --line: #e2e4e9; --page: #fff;
  --wash: #f7f8fa; --accent: #0b63c5; --red: #b42318; --green: #1a7f4b; --amber: #8f5200;
  --dark: #16191d; --dark-line: #2c3138; --dark-ink: #e6e8eb; --dark-soft: #9aa3ae; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a0a8b3; --line: #2c3138;
  --page: #101214; --wash: #16191d; --accent: #70b4ff; --red: #ff8b80; --green: #5fd39a;
  --amber: #f0b35c; --dark: #1b1f24; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
code, pre { font: 13px/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
p code, li code, dd code { background: var(--wash); border: 1px solid var(--line);
  border-radius: 4px; padding: .05em .3em; overflow-wrap: anywhere; }
.skip { position: absolute; left: -999px; } .skip:focus { left: 1rem; top: 1rem; z-index: 2;
  background: var(--page); padding: .5rem; }
nav { position: fixed; inset: 0 auto 0 0; width: 16.5rem; overflow-y: auto; padding: 1.5rem 1.25rem;
  background: var(--wash); border-right: 1px solid var(--line); font-size: 14px; }
nav > strong { font-size: 15px; } nav ul { list-style: none; margin: 0; padding: 0; }
nav .group { display: block; margin: 1.3rem 0 .25rem; color: var(--soft); font-size: 12px;
  font-weight: 600; letter-spacing: .04em; text-transform: uppercase; }
nav li a { display: flex; justify-content: space-between; gap: .6rem; padding: .18rem 0;
  color: var(--ink); }
nav li a:hover { color: var(--accent); text-decoration: none; }
.m { font: 600 11px/1 ui-monospace, Menlo, Consolas, monospace; align-self: center; }
.GET { color: var(--accent); } .POST { color: var(--green); } .PATCH { color: var(--amber); }
.DELETE { color: var(--red); }
main { margin-left: 16.5rem; padding: 2.5rem 3rem 8rem; }
h1 { margin: 0 0 .5rem; font-size: 30px; line-height: 1.2; letter-spacing: -.01em; }
h2 { margin: 4rem 0 0; font-size: 23px; line-height: 1.3; letter-spacing: -.01em; }
h3 { margin: 0 0 .6rem; font-size: 18px; line-height: 1.35; }
h2 a, h3 a { color: inherit; }
h4 { margin: 1.6rem 0 0; padding-bottom: .4rem; border-bottom: 1px solid var(--line);
  font-size: 14px; }
p { margin: 0 0 .9rem; max-width: 44rem; } .lead { font-size: 17px; }
.soft { color: var(--soft); }
.row { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 30rem); gap: 3rem;
  padding: 2.2rem 0; border-bottom: 1px solid var(--line); max-width: 82rem; }
.code { position: sticky; top: 1.25rem; align-self: start; }
.at { display: flex; gap: .6rem; align-items: baseline; margin-bottom: .8rem; flex-wrap: wrap; }
.at code { overflow-wrap: anywhere; font-size: 14px; }
.at .m { font-size: 13px; align-self: baseline; }
.chip { border: 1px solid var(--line); border-radius: 99px; padding: 0 .55rem; font-size: 12px;
  font-weight: 500; color: var(--soft); white-space: nowrap; vertical-align: 2px; }
dl { margin: 0; }
dl.fields > div { padding: .7rem 0; border-bottom: 1px solid var(--line); }
dl.fields > div:last-child { border-bottom: 0; }
dt { overflow-wrap: anywhere; } dt code { font-weight: 600; }
dt .soft { margin-left: .35rem; font-size: 13px; }
dt .req { margin-left: .35rem; font-size: 12px; font-weight: 600; color: var(--amber); }
dd { margin: .15rem 0 0; font-size: 14px; } dd p { margin: 0; }
dl dl { border-left: 2px solid var(--line); padding-left: 1rem; }
details summary { cursor: pointer; color: var(--accent); font-size: 13px; width: fit-content; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
td { vertical-align: top; padding: .45rem .8rem .45rem 0; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; } td:first-child { white-space: nowrap; width: 4rem; }
.panel { background: var(--dark); color: var(--dark-ink); border-radius: 8px; overflow: hidden;
  margin-bottom: 1rem; }
.panel > b, .panel summary { display: block; padding: .55rem 1rem; width: auto;
  border-bottom: 1px solid var(--dark-line); font-size: 12px; font-weight: 500;
  color: var(--dark-soft); }
.panel details + details { border-top: 1px solid var(--dark-line); }
.panel details:not([open]) summary { border-bottom: 0; }
.panel pre { margin: 0; padding: .9rem 1rem; overflow: auto; max-height: 54rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.panel:focus-within pre { outline-offset: -2px; }
.k { color: #9ecbff; } .s { color: #a5d6a7; } .n { color: #f0b35c; }
@media (max-width: 80rem) {
  .row { grid-template-columns: minmax(0, 1fr); gap: 1.2rem; max-width: 48rem; }
  .code { position: static; }
}
@media (max-width: 56rem) {
  nav { position: static; width: auto; border: 0; border-bottom: 1px solid var(--line);
    padding: 1rem; }
  nav > div { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin-top: .4rem; }
  nav .group { margin: 0; letter-spacing: 0; text-transform: none; font-size: 14px;
    color: var(--accent); font-weight: 500; }
  nav ul { display: none; }
  main { margin: 0; padding: 1.5rem 1rem 4rem; }
  h1 { font-size: 26px; } h2 { margin-top: 3rem; }
}
@media print { nav { display: none; } main { margin: 0; padding: 0; } .code { position: static; } }
"""
