/** A page of the tenant, without scripts and external resources. `body` is HTML. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${styles}</style>
</head>
<body>
<main>
<p class="brand"><span aria-hidden="true"></span>Simulated Qlik Cloud tenant</p>
${body}
</main>
</body>
</html>
`
}

/** Escapes text for HTML content and attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'{]/g, character => `&#${character.charCodeAt(0)};`)
}

const styles = `
:root { color-scheme: light dark; --ground: #eef2f1; --card: #fff; --ink: #17211f; --quiet: #56635f; --line: #d5dedb; --accent: #00704a; --on-accent: #fff; --wash: #e8f4ef; --bad: #a3221b }
@media (prefers-color-scheme: dark) { :root { --ground: #101715; --card: #18211e; --ink: #e8efec; --quiet: #9aaaa4; --line: #2d3a36; --accent: #4cc38f; --on-accent: #06150e; --wash: #1d2f28; --bad: #ff8f86 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 27rem; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: 16px; box-shadow: 0 8px 30px rgb(0 0 0 / 8%) }
.brand { display: flex; align-items: center; gap: .6rem; margin: 0 0 1.5rem; color: var(--quiet); font-size: .875rem }
.brand span { width: 1.1rem; height: 1.1rem; border: 4px solid var(--accent); border-radius: 50% }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; line-height: 1.25 }
p { margin: 0 0 1rem } .quiet { color: var(--quiet) } .bad { color: var(--bad) }
ul { list-style: none; margin: 1.25rem 0; padding: 0 } li + li { margin-top: .5rem }
button { width: 100%; min-height: 2.75rem; padding: .65rem 1rem; border: 1px solid var(--line); border-radius: 10px; background: transparent; color: inherit; font: inherit; cursor: pointer }
button:hover { border-color: var(--accent); background: var(--wash) }
button:focus-visible, input:focus-visible, a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
button.person { display: grid; grid-template-columns: 2.5rem 1fr; gap: .1rem .9rem; text-align: left; align-items: center }
button.person b { grid-row: span 2; width: 2.5rem; height: 2.5rem; display: grid; place-items: center; border-radius: 50%; background: var(--wash); color: var(--accent) }
button.person small { color: var(--quiet) } button.hinted { border-color: var(--accent) }
button.primary { border-color: var(--accent); background: var(--accent); color: var(--on-accent); font-weight: 600 } button.primary:hover { filter: brightness(1.08); background: var(--accent) }
label { display: flex; gap: .75rem; padding: .65rem .85rem; border: 1px solid var(--line); border-radius: 10px } label input { margin-top: .3rem; accent-color: var(--accent) }
label code { display: block; color: var(--quiet); font-size: .8125rem } .actions { display: grid; gap: .5rem }
table { width: 100%; border-collapse: collapse; font-size: .875rem } td, th { padding: .35rem 0; text-align: left; border-bottom: 1px solid var(--line); overflow-wrap: anywhere }
`
