import type { TenantUser } from '../tenant/users.ts'
import { escapeHtml, page } from './page.ts'

/** The login page: the user chooses an account; there are no passwords. */
export function loginPage(view: {
  readonly users: readonly TenantUser[]
  readonly interactionId: string
  readonly formToken: string
  readonly clientName: string
  readonly hint: string | undefined
  readonly problem: string | undefined
}): string {
  const accounts = view.users.filter(user => user.clientId === undefined && !user.id.startsWith('guest-'))
  const isHinted = (user: TenantUser) =>
    view.hint !== undefined && [user.id, user.email, user.subject].includes(view.hint)
  const cards = accounts.map(
    user => `<li><button class="person${isHinted(user) ? ' hinted' : ''}" name="user" value="${escapeHtml(user.id)}"${isHinted(user) ? ' autofocus' : ''}>
<b aria-hidden="true">${escapeHtml(user.name.slice(0, 1))}</b><span>${escapeHtml(user.name)}</span><small>${escapeHtml(user.description ?? user.email)}</small></button></li>`,
  )
  return page(
    'Log in',
    `<h1>Log in</h1>
<p class="quiet">to continue to ${escapeHtml(view.clientName)}. Choose an account. No password is needed.</p>
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
