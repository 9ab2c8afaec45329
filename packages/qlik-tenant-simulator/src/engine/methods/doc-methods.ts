import { ExpressionError, fieldOf, parseExpression } from '../data/expression.ts'
import { type JsonObject, listIn, objectIn, textIn } from '../json-rpc/json-value.ts'
import { RpcError } from '../json-rpc/rpc-error.ts'
import type { GenericObject } from '../objects/generic-object.ts'
import { sessionAppPrefix } from '../objects/session-app.ts'
import { denied, type MethodContext, type Methods, nothing } from './method.ts'

type Doc = { readonly type: 'Doc'; readonly id: string }

/** Methods of an app handle (`Doc`). */
export const docMethods: Methods<Doc> = {
  GetAppLayout: { parameters: [], run: ({ session }) => ({ qLayout: appLayout(session.app) }) },
  GetAppProperties: {
    parameters: [],
    run: ({ session }) => ({
      qProp: { qTitle: session.app.name, qThumbnail: {}, description: session.app.description },
    }),
  },
  GetLocaleInfo: { parameters: [], run: () => ({ qReturn: localeInfo }) },
  GetActiveSheetId: { parameters: [], run: ({ session }) => ({ qId: session.app.sheets[0]?.id ?? '' }) },

  GetObject: {
    parameters: ['qId'],
    run({ session, reference }, parameters) {
      const object = session.object(parameters.text('qId'))
      return object ? reference({ type: 'GenericObject', object }) : nothing
    },
  },
  GetObjects: {
    parameters: ['qOptions'],
    run({ session }, parameters) {
      const types = listIn(parameters.object('qOptions').qTypes)
      const found = session.app.objects.filter(object => types.length === 0 || types.includes(object.qInfo.qType))
      return { qList: found.map(object => ({ qInfo: object.qInfo, qMeta: objectIn(object.qMetaDef), qData: {} })) }
    },
  },
  GetAllInfos: { parameters: [], run: ({ session }) => ({ qInfos: session.app.objects.map(object => object.qInfo) }) },
  GetInfos: { parameters: [], run: ({ session }) => ({ qInfos: session.app.objects.map(object => object.qInfo) }) },
  CreateSessionObject: { parameters: ['qProp'], run: createSessionObject },
  GetOrCreateObject: { parameters: ['qProp'], run: getOrCreateObject },
  DestroySessionObject: {
    parameters: ['qId'],
    run({ session, release }, parameters) {
      const object = session.object(parameters.text('qId'))
      if (object?.isSessionObject) release(object)
      return { qSuccess: session.destroyObject(parameters.text('qId')) }
    },
  },
  CreateObject: denied,
  DestroyObject: denied,
  CloneObject: denied,
  SetAppProperties: denied,
  DoSave: denied,
  SaveObjects: denied,
  SetScript: denied,
  GetScript: denied,
  DoReload: denied,
  DoReloadEx: denied,
  CreateBookmark: denied,
  CreateDimension: denied,
  CreateMeasure: denied,
  CreateVariableEx: denied,

  // The apps have no master items, variables or bookmarks.
  GetDimension: { parameters: ['qId'], run: () => nothing },
  GetMeasure: { parameters: ['qId'], run: () => nothing },
  GetVariableById: { parameters: ['qId'], run: () => nothing },
  GetVariableByName: { parameters: ['qName'], run: () => nothing },
  GetBookmark: { parameters: ['qId'], run: () => nothing },

  GetField: {
    parameters: ['qFieldName', 'qStateName'],
    run({ session, reference }, parameters) {
      const field = fieldOf(parameters.text('qFieldName'), session.table)
      return field ? reference({ type: 'Field', field }) : nothing
    },
  },
  GetFieldDescription: {
    parameters: ['qFieldName'],
    run({ session }, parameters) {
      const field = session.table.field(parameters.text('qFieldName'))
      if (!field) throw new RpcError('notFound', 'qFieldName')
      return {
        qReturn: {
          qName: field.name,
          qCardinal: field.values.length,
          qIsNumeric: field.isNumeric,
          qSrcTables: ['Data'],
        },
      }
    },
  },

  ClearAll: {
    parameters: ['qLockedAlso', 'qStateName'],
    run: (context, parameters) =>
      changing(context, () => context.session.selections.clearAll({ locked: parameters.boolean('qLockedAlso') })),
  },
  LockAll: { parameters: ['qStateName'], run: context => changing(context, () => lockAll(context, true)) },
  UnlockAll: { parameters: ['qStateName'], run: context => changing(context, () => lockAll(context, false)) },
  Back: { parameters: [], run: context => changing(context, () => context.session.selections.back()) },
  Forward: { parameters: [], run: context => changing(context, () => context.session.selections.forward()) },
  BackCount: { parameters: [], run: ({ session }) => ({ qReturn: session.selections.backCount }) },
  ForwardCount: { parameters: [], run: ({ session }) => ({ qReturn: session.selections.forwardCount }) },
  AbortModal: {
    parameters: ['qAccept'],
    run: (context, parameters) => changing(context, () => context.session.endModal(parameters.boolean('qAccept'))),
  },
  // Undo and redo of edits: apps are read-only.
  ClearUndoBuffer: { parameters: [], run: () => ({}) },
  Undo: { parameters: [], run: () => ({ qSuccess: false }) },
  Redo: { parameters: [], run: () => ({ qSuccess: false }) },
  Resume: { parameters: [], run: () => ({}) },

  Evaluate: {
    parameters: ['qExpression'],
    run: ({ session }, parameters) => ({ qReturn: String(session.evaluate(parameters.text('qExpression')) ?? '-') }),
  },
  EvaluateEx: {
    parameters: ['qExpression'],
    run({ session }, parameters) {
      const value = session.evaluate(parameters.text('qExpression'))
      const isNumeric = typeof value === 'number'
      return { qValue: { qText: String(value ?? '-'), qIsNumeric: isNumeric, qNumber: isNumeric ? value : 'NaN' } }
    },
  },
  CheckExpression: {
    parameters: ['qExpr', 'qLabels'],
    run: ({ session }, parameters) => ({
      qErrorMsg: expressionProblem(parameters.text('qExpr'), session.table),
      qBadFieldNames: [],
      qDangerousFieldNames: [],
    }),
  },
  GetFieldOnTheFlyByName: {
    parameters: ['qReadableName'],
    run: ({ session }, parameters) => ({ qName: session.table.field(parameters.text('qReadableName'))?.name ?? '' }),
  },
}

