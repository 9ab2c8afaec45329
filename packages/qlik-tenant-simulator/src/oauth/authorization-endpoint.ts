import { randomUUID } from 'node:crypto'
import { type Exchange, readBody, sendPage, sendRedirect } from '../http/exchange.ts'
import { OAuthError } from '../http/oauth-error.ts'
import { QlikError } from '../http/qlik-error.ts'
import { consentPage } from '../pages/consent-page.ts'
import { loginPage } from '../pages/login-page.ts'
import { page } from '../pages/page.ts'
import { type Client, isRegisteredRedirect } from '../tenant/clients.ts'
import type { Interaction, LoginSession } from '../tenant/login-sessions.ts'
import type { TenantState } from '../tenant/state.ts'
import type { TenantUser } from '../tenant/users.ts'
import { singleValues } from './parameters.ts'
import { grantableScope } from './scope.ts'

/**
 * `GET /oauth/authorize`. All errors are sent to the redirect URI, except for an unknown client or redirect URI
 * (RFC 6749, section 4.1.2.1).
 */
export async function authorizationEndpoint(state: TenantState, exchange: Exchange): Promise<void> {
  const query = exchange.url.searchParams
  // Until both are checked, a redirect could send the browser to an attacker's address.
  const [clientId, ...otherIds] = query.getAll('client_id')
  const [redirectUri, ...otherUris] = query.getAll('redirect_uri')
  const client = state.clients.find(clientId ?? '')
  if (client === undefined || otherIds.length > 0 || !state.accepts(client))
    throw new OAuthError('client', 'OAuth client is not authorized')
  if (redirectUri === undefined || otherUris.length > 0 || !isRegisteredRedirect(client, redirectUri)) {
    throw new OAuthError('redirect_uri', 'redirect_uri is not registered for this client')
  }

  try {
    const parameters = singleValues(query)
    const { interaction, prompts } = authorizationRequest(state, client, redirectUri, parameters)
    const session = state.sessions.of(exchange.request)
    const user = loggedInUser(state, session, interaction)
    if (prompts.includes('none')) {
      if (user === undefined) throw new OAuthError('login_required')
      if (missingConsent(state, client, user, interaction).length > 0) throw new OAuthError('consent_required')
    }
    await proceed(state, exchange, interaction, session)
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    await respond(state, exchange, redirectUri, query.get('state') ?? undefined, {
      error: error.error,
      error_description: error.detail ?? error.title,
      error_code: error.code,
    })
  }
}

/** `POST /login`: the user chosen on the login page. */
export async function loginForm(state: TenantState, exchange: Exchange): Promise<void> {
  const { form, interaction } = await readForm(state, exchange)
  const user = state.users.find(form.get('user') ?? '')
  if (user === undefined || user.clientId !== undefined || user.status === 'disabled') {
    await showLogin(
      state,
      exchange,
      interaction,
      user === undefined ? 'Unknown user.' : `The account of ${user.name} is disabled.`,
      403,
    )
    return
  }
  const { cookie } = state.sessions.begin(exchange.request, user.id)
  await sendRedirect(exchange, 303, `/interactions/${interaction.id}`, { 'set-cookie': cookie })
}

/** `GET /interactions/{id}`: continues an authorization request after the login. */
export async function continueInteraction(state: TenantState, exchange: Exchange, id: string): Promise<void> {
  const interaction = state.sessions.find(id)
  if (interaction === undefined) throw staleForm()
  await proceed(state, exchange, interaction, state.sessions.of(exchange.request))
}

/** `POST /consent`: the decision on the consent page. */
export async function consentForm(state: TenantState, exchange: Exchange): Promise<void> {
  const { form, interaction, session } = await readForm(state, exchange)
  const client = state.clients.find(interaction.clientId)
  const user = loggedInUser(state, session, interaction)
  if (client === undefined || user === undefined) throw staleForm()
  const allowed = form.getAll('scope').filter(scope => interaction.scope.includes(scope))
  if (form.get('decision') !== 'allow') {
    state.sessions.close(interaction.id)
    const { error, code, title } = new OAuthError('access_denied')
    await respond(state, exchange, interaction.redirectUri, interaction.state, {
      error,
      error_description: title,
      error_code: code,
    })
    return
  }
  const consented = state.sessions.consented(user.id, client.clientId)
  state.sessions.rememberConsent(user.id, client.clientId, allowed)
  const scope = interaction.scope.filter(
    name => allowed.includes(name) || (!interaction.askConsent && consented.has(name)),
  )
  await grant(state, exchange, { ...interaction, scope }, user, session.authTime)
}

