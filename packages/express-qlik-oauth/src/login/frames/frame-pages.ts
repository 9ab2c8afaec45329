import type { ServerResponse } from 'node:http'
import { escapeHtml } from 'qlik-oauth/internal'
import { sendPage } from '../../http/response/html-page.ts'
import { type FrameOptions, frameAncestors, frameParameter } from './frame-options.ts'

/** Query parameters of the login route in a frame. */
export const handoverParameter = 'handover'
export const replaceParameter = 'replace'

/**
 * The page in the frame. Its button opens the login in a window of its own: the tenant's login page refuses frames, and
 * the user must see whose page asks for a password.
 *
 * @param query Parameters of the login route, repeated in the link and the form.
 * @param frame Hash of the frame's transaction cookie.
 */
export function sendFramePage(
  response: ServerResponse,
  frames: FrameOptions,
  { query, frame, message }: { query: URLSearchParams; frame: string; message?: string },
): void {
  const link = new URLSearchParams(query)
  link.set(frameParameter, frame)
  const hidden = [...query].map(
    ([name, value]) => `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`,
  )
  sendPage(response, {
    title: 'Log in',
    frameAncestors: frameAncestors(frames),
    body: [
      message === undefined ? '' : `<p role="alert">${escapeHtml(message)}</p>`,
      `<p><a role="button" href="${escapeHtml(`?${link}`)}" target="_blank" rel="opener">Log in</a></p>`,
      '<details><summary>The other window shows a code</summary><form>',
      ...hidden,
      `<p><label>Code <input name="${handoverParameter}" required autocomplete="off" maxlength="20"></label>`,
      '<button>Continue</button></p></form></details>',
    ].join(''),
    script: framePageScript,
  })
}

/**
 * The page in the other window. It hands the code over to its opener, if that is a page of this application. Where the
 * browser has cut the connection to the opener, the user carries the code over.
 */
export function sendHandoverPage(response: ServerResponse, code: string, { ancestors }: FrameOptions): void {
  const hosts = ancestors.map(ancestor => ancestor.replace(/^.*:\/\//, '')).join(', ')
  sendPage(response, {
    title: 'Continue in the other window',
    body: [
      '<p>Enter this code where you clicked &#8220;Log in&#8221;:</p>',
      `<p><code>${escapeHtml(code)}</code></p>`,
      `<p>Enter it only in a page of ${escapeHtml(hosts)} that you have opened yourself. Anyone who has it can log in as you.</p>`,
    ].join(''),
    script: handoverPageScript,
  })
}

// `open` returns null when it is blocked, and when the embedding page's Cross-Origin-Opener-Policy keeps the two apart.
const framePageScript = `const link=document.links[0],form=document.forms[0]
link.onclick=event=>{event.preventDefault()
if(open(link.href,'_blank','popup,width=520,height=720')===null)form.parentElement.open=true}
onmessage=({origin,data})=>{if(origin!==location.origin||typeof data?.qlikLoginHandover!=='string')return
form.elements.${handoverParameter}.value=data.qlikLoginHandover
form.submit()}`

const handoverPageScript = `history.replaceState(null,'',location.pathname)
if(opener!==null){opener.postMessage({qlikLoginHandover:document.querySelector('code').textContent},location.origin)
close()}`
