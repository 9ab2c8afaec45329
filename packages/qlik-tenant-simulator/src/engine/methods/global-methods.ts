import { RpcError } from '../json-rpc/rpc-error.ts'
import { denied, type Methods, nothing } from './method.ts'

/** Methods of the global handle (-1). */
export const globalMethods: Methods<{ readonly type: 'Global' }> = {
  OpenDoc: {
    parameters: ['qDocName', 'qUserName', 'qPassword', 'qSerial', 'qNoData'],
    run({ session, reference }, parameters) {
      // The path of the socket names the app.
      if (parameters.text('qDocName') !== session.app.id)
        throw new RpcError('appNotFound', parameters.text('qDocName').slice(0, 100))
      return reference({ type: 'Doc', id: session.app.id })
    },
  },
  GetActiveDoc: { parameters: [], run: ({ session, reference }) => reference({ type: 'Doc', id: session.app.id }) },
  GetDocList: {
    parameters: [],
    run: ({ apps }) => ({
      qDocList: apps().map(app => ({
        qDocId: app.id,
        qDocName: app.name,
        qTitle: app.name,
        qLastReloadTime: app.updatedAt,
        qMeta: { description: app.description },
      })),
    }),
  },
  GetAuthenticatedUser: { parameters: [], run: ({ user }) => ({ qReturn: `UserDirectory=QLIK; UserId=${user.id}` }) },
  EngineVersion: { parameters: [], run: () => ({ qVersion: { qComponentVersion: engineVersion } }) },
  ProductVersion: { parameters: [], run: () => ({ qReturn: engineVersion }) },
  QvVersion: { parameters: [], run: () => ({ qReturn: engineVersion }) },
  OSName: { parameters: [], run: () => ({ qReturn: 'Linux' }) },
  QTProduct: { parameters: [], run: () => ({ qReturn: 'QlikSenseServer' }) },
  IsPersonalMode: { parameters: [], run: () => ({ qReturn: false }) },
  IsDesktopMode: { parameters: [], run: () => ({ qReturn: false }) },
  AllowCreateApp: { parameters: [], run: () => ({ qReturn: false }) },
  // Requests are processed one at a time, so none is ever in progress.
  AbortRequest: { parameters: ['qRequestId'], run: () => ({}) },
  AbortAll: { parameters: [], run: () => ({}) },
  CancelRequest: { parameters: ['qRequestId'], run: () => ({}) },
  GetProgress: {
    parameters: ['qRequestId'],
    run: () => ({
      qProgressData: {
        qStarted: false,
        qFinished: false,
        qCompleted: 0,
        qTotal: 0,
        qKB: 0,
        qMillisecs: 0,
        qUserInteractionWanted: false,
        qPersistentProgress: '',
        qTransientProgress: '',
      },
    }),
  },
  GetInteract: { parameters: ['qRequestId'], run: () => nothing },
  CreateApp: denied,
  DeleteApp: denied,
  CopyApp: denied,
  CreateSessionApp: denied,
  CreateSessionAppFromApp: denied,
}

/** Version of the protocol schema in enigma.js that these methods follow. */
const engineVersion = '12.2027.0'
