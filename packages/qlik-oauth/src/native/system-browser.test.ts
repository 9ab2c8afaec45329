import { describe, expect, it } from '@jest/globals'
import { openSystemBrowser } from './system-browser.ts'

describe('the system browser', () => {
  it.each(['file:///etc/passwd', 'javascript:alert(1)', '--help', '-a Calculator', 'calc.exe', '', 'vbscript:x'])(
    'is not asked to open %j',
    async url => {
      await expect(openSystemBrowser(url)).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
    },
  )
})
