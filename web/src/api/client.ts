// One request to the REST API: cookie login, CSRF header, problem documents turned into ApiError.

const base = `${import.meta.env.BASE_URL}api/v1`
const timeout_ms = 20_000

export class ApiError extends Error {
  constructor(
    /** 0 when no answer came at all. */
    readonly status: number,
    readonly code: string,
    readonly fields: Record<string, string> = {},
    readonly retryAfter_ms: number | null = null,
    /** The group that was created though not everybody could be added. */
    readonly conversationId: number | null = null,
  ) {
    super(code)
  }

  /** Whether sending the very same request again may succeed. */
  get transient(): boolean {
    return [0, 408, 425, 429].includes(this.status) || this.status >= 500
  }
}

let onUnauthenticated: () => void = () => {}

export function whenUnauthenticated(handler: () => void): void {
  onUnauthenticated = handler
}

export function csrfToken(): string {
  const match = /(?:^|;\s*)XSRF-TOKEN=([^;]*)/.exec(document.cookie)
  return match ? decodeURIComponent(match[1]!) : ''
}

export interface RequestOptions {
  body?: unknown
  query?: Record<string, string | number | null | undefined>
  keepalive?: boolean
  signal?: AbortSignal
}

export async function request<T>(
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  options: RequestOptions = {},
): Promise<T> {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== null && value !== undefined) query.set(name, String(value))
  }
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (method !== 'GET') headers['X-CSRF-Token'] = csrfToken()
  if (options.body !== undefined) headers['Content-Type'] = 'application/json'
  let response: Response
  try {
    response = await fetch(base + path + (query.size ? `?${query}` : ''), {
      method,
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      credentials: 'same-origin',
      keepalive: options.keepalive,
      signal: options.signal ?? AbortSignal.timeout(timeout_ms),
    })
    if (response.ok) {
      return (response.status === 204 ? undefined : await response.json()) as T
    }
  } catch {
    throw new ApiError(0, 'network')
  }
  throw await problem(response, path)
}

async function problem(response: Response, path: string): Promise<ApiError> {
  const document = await response.json().catch(() => ({}))
  const fields: Record<string, string> = {}
  for (const error of document.errors ?? []) fields[error.field] ??= error.code
  const wait = Number(response.headers.get('Retry-After'))
  const loggedOut = response.status === 401 || document.code === 'account_suspended'
  if (loggedOut && !path.startsWith('/auth/')) onUnauthenticated()
  return new ApiError(
    response.status,
    typeof document.code === 'string' ? document.code : 'unknown',
    fields,
    Number.isFinite(wait) && wait > 0 ? wait * 1000 : null,
    typeof document.conversation_id === 'number' ? document.conversation_id : null,
  )
}
