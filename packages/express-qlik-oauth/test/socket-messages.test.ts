import { afterEach, describe, expect, it } from '@jest/globals'
import { type Bench, socketBench } from './socket-bench.ts'

describe('a socket through the proxy', () => {
  let bench: Bench
  afterEach(() => bench.stop())

  it('carries text and binary both ways', async () => {
    bench = await socketBench()
    const { browser, tenant } = await bench.connect()
    browser.send('{"method":"OpenDoc"}')
    expect(await tenant.message()).toEqual({ data: '{"method":"OpenDoc"}', binary: false })
    tenant.send(Buffer.of(1, 2, 3))
    expect(await browser.message()).toEqual({ data: '\x01\x02\x03', binary: true })
  })
})
