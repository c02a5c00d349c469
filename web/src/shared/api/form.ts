import { Problem, sentenceOf } from './problem'

/** Which field of a form a refusal is about, by its code; the path names it where the code does not. */
const fieldOfCode: Record<string, string> = {
  username_unavailable: 'user_name',
  username_invalid: 'user_name',
  password_too_short: 'password',
  password_too_long: 'password',
  password_common: 'password',
  display_name_invalid: 'display_name',
  status_text_too_long: 'status_text',
  room_name_invalid: 'name',
  room_name_taken: 'name',
  topic_too_long: 'topic',
}

export interface FormErrors {
  fields: Record<string, string>
  form: string | null
}

export const noErrors: FormErrors = { fields: {}, form: null }

export function formErrors(error: unknown, names: readonly string[]): FormErrors {
  if (!error) return noErrors
  const text = sentenceOf(error)
  const candidates = error instanceof Problem ? [fieldOfCode[error.code], error.path] : []
  const field = candidates.find((name) => name && names.includes(name))
  return field ? { fields: { [field]: text }, form: null } : { fields: {}, form: text }
}

export function textOf(data: FormData, name: string): string {
  const value = data.get(name)
  return typeof value === 'string' ? value : ''
}
