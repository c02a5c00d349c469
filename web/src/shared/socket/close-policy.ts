/** Why a connection ended for good, as the person should be told. */
export type Ended = 'signed-out' | 'disabled' | 'outdated' | 'refused'

export type CloseAction =
  | { kind: 'retry'; atLeastMs: number }
  | { kind: 'refresh' }
  | { kind: 'slot' }
  | { kind: 'stop'; ended: Ended }

const RATE_PAUSE_MS = 5_000

/** The table of docs/api.md. Other codes from 4500 on are final too; whatever is left is a lost connection. */
export function closeAction(code: number): CloseAction {
  switch (code) {
    case 4001:
      return { kind: 'refresh' }
    case 4010:
      return { kind: 'slot' }
    case 4029:
      return { kind: 'retry', atLeastMs: RATE_PAUSE_MS }
    case 4501:
      return { kind: 'stop', ended: 'signed-out' }
    case 4503:
      return { kind: 'stop', ended: 'disabled' }
    case 4505:
      return { kind: 'stop', ended: 'outdated' }
    case 1002:
    case 1003:
    case 1007:
    case 1008:
    case 1009:
      return { kind: 'stop', ended: 'refused' }
    default:
      return code >= 4500 && code < 4600 ? { kind: 'stop', ended: 'refused' } : { kind: 'retry', atLeastMs: 0 }
  }
}
