import { escapeHtml, page } from './page.ts'

/** The consent page: lists the scopes that the user has not allowed yet; each can be unchecked. */
export function consentPage(view: {
  readonly userName: string
  readonly clientName: string
  readonly scope: readonly string[]
  readonly interactionId: string
  readonly formToken: string
}): string {
  const boxes = view.scope.map(
    scope => `<li><label><input type="checkbox" name="scope" value="${escapeHtml(scope)}" checked>
<span>${escapeHtml(descriptions[scope] ?? 'Use this part of Qlik Cloud on your behalf')}<code>${escapeHtml(scope)}</code></span></label></li>`,
  )
  return page(
    'Allow access',
    `<h1>Allow access</h1>
<p class="quiet">${escapeHtml(view.clientName)} wants to access this tenant as ${escapeHtml(view.userName)}:</p>
<form method="post" action="/consent">
<input type="hidden" name="interaction" value="${escapeHtml(view.interactionId)}">
<input type="hidden" name="form_token" value="${escapeHtml(view.formToken)}">
<ul>
${boxes.join('\n')}
</ul>
<div class="actions">
<button class="primary" name="decision" value="allow">Allow access</button>
<button name="decision" value="deny">Cancel</button>
</div>
</form>`,
  )
}

const descriptions: Readonly<Record<string, string>> = {
  user_default: 'Use Qlik Cloud with all of your permissions',
  admin_classic: 'Administer the tenant with all of your permissions',
  offline_access: 'Stay connected when you are not using the app',
  'identity.name:read': 'Read your name',
  'identity.email:read': 'Read your email address',
  'identity.subject:read': 'Read your identity provider subject',
}
