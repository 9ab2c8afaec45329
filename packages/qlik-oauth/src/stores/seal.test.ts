import { randomBytes } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { keyRing } from './seal.ts'

const [key, otherKey] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')]

describe('seal', () => {
  it('unseals what it sealed, for any text and associated data', () =>
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, associatedData) =>
        expect(keyRing([key]).unseal(keyRing([key]).seal(text, associatedData), associatedData)).toBe(text),
      ),
    ))

  it('never seals a text twice to the same envelope', () =>
    expect(keyRing([key]).seal('text', 'a')).not.toBe(keyRing([key]).seal('text', 'a')))

  it('does not contain the text in clear', () =>
    expect(Buffer.from(keyRing([key]).seal('secret-token', 'a'), 'base64url').toString('latin1')).not.toContain(
      'secret',
    ))

  it('does not unseal with other associated data', () =>
    expect(keyRing([key]).unseal(keyRing([key]).seal('text', 'a'), 'b')).toBeUndefined())

  it('unseals with every key of the ring and seals with the first', () => {
    const sealed = keyRing([otherKey]).seal('text', 'a')
    expect(keyRing([key, otherKey]).unseal(sealed, 'a')).toBe('text')
    expect(keyRing([otherKey]).unseal(keyRing([key, otherKey]).seal('text', 'a'), 'a')).toBeUndefined()
  })

  it('does not unseal an envelope altered at any position', () => {
    const sealed = keyRing([key]).seal('text', 'a')
    for (let at = 0; at < sealed.length; at++) {
      // Some bits of the last base64url character are unused; such a change decodes to the same bytes.
      const altered = sealed.slice(0, at) + (sealed[at] === 'A' ? 'z' : 'A') + sealed.slice(at + 1)
      const same = altered
        .split('.')
        .every(
          (part, index) =>
            index > 0 &&
            Buffer.from(part, 'base64url').equals(Buffer.from(sealed.split('.')[index] ?? '', 'base64url')),
        )
      if (!same) expect(keyRing([key]).unseal(altered, 'a')).toBeUndefined()
    }
  })

  it.each(['', '.', '..', 'a.b.c', 'a.b.c.d', '…'])('does not unseal %j', sealed =>
    expect(keyRing([key]).unseal(sealed, 'a')).toBeUndefined(),
  )

  it.each([[[]], [['short']], [[key, 'AAAA']]])('refuses the keys %j', keys =>
    expect(() => keyRing(keys)).toThrow(/32 bytes/),
  )
})
