/**
 * Runtime shapes whose TypeScript types are inferred, so that what is checked and what is typed cannot drift apart.
 * Unknown fields pass: a newer server may say more than we understand.
 */
export type Shape<T> = (value: unknown) => value is T
export type Infer<S> = S extends Shape<infer T> ? T : never

type Optional<T> = { [K in keyof T as undefined extends T[K] ? K : never]?: T[K] }
type Required<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
type Fields<F> = { [K in keyof F]: Infer<F[K]> }
type Flat<T> = { [K in keyof T]: T[K] }

export const str = (value: unknown): value is string => typeof value === 'string'
export const bool = (value: unknown): value is boolean => typeof value === 'boolean'
/** Positions and cursors stay below 2⁵³; anything larger would be silently rounded and must not pass. */
export const int = (value: unknown): value is number => Number.isSafeInteger(value)
export const record = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Absent and null mean the same on the wire. */
export const opt =
  <T>(inner: Shape<T>): Shape<T | null | undefined> =>
  (value): value is T | null | undefined =>
    value === undefined || value === null || inner(value)

export const nul =
  <T>(inner: Shape<T>): Shape<T | null> =>
  (value): value is T | null =>
    value === null || inner(value)

export const arr =
  <T>(inner: Shape<T>): Shape<T[]> =>
  (value): value is T[] =>
    Array.isArray(value) && value.every(inner)

export const oneOf =
  <const T extends readonly (string | number)[]>(...values: T): Shape<T[number]> =>
  (value): value is T[number] =>
    values.includes(value as T[number])

export const either =
  <A, B>(a: Shape<A>, b: Shape<B>): Shape<A | B> =>
  (value): value is A | B =>
    a(value) || b(value)

export const obj = <F extends Record<string, Shape<unknown>>>(
  fields: F,
): Shape<Flat<Required<Fields<F>> & Optional<Fields<F>>>> => {
  const checks = Object.entries(fields)
  return (value): value is Flat<Required<Fields<F>> & Optional<Fields<F>>> =>
    record(value) && checks.every(([name, check]) => check(value[name]))
}
