/** Resources of the REST API other than users, clients, tokens and apps. */
export interface Resources {
  readonly spaces: Map<string, Space>
  /** Roles of users in spaces, by assignment id. */
  readonly spaceRoles: Map<string, readonly string[]>
  readonly contents: Map<string, StoredContent>
  readonly uploads: Map<string, StoredContent>
  readonly tenants: Map<string, RegionTenant>
}

/** A space. */
export interface Space {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly type: 'shared' | 'managed' | 'data'
  readonly ownerId: string
  readonly createdAt: string
  readonly updatedAt: string
}

/** An uploaded file. `kept` holds its first bytes, up to `keptUploadBytes`. */
export interface StoredContent {
  readonly id: string
  readonly filename: string
  readonly kept: Buffer
  readonly size: number
  /** Size that the upload announced. */
  readonly announced: number
  readonly expiresAt: number
  readonly ownerId: string
}

/** A tenant created by a region client. */
export interface RegionTenant {
  readonly id: string
  readonly name: string
  readonly origin: string
  readonly status: 'active' | 'disabled'
  readonly datacenter: string
  readonly created: string
  readonly setActive: (active: boolean) => void
}

/** The resources of a tenant with these spaces. */
export function resources(spaces: readonly Space[]): Resources {
  return {
    spaces: new Map(spaces.map(space => [space.id, space])),
    spaceRoles: new Map(),
    contents: new Map(),
    uploads: new Map(),
    tenants: new Map(),
  }
}