function createSessionObject(
  { session, reference }: MethodContext,
  parameters: { object(name: string): JsonObject },
): JsonObject {
  const properties = parameters.object('qProp')
  if (textIn(objectIn(properties.qInfo).qType) === '')
    throw new RpcError('parameters', 'qProp', 'qProp must have a qInfo with a qType')
  return created(session.createObject(properties), reference)
}

function getOrCreateObject(context: MethodContext, parameters: { object(name: string): JsonObject }): JsonObject {
  const known = context.session.object(textIn(objectIn(parameters.object('qProp').qInfo).qId))
  return known ? created(known, context.reference) : createSessionObject(context, parameters)
}

function created(object: GenericObject, reference: MethodContext['reference']): JsonObject {
  return { qInfo: object.properties.qInfo, ...reference({ type: 'GenericObject', object }) }
}

function lockAll({ session }: MethodContext, locked: boolean): boolean {
  const fields = [...session.selections.current.keys()]
    .map(name => session.table.field(name))
    .filter(field => field !== undefined)
  return session.selections.setLock(fields, locked)
}

/** Carries out a change and notifies all sockets of the session. */
function changing({ session }: MethodContext, act: () => unknown): JsonObject {
  const isAccepted = act()
  session.changed()
  return { qReturn: isAccepted !== false, qSuccess: isAccepted !== false }
}

function appLayout(app: MethodContext['session']['app']): JsonObject {
  return {
    qTitle: app.name,
    qFileName: app.id,
    qLastReloadTime: app.updatedAt,
    qModified: false,
    qHasScript: false,
    qHasData: !app.id.startsWith(sessionAppPrefix),
    qIsOpenedWithoutData: false,
    qReadOnly: true,
    qIsSessionApp: app.id.startsWith(sessionAppPrefix),
    qStateNames: [],
    qMeta: { privileges: ['read'] },
    qThumbnail: {},
    qLocaleInfo: localeInfo,
    description: app.description,
    published: app.spaceId !== undefined,
  }
}

function expressionProblem(source: string, table: MethodContext['session']['table']): string {
  try {
    parseExpression(source, table)
    return ''
  } catch (error) {
    if (error instanceof ExpressionError) return error.message
    throw error
  }
}

/** Complete, because charts expect every member. */
const localeInfo: JsonObject = {
  qDecimalSep: '.',
  qThousandSep: ',',
  qListSep: ';',
  qMoneyDecimalSep: '.',
  qMoneyThousandSep: ',',
  qMoneyFmt: '$#,##0.00;-$#,##0.00',
  qTimeFmt: 'h:mm:ss TT',
  qDateFmt: 'YYYY-MM-DD',
  qTimestampFmt: 'YYYY-MM-DD h:mm:ss[.fff] TT',
  qCurrentYear: 2026,
  qFirstWeekDay: 0,
  qReferenceDay: 4,
  qFirstMonthOfYear: 1,
  qCollation: 'en-US',
  qNumericalAbbreviation: '3:k;6:M;9:B;12:T;15:P;18:E;21:Z;24:Y;-3:m;-6:μ;-9:n;-12:p;-15:f;-18:a;-21:z;-24:y',
  qCalendarStrings: {
    qDayNames: ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'],
    qLongDayNames: ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'],
    qMonthNames: ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'],
    qLongMonthNames: [
      'January',
      'February',
      'March',
      'April',
      'May',
      'June',
      'July',
      'August',
      'September',
      'October',
      'November',
      'December',
    ],
  },
}