/** `GET /logout?returnto=`: ends the login at the tenant and returns to an application. Tokens stay valid. */
export async function logout(state: TenantState, exchange: Exchange): Promise<void> {
  const cookie = state.sessions.end(exchange.request)
  const returnTo = exchange.url.searchParams.get('returnto')
  if (returnTo !== null && isOfApplication(state, returnTo)) {
    await sendRedirect(exchange, 302, returnTo, { 'set-cookie': cookie })
    return
  }
  await sendPage(
    exchange,
    200,
    page('Logged out', '<h1>You are logged out</h1><p class="quiet">You can close this page.</p>'),
    {
      'set-cookie': cookie,
    },
  )
}

/** Whether a URL has the origin of a registered client; others would make the logout page an open redirect. */
function isOfApplication(state: TenantState, url: string): boolean {
  if (!URL.canParse(url)) return false
  const { origin } = new URL(url)
  return state.clients.valid.some(({ redirectUris, allowedOrigins }) =>
    [...redirectUris, ...allowedOrigins].some(known => URL.canParse(known) && new URL(known).origin === origin),
  )
}

function authorizationRequest(
  state: TenantState,
  client: Client,
  redirectUri: string,
  parameters: Readonly<Record<string, string>>,
) {
  const {
    response_type: responseType,
    state: clientState,
    scope,
    code_challenge: challenge,
    code_challenge_method: method,
  } = parameters
  if (client.redirectUris.length === 0 || client.appType === 'anonymous-embed')
    throw new OAuthError('unauthorized_client', 'authorization_code')
  if (responseType === undefined) throw new OAuthError('request', 'response_type is required')
  if (responseType !== 'code') throw new OAuthError('response_type', 'response_type must be code')
  if (clientState === undefined || clientState === '') throw new OAuthError('request', 'state is required')
  if (scope === undefined) throw new OAuthError('request', 'scope is required')
  const pkceMissing =
    challenge === undefined && method === undefined && state.settings.pkceOptional && client.appType === 'web'
  if (!pkceMissing) {
    if (method !== 'S256') throw new OAuthError('request', 'code_challenge_method must be S256')
    if (challenge === undefined || !/^[A-Za-z0-9_-]{43}$/.test(challenge))
      throw new OAuthError('request', 'code_challenge must be a base64url-encoded SHA-256 hash')
  }
  const prompts = (parameters.prompt ?? '').split(' ').filter(Boolean)
  if (prompts.some(prompt => !['none', 'login', 'select_account', 'consent'].includes(prompt)))
    throw new OAuthError('request', 'prompt must be none, login, select_account or consent')
  const asksForLogin = prompts.includes('login') || prompts.includes('select_account')
  if (prompts.includes('none') && prompts.length > 1)
    throw new OAuthError('request', 'prompt=none cannot be combined with other values')
  const maxAge = parameters.max_age
  if (maxAge !== undefined && !/^\d{1,9}$/.test(maxAge))
    throw new OAuthError('request', 'max_age must be a number of seconds')

  const now = state.settings.now()
  const interaction = state.sessions.open({
    clientId: client.clientId,
    redirectUri,
    scope: grantableScope(client, scope, state.settings.refusedScopes),
    state: clientState,
    challenge,
    loginHint: parameters.login_hint,
    askConsent: prompts.includes('consent'),
    loginAfter: asksForLogin ? now : maxAge === undefined ? 0 : now - Number(maxAge) * 1000,
  })
  return { interaction, prompts }
}

