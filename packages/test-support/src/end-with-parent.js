// For `node --import`. The test holds the other end of the pipe at descriptor 3: when the test process ends, however it
// ends, this process does too. The pipe does not keep it alive.
import { Socket } from 'node:net'

const parent = new Socket({ fd: 3 })
parent.on('close', () => process.exit(1)).on('error', () => {})
parent.resume().unref()
