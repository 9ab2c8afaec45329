import type { TenantUser } from '../tenant-user.ts'
import { escapeHtml, page } from './page.ts'

/** Nobody types a password at a simulated tenant: one click on a person logs in as that person. */
export function loginPage(view: {
  readonly users: readonly TenantUser[]
  readonly interactionId: string
  readonly formToken: string
  readonly clientName: string
  readonly hint: string | undefined
  readonly problem: string | undefined
}): string {
  const people = view.users.filter(user => user.clientId === undefined && !user.id.startsWith('guest-'))
  const hinted = (user: TenantUser) =>
    view.hint !== undefined && [user.id, user.email, user.subject].includes(view.hint)
  const cards = people.map(
    user => `<li><button class="person${hinted(user) ? ' hinted' : ''}" name="user" value="${escapeHtml(user.id)}"${hinted(user) ? ' autofocus' : ''}>
<b aria-hidden="true">${escapeHtml(user.name.slice(0, 1))}</b><span>${escapeHtml(user.name)}</span><small>${escapeHtml(user.description ?? user.email)}</small></button></li>`,
  )
  return page(
    'Log in',
    `<h1>Log in</h1>
<p class="quiet">to continue to ${escapeHtml(view.clientName)}. Choose who you are; no password is needed here.</p>
${view.problem === undefined ? '' : `<p class="bad" role="alert">${escapeHtml(view.problem)}</p>`}
<form method="post" action="/login">
<input type="hidden" name="interaction" value="${escapeHtml(view.interactionId)}">
<input type="hidden" name="form_token" value="${escapeHtml(view.formToken)}">
<ul>
${cards.join('\n')}
</ul>
</form>`,
  )
}
