import { escapeHtml, page } from './page.ts'

/** Asks for what this client has not been allowed yet. Each scope can be left out. */
export function consentPage(view: {
  readonly userName: string
  readonly clientName: string
  readonly scope: readonly string[]
  readonly interactionId: string
  readonly formToken: string
}): string {
  const boxes = view.scope.map(
    scope => `<li><label><input type="checkbox" name="scope" value="${escapeHtml(scope)}" checked>
<span>${escapeHtml(meanings[scope] ?? 'Use this part of Qlik Cloud for you')}<code>${escapeHtml(scope)}</code></span></label></li>`,
  )
  return page(
    'Allow access',
    `<h1>Allow ${escapeHtml(view.clientName)}?</h1>
<p class="quiet">It asks to act for you, ${escapeHtml(view.userName)}, in this tenant:</p>
<form method="post" action="/consent">
<input type="hidden" name="interaction" value="${escapeHtml(view.interactionId)}">
<input type="hidden" name="form_token" value="${escapeHtml(view.formToken)}">
<ul>
${boxes.join('\n')}
</ul>
<div class="actions">
<button class="primary" name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Cancel</button>
</div>
</form>`,
  )
}

const meanings: Readonly<Record<string, string>> = {
  user_default: 'See and use everything that you can',
  admin_classic: 'Administer the tenant as you can',
  offline_access: 'Stay logged in when you are away',
  'identity.name:read': 'Read your name',
  'identity.email:read': 'Read your e-mail address',
  'identity.subject:read': 'Read your identifier at the identity provider',
}
