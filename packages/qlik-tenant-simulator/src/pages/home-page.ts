import type { TenantState } from '../tenant/state.ts'
import { escapeHtml, page } from './page.ts'

/** The home page: lists the users and clients of the tenant. */
export function homePage({ users, clients, origin }: TenantState): string {
  const row = (cells: readonly string[]) => `<tr>${cells.map(cell => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`
  return page(
    'Simulated tenant',
    `<h1>${escapeHtml(new URL(origin).host)}</h1>
<p class="quiet">To log in, open an application that is registered with this tenant.</p>
<table><thead><tr><th>User</th><th>Description</th></tr></thead><tbody>
${users.all.map(user => row([user.name, user.description ?? user.email])).join('\n')}
</tbody></table><br>
<table><thead><tr><th>Client</th><th>Type</th></tr></thead><tbody>
${clients.all.map(client => row([client.clientId, client.tier === 'tenant' ? client.appType : `${client.tier} client`])).join('\n')}
</tbody></table>`,
  )
}
