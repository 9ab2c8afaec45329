/** Values that hardly any option accepts, by the name under which a table lists those that one does. */
const wrongValues: Readonly<Record<string, unknown>> = {
  null: null,
  true: true,
  false: false,
  '0': 0,
  '-1': -1,
  '1.5': 1.5,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '1e300': 1e300,
  "''": '',
  "' '": ' ',
  "'x'": 'x',
  "'5'": '5',
  'a line end': 'a\n',
  '[]': [],
  '[null]': [null],
  "['']": [''],
  '{}': {},
  '{ a: 1 }': { a: 1 },
  'an object without a prototype': Object.create(null),
  'a function': () => undefined,
  'a symbol': Symbol('wrong'),
  '1n': 1n,
  'a Date': new Date(0),
  'a Map': new Map(),
  'a Promise': Promise.resolve({}),
}

/** For each option, what it accepts of `wrongValues`; `[]` for most. Names with dots are options of options. */
export type OptionTable = Readonly<Record<string, readonly string[]>>

/** A function that takes options, valid options for it, and its table. */
export interface OptionsUnderTest {
  readonly make: (options: never) => unknown
  readonly valid: () => object
  readonly table: OptionTable
}

/**
 * Tries every wrong value for every option, and the wrong forms of the options themselves.
 *
 * @returns A line for each value that is accepted or refused against the table, and for each error that is not
 * ERR_CONFIGURATION or does not name the option. Empty when all is as the table says.
 */
export async function wrongOptions({ make, valid, table }: OptionsUnderTest): Promise<string[]> {
  const lines: string[] = []
  const attempt = make as (options: unknown) => unknown
  const report = async (what: string, options: unknown, mayAccept: boolean, named = ''): Promise<void> => {
    const outcome = await outcomeOf(attempt, options, named)
    if (outcome !== (mayAccept ? 'accepted' : 'refused')) lines.push(`${what}: ${outcome}`)
  }
  await report('the valid options', valid(), true)
  await report('frozen options without a prototype', Object.freeze(Object.assign(Object.create(null), valid())), true)
  await report('an unknown option', { ...valid(), 'zz-unknown': undefined }, false, 'zz-unknown')
  for (const [name, value] of Object.entries(wrongValues)) {
    const isObject = name === '{}' || name === 'an object without a prototype'
    if (!isObject) await report(`${name} as options`, value, false)
  }
  for (const [option, accepted] of Object.entries(table)) {
    const named = option.split('.').at(-1) ?? ''
    for (const [name, value] of Object.entries(wrongValues))
      await report(`${option}: ${name}`, withOption(valid(), option, value), accepted.includes(name), named)
  }
  return lines
}

/** The options that a function names when it refuses an unknown one. */
export async function optionsOf({ make, valid }: OptionsUnderTest): Promise<string[]> {
  try {
    await (make as (options: unknown) => unknown)({ ...valid(), 'zz-unknown': undefined })
  } catch (error) {
    return / options are (.*)\.$/.exec(error instanceof Error ? error.message : '')?.[1]?.split(', ') ?? []
  }
  return []
}

async function outcomeOf(make: (options: unknown) => unknown, options: unknown, named: string): Promise<string> {
  try {
    await make(options)
    return 'accepted'
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
    if (code !== 'ERR_CONFIGURATION') return String(error)
    return String(message).includes(named) ? 'refused' : `refused without naming ${named}: ${String(message)}`
  }
}

function withOption(options: object, name: string, value: unknown): object {
  const [first = '', ...rest] = name.split('.')
  if (rest.length === 0) return { ...options, [first]: value }
  const inner: unknown = Reflect.get(options, first)
  return {
    ...options,
    [first]: withOption(typeof inner === 'object' && inner !== null ? inner : {}, rest.join('.'), value),
  }
}