/** Shows the login page, then the consent page, then sends the code. */
async function proceed(
  state: TenantState,
  exchange: Exchange,
  interaction: Interaction,
  session: LoginSession | undefined,
): Promise<void> {
  const client = state.clients.find(interaction.clientId)
  const user = loggedInUser(state, session, interaction)
  if (client === undefined) throw staleForm()
  if (user === undefined || session === undefined) {
    await showLogin(state, exchange, interaction)
    return
  }
  const missing = missingConsent(state, client, user, interaction)
  if (missing.length === 0) {
    await grant(state, exchange, interaction, user, session.authTime)
    return
  }
  const html = consentPage({
    userName: user.name,
    clientName: client.clientName,
    scope: missing,
    interactionId: interaction.id,
    formToken: state.sessions.formToken(session, interaction.id),
  })
  await sendPage(exchange, 200, html)
}

async function showLogin(
  state: TenantState,
  exchange: Exchange,
  interaction: Interaction,
  problem?: string,
  status = 200,
): Promise<void> {
  const current = state.sessions.of(exchange.request)
  const { session, cookie } =
    current === undefined ? state.sessions.begin(exchange.request) : { session: current, cookie: undefined }
  const html = loginPage({
    users: state.users.all,
    interactionId: interaction.id,
    formToken: state.sessions.formToken(session, interaction.id),
    clientName: state.clients.find(interaction.clientId)?.clientName ?? interaction.clientId,
    hint: interaction.loginHint,
    problem,
  })
  await sendPage(exchange, status, html, cookie === undefined ? {} : { 'set-cookie': cookie })
}

async function grant(
  state: TenantState,
  exchange: Exchange,
  interaction: Interaction,
  user: TenantUser,
  authTime: number,
): Promise<void> {
  state.sessions.close(interaction.id)
  const { clientId, redirectUri, scope, challenge } = interaction
  const code = state.tokens.issueCode({
    clientId,
    redirectUri,
    scope,
    challenge,
    userId: user.id,
    authTime,
    family: randomUUID(),
  })
  await respond(state, exchange, redirectUri, interaction.state, { code: code.value })
}

async function respond(
  state: TenantState,
  exchange: Exchange,
  redirectUri: string,
  clientState: string | undefined,
  parameters: Readonly<Record<string, string>>,
): Promise<void> {
  const location = new URL(redirectUri)
  const all = {
    ...parameters,
    ...(clientState === undefined ? {} : { state: clientState }),
    ...(state.settings.authorizationResponseIss ? { iss: state.issuer } : {}),
  }
  for (const [name, value] of Object.entries(all)) location.searchParams.append(name, value)
  await sendRedirect(exchange, 302, location.href)
}

function missingConsent(
  state: TenantState,
  client: Client,
  user: TenantUser,
  interaction: Interaction,
): readonly string[] {
  if (interaction.askConsent) return interaction.scope
  if (client.consentMethod === 'trusted') return []
  const consented = state.sessions.consented(user.id, client.clientId)
  return interaction.scope.filter(scope => !consented.has(scope))
}

function loggedInUser(
  state: TenantState,
  session: LoginSession | undefined,
  interaction: Interaction,
): TenantUser | undefined {
  if (session?.userId === undefined || session.authTime < interaction.loginAfter) return undefined
  const user = state.users.find(session.userId)
  return user?.status === 'disabled' ? undefined : user
}

async function readForm(state: TenantState, exchange: Exchange) {
  const form = new URLSearchParams(
    (exchange.body ?? (await readBody(exchange.request, formLimitBytes))).toString('utf8'),
  )
  const interaction = state.sessions.find(form.get('interaction') ?? '')
  const session = state.sessions.of(exchange.request)
  if (interaction === undefined || session === undefined) throw staleForm()
  if (!state.sessions.isFormToken(session, interaction.id, form.get('form_token') ?? '')) {
    throw new QlikError(403, 'LOGIN-1', 'Forbidden', 'The form was issued to another browser')
  }
  return { form, interaction, session }
}

function staleForm(): QlikError {
  return new QlikError(
    400,
    'LOGIN-2',
    'Bad request',
    'The login has expired or is unknown. Start again in the application',
  )
}

const formLimitBytes = 65_536
