import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { asciiDisposition } from './content-disposition.ts'

const utf8 = (text: string): string => Buffer.from(text).toString('latin1')

describe('a content disposition', () => {
  it.each([
    ['attachment; filename="a b.pdf"', 'attachment; filename="a b.pdf"'],
    [';inline', ';inline'],
    [utf8('attachment; filename="日本.pdf"'), `attachment; filename="__.pdf"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.pdf`],
    [utf8('attachment; filename="😀.pdf"'), `attachment; filename="_.pdf"; filename*=UTF-8''%F0%9F%98%80.pdf`],
    ['inline; filename="Ums\xe4tze.pdf"', `inline; filename="Ums_tze.pdf"; filename*=UTF-8''Ums%C3%A4tze.pdf`],
    [
      'inline; filename=Ums\xe4tze.pdf ; size=2',
      `inline; filename=Ums_tze.pdf; filename*=UTF-8''Ums%C3%A4tze.pdf; size=2`,
    ],
    [
      utf8('attachment; filename="a\\"; ä*().pdf"'),
      `attachment; filename="a\\"; _*().pdf"; filename*=UTF-8''a%22%3B%20%C3%A4%2A%28%29.pdf`,
    ],
    [utf8(`attachment; filename="ä"; filename*=UTF-8''%C3%A4`), `attachment; filename="_"; filename*=UTF-8''%C3%A4`],
    [utf8(`attachment; filename*=UTF-8''ä.pdf`), `attachment; filename*=UTF-8''%C3%A4.pdf`],
    [utf8('attachment; filename="ä'), `attachment; filename="_"; filename*=UTF-8''%C3%A4`],
    [utf8('ä; name="ä"'), '_; name="_"'],
  ])('%j becomes %j', (received, expected) => expect(asciiDisposition(received)).toBe(expected))

  it('is ASCII for any bytes, and decodes to the name that was sent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), name => {
        fc.pre(!['\r', '\n', '\0'].some(end => name.includes(end)) && /\P{ASCII}/u.test(name))
        const quoted = name.replace(/["\\]/g, '\\$&')
        const sent = asciiDisposition(utf8(`attachment; filename="${quoted}"`))
        expect(sent).toMatch(/^\p{ASCII}*$/u)
        expect(decodeURIComponent(/filename\*=UTF-8''([^;]*)$/.exec(sent)?.[1] ?? '')).toBe(name)
      }),
    )
    const bytes = fc.string({ unit: fc.integer({ min: 1, max: 255 }).map(code => String.fromCharCode(code)) })
    fc.assert(fc.property(bytes, text => expect(asciiDisposition(text)).toMatch(/^\p{ASCII}*$/u)))
  })
})
